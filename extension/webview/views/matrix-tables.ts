/** The matrix as tables: what the canvas shows, for every reader. */
import { html, nothing, type TemplateResult } from 'lit';
import { safeLine } from '../../../shared/safe-text.ts';
import { count } from '../../../shared/wording.ts';
import type { View } from '../model/geometry.ts';
import { type MatrixRow, type RowLog, runsInView } from '../model/matrix.ts';
import { type TextKey, text } from '../strings.ts';

/** Runs listed at once. The table says how many more there are. */
const MOST_RUNS = 300;

const head = (keys: readonly TextKey[]) => html`<thead>
  <tr>
    ${keys.map((key) => html`<th scope="col">${text(key)}</th>`)}
  </tr>
</thead>`;

export function marksTable(rows: readonly MatrixRow[]): TemplateResult {
  return html`<div class="scroll">
    <table data-table="marks">
      <caption>
        ${text('marksTable')}
      </caption>
      ${head(['node', 'snapshot', 'applied', 'committed', 'match', 'lastEntry'])}
      <tbody>
        ${rows.map(({ node, log, match }) => {
          const numbers = [
            log?.terms.snapshotIndex,
            log?.terms.appliedIndex,
            log?.terms.commitIndex,
            match,
            log?.last,
          ];
          return html`<tr>
            <th scope="row">${safeLine(node)}</th>
            ${numbers.map((value) => html`<td class="number">${value === undefined ? text('unknown') : count(value)}</td>`)}
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}

export function runsTable(rows: readonly MatrixRow[], view: View): TemplateResult {
  const runs = runsInView(rows, view);
  const more = runs.length - MOST_RUNS;
  return html`<div class="scroll">
      <table data-table="runs">
        <caption>
          ${text('runsTable')}
        </caption>
        ${head(['node', 'termColumn', 'first', 'last', 'count', 'state'])}
        <tbody>
          ${runs.slice(0, MOST_RUNS).map(
            ({ row, log, run }) =>
              html`<tr>
                <th scope="row">${safeLine(row.node)}</th>
                <td>${count(run.term)}</td>
                <td class="number">${count(run.first)}</td>
                <td class="number">${count(run.last)}</td>
                <td class="number">${count(run.last - run.first + 1)}</td>
                <td>${stateText(log, run.first, run.last)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${more > 0 ? html`<p>${text('moreRuns', count(more))}</p>` : nothing}`;
}

function stateText(log: RowLog, first: number, last: number): string {
  const { commitIndex } = log.terms;
  if (last <= commitIndex) return text('stateCommitted');
  return first > commitIndex ? text('stateUncommitted') : text('stateBoth', count(commitIndex));
}
