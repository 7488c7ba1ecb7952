/** The nodes in a table: role, term, the three lags, link, app, and what is wrong. */
import { html, nothing, type TemplateResult } from 'lit';
import type { ClusterView, NodeView } from '../../../shared/cluster-view.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { PLANTED } from '../../../shared/view/planted.ts';
import { count, duration } from '../../../shared/wording.ts';
import { lagText } from '../format.ts';
import { type TextKey, text } from '../strings.ts';
import type { Acts } from '../ui.ts';
import { problemList } from './header.ts';

const COLUMNS: readonly TextKey[] = [
  'node',
  'role',
  'replicatedLag',
  'committedLag',
  'appliedLag',
  'link',
  'app',
  'problem',
  'ask',
];

/** Glyphs beside the words of roles, so that a row is told from afar. */
const ROLE_GLYPH = { LEADER: '★', FOLLOWER: '○', CANDIDATE: '◇', LEARNER: '△', '': '?' } as const;

export function nodesView(cluster: ClusterView, acts: Acts): TemplateResult {
  return html`<section aria-labelledby="nodes-title">
    <h2 id="nodes-title">${text('nodes')}</h2>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="nodes-title">
      <table>
        <thead>
          <tr>
            ${COLUMNS.map((key) => html`<th scope="col">${text(key)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${cluster.nodes.map((node) => nodeRow(node, acts))}
        </tbody>
      </table>
    </div>
  </section>`;
}

function nodeRow(node: NodeView, acts: Acts): TemplateResult {
  const { id, role, status, link, lag } = node;
  const name = safeLine(id);
  const state = text(`link.${link.state}`);
  return html`<tr data-node=${name}>
    <th scope="row">${name}</th>
    <td data-role>
      <span aria-hidden="true">${ROLE_GLYPH[role]}</span> ${text(`role.${role}`)}${
        status === undefined ? '' : `, ${text('term', count(status.term))}`
      }
    </td>
    <td data-lag="replicated">${lagText(lag?.replicated)}</td>
    <td data-lag="committed">${lagText(lag?.committed)}</td>
    <td data-lag="applied">${lagText(lag?.applied)}</td>
    <td class="said">${link.reason === '' ? state : text('because', state, safeLine(link.reason))}</td>
    <td class="said">${appText(node)}</td>
    <td data-problems>${plantedList(node)}${problemList(node.problems.filter(({ code }) => code !== PLANTED))}</td>
    <td>
      <button
        type="button"
        data-act="why-behind"
        aria-label=${text('whyBehindNode', name)}
        @click=${() => acts.explain('lag', id)}
      >
        ${text('whyBehind')}
      </button>
    </td>
  </tr>`;
}

/** What somebody planted, with the time that is left: no error, and not to be overlooked. */
function plantedList({ planted = [] }: NodeView): TemplateResult | typeof nothing {
  if (planted.length === 0) return nothing;
  return html`<ul class="plain" data-planted aria-label=${text('planted')}>
    ${planted.map(
      ({ what, leftMs }) =>
        html`<li class="said planted">
          <span aria-hidden="true">◆</span> ${text('plantedFault', safeLine(what), duration(leftMs))}
        </li>`,
    )}
  </ul>`;
}

function appText({ status }: NodeView): string {
  if (status === undefined) return text('unknown');
  const { name, state, condition = state, reason } = status.app;
  const words = [safeLine(name), safeLine(condition, 40)].filter((word) => word !== '').join(' ');
  return reason === '' ? words : text('because', words, safeLine(reason));
}
