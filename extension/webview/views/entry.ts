/** One entry, beside the matrix: its facts and its payload as text. */
import { html, nothing, type TemplateResult } from 'lit';
import type { EntryDetails } from '../../../shared/panel-protocol.ts';
import { safeBlock, safeLine } from '../../../shared/safe-text.ts';
import { clock, count } from '../../../shared/wording.ts';
import { text } from '../strings.ts';
import type { Acts, Ui } from '../ui.ts';

export function entryView(ui: Ui, acts: Acts, hasEditor: boolean): TemplateResult | typeof nothing {
  const { entry } = ui;
  if (entry === undefined) return nothing;
  const { asked, index } = entry;
  const node = asked.state === 'ANSWERED' ? asked.answer.node : entry.node;
  return html`<section class="box" aria-labelledby="entry-title" data-entry=${asked.state}>
    <div class="row">
      <h2 id="entry-title" tabindex="-1">${text('entry', count(index), safeLine(node))}</h2>
      ${
        hasEditor
          ? html`<button type="button" data-act="open-log" @click=${() => acts.openLog(entry)}>
              ${text('openLog')}
            </button>`
          : nothing
      }
      <button type="button" data-act="why-entry" @click=${() => acts.explain('entry', String(index))}>
        ${text('whyEntry')}
      </button>
      <button type="button" data-act="close-entry" @click=${() => acts.set({ entry: undefined })}>
        ${text('close')}
      </button>
    </div>
    ${asked.state === 'ASKING' ? html`<p>${text('explaining')}</p>` : nothing}
    ${asked.state === 'FAILED' ? html`<p class="error said">${text('actFailed', safeLine(asked.reason))}</p>` : nothing}
    ${asked.state === 'ANSWERED' ? facts(asked.answer) : nothing}
  </section>`;
}

function facts({ term, kind, size, time, decoded }: EntryDetails): TemplateResult {
  return html`<p>${text('entryFacts', count(term), safeLine(kind), count(size), clock(time))}</p>
    <h3 id="payload-title">${text('entryDecoded', safeLine(decoded.decoder))}</h3>
    <pre tabindex="0" role="region" aria-labelledby="payload-title">${safeBlock(decoded.text)}</pre>`;
}
