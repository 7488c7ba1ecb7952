/** An answer with its certainty, evidence, next step, and (for an entry) where its time went. */
import { html, nothing, svg, type TemplateResult } from 'lit';
import type { About, EvidenceItem, Explanation, Stage } from '../../../shared/explain/types.ts';
import { safeBlock, safeLine } from '../../../shared/safe-text.ts';
import { clock, duration } from '../../../shared/wording.ts';
import { text } from '../strings.ts';
import type { Acts, Ui } from '../ui.ts';

export function explainView(ui: Ui, acts: Acts): TemplateResult | typeof nothing {
  const { explanation } = ui;
  if (explanation === undefined) return nothing;
  const { about, id, asked } = explanation;
  return html`<section class="box" aria-labelledby="explain-title" data-explain=${asked.state}>
    <div class="row">
      <h2 id="explain-title" tabindex="-1">${questionText(about, id)}</h2>
      <button type="button" data-act="close-explain" @click=${() => acts.set({ explanation: undefined })}>
        ${text('close')}
      </button>
    </div>
    ${asked.state === 'ASKING' ? html`<p>${text('explaining')}</p>` : nothing}
    ${asked.state === 'FAILED' ? html`<p class="error said">${text('actFailed', safeLine(asked.reason))}</p>` : nothing}
    ${asked.state === 'ANSWERED' ? answerView(asked.answer, acts) : nothing}
  </section>`;
}

export function questionText(about: About, id: string): string {
  return text(`about.${about}`, safeLine(id, 80));
}

function answerView(
  { answer, cause, certainty, evidence, next, stages }: Explanation,
  acts: Acts,
): TemplateResult {
  return html`<p class="said" data-answer>${safeBlock(answer, 2_000)}</p>
    <p><strong data-certainty>${text(`certainty.${certainty}`)}</strong> <code>${cause}</code></p>
    ${
      evidence.length === 0
        ? nothing
        : html`<h3>${text('evidence')}</h3>
            <ol class="plain">
              ${evidence.map((item) => html`<li>${evidenceView(item, acts)}</li>`)}
            </ol>`
    }
    ${stages === undefined || stages.length === 0 ? nothing : waterfall(stages)}
    ${next === '' ? nothing : html`<h3>${text('nextStep')}</h3><p class="said">${safeBlock(next, 2_000)}</p>`}`;
}

/** What has a time is a button: it puts the time cursor there. */
function evidenceView({ node, at, text: words }: EvidenceItem, acts: Acts): TemplateResult {
  // The rules name the node in most of their sentences; it is added to the others.
  const named = words.startsWith(node);
  const said = named ? safeLine(words, 500) : text('because', safeLine(node), safeLine(words, 500));
  if (at === undefined) return html`<span class="said">${said}</span>`;
  return html`<button
    type="button"
    class="link said"
    data-act="evidence"
    @click=${() => {
      acts.set({ tab: 'time', timeCursor: at });
      acts.say('time', text('cursorAt', clock(at)));
    }}
  >
    ${clock(at)} ${said}
  </button>`;
}

/** One bar per stage, on one axis, with its length in words. SVG, since its places are attributes and not styles. */
function waterfall(stages: readonly Stage[]): TemplateResult {
  const end = Math.max(...stages.map(({ toMs }) => toMs), 0.001);
  return html`<h3>${text('stages')}</h3>
    <ol class="plain">
      ${stages.map(({ node, name, fromMs, toMs }) => {
        const wide = Math.max(0.3, ((toMs - fromMs) / end) * 100);
        return html`<li>
          ${text('stage', safeLine(node), safeLine(name), duration(toMs - fromMs))}
          <svg class="waterfall" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
            ${svg`<rect class="ground" width="100" height="10"></rect>
              <rect class="bar" x=${(fromMs / end) * 100} width=${wide} y="1" height="8"></rect>`}
          </svg>
        </li>`;
      })}
    </ol>`;
}
