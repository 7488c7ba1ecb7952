/** The head of the page: the cluster, its leader, term and health, and what is wrong, with reasons. */
import { html, nothing, type TemplateResult } from 'lit';
import type { ClusterView, Problem } from '../../../shared/cluster-view.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { count } from '../../../shared/wording.ts';
import { text } from '../strings.ts';
import type { Acts } from '../ui.ts';

const GLYPH = { HEALTHY: '✔', DEGRADED: '▲', NO_LEADER: '✖', UNREACHABLE: '✖' } as const;

export function headerView(cluster: ClusterView, acts: Acts): TemplateResult {
  const { health, leader } = cluster;
  return html`<header>
    <div class="row">
      <h1>${safeLine(cluster.name) || 'Outrigger'}</h1>
      <strong class="fact ${health === 'HEALTHY' ? '' : 'error'}" data-health=${health}
        ><span aria-hidden="true">${GLYPH[health]}</span> ${text(`health.${health}`)}</strong
      >
      <span class="fact" data-leader
        >${leader === '' ? text('noLeader') : text('leaderIs', safeLine(leader))}</span
      >
      <span class="fact" data-term>${text('term', count(cluster.term))}</span>
      <span class="fact">${text('commit', count(cluster.commitIndex))}</span>
      <button type="button" data-act="why-leader" @click=${() => acts.explain('leader', '')}>
        ${leader === '' ? text('whyNoLeader') : text('whyLeader')}
      </button>
    </div>
    ${problemList(cluster.problems)}
  </header>`;
}

/** Problems with their weight in words. */
export function problemList(problems: readonly Problem[]): TemplateResult | typeof nothing {
  if (problems.length === 0) return nothing;
  return html`<ul class="plain" aria-label=${text('problems')}>
    ${problems.map(
      ({ severity, text: words }) =>
        html`<li class="said ${severity === 'ERROR' ? 'error' : severity === 'WARNING' ? 'warning' : ''}">
          ${text('because', text(`severity.${severity}`), safeLine(words, 500))}
        </li>`,
    )}
  </ul>`;
}
