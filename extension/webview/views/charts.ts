/**
 * Lag and throughput over time, with the shared time cursor; the same in words and, when asked, in a table.
 *
 * MUST: tell lines apart by dashes as well as colour; name which lag it is.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import uPlot from 'uplot';
import type { Series } from '../../../shared/panel-protocol.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { clock, count } from '../../../shared/wording.ts';
import type { Palette } from '../draw/palette.ts';
import { nearestPoint, type TimeWindow } from '../model/time.ts';
import { text } from '../strings.ts';
import { type Acts, FIRST_UI, type Ui } from '../ui.ts';
import { PageElement } from './element.ts';

/** Rows of the table. It says how many measurements there are. */
const TABLE_ROWS = 60;
const HEIGHT = 150;
/** Line patterns, by place of the node. */
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5]];

interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

export class Charts extends PageElement {
  static override properties = {
    series: { attribute: false },
    window: { attribute: false },
    ui: { attribute: false },
    acts: { attribute: false },
    palette: { attribute: false },
  };
  declare series: Series;
  declare window: TimeWindow;
  declare ui: Ui;
  declare acts: Acts | undefined;
  declare palette: Palette | undefined;
  #plots: readonly uPlot[] = [];
  /** What the plots were built for; anything else needs new ones. */
  #builtFor: readonly unknown[] = [];
  readonly #resized = new ResizeObserver(() => this.#resize());

  constructor() {
    super();
    this.series = { nodes: [], points: [] };
    this.window = { from: 0, to: 1_000 };
    this.ui = FIRST_UI;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resized.disconnect();
    this.#destroy();
  }

  protected override render(): TemplateResult {
    const { chartTable, lagKind } = this.ui;
    const lines = this.#lagLines();
    return html`<section aria-labelledby="charts-title">
      <h2 id="charts-title">${text('charts')}</h2>
      <div class="row tools">
        <label
          >${text('lagKind')}
          <select
            @change=${(event: Event) => {
              const { value } = event.currentTarget as HTMLSelectElement;
              this.acts?.set({ lagKind: value === 'applied' ? 'applied' : 'replicated' });
            }}
          >
            <option value="replicated" ?selected=${lagKind === 'replicated'}>${text('replicatedLag')}</option>
            <option value="applied" ?selected=${lagKind === 'applied'}>${text('appliedLag')}</option>
          </select></label
        >
        <button
          type="button"
          data-act="chart-table"
          aria-pressed=${chartTable}
          @click=${() => this.acts?.set({ chartTable: !chartTable })}
        >
          ${text('showTable')}
        </button>
        <span class="muted">${this.#when()}</span>
      </div>
      <h3>${text('chartLag')}: ${text(lagKind === 'applied' ? 'appliedLag' : 'replicatedLag')}</h3>
      <div class="chart" data-chart="lag" aria-hidden="true"></div>
      ${this.#summary(lines)}
      <h3>${text('chartThroughput')}</h3>
      <div class="chart" data-chart="throughput" aria-hidden="true"></div>
      ${this.#summary([this.#throughputLine()])} ${chartTable ? this.#table(lines) : nothing}
    </section>`;
  }

  protected override updated(_changed: PropertyValues): void {
    const wanted = [this.palette, this.series.nodes.join('\n'), this.ui.lagKind];
    if (wanted.some((one, at) => one !== this.#builtFor[at])) {
      this.#destroy();
      this.#build();
      this.#builtFor = wanted;
    }
    this.#fill();
  }

  #lagLines(): Line[] {
    const { nodes, points } = this.series;
    return nodes.map((name, at) => ({
      name,
      values: points.map((point) => {
        const lags = this.ui.lagKind === 'applied' ? point.appliedLag : point.replicatedLag;
        return lags[at] ?? null;
      }),
    }));
  }

  #throughputLine(): Line {
    return { name: text('throughput'), values: this.series.points.map(({ throughput }) => throughput) };
  }

  /** Position of the point at the time cursor; the newest without one. */
  #at(): number {
    const { points } = this.series;
    const { timeCursor } = this.ui;
    return timeCursor === undefined ? points.length - 1 : nearestPoint(points, timeCursor);
  }

  #when(): string {
    const point = this.series.points[this.#at()];
    if (point === undefined) return text('noPoints');
    return text(this.ui.timeCursor === undefined ? 'nowAt' : 'cursorAt', clock(point.at));
  }

  #summary(lines: readonly Line[]): TemplateResult {
    const at = this.#at();
    const word = (value: number | null | undefined) =>
      value === null || value === undefined ? text('unknown') : count(value);
    return html`<ul class="plain row">
      ${lines.map(({ name, values }, place) => {
        const most = values.reduce<number | null>(
          (a, b) => (a === null ? b : b === null ? a : Math.max(a, b)),
          null,
        );
        return html`<li>
          <svg class="key" viewBox="0 0 34 10" aria-hidden="true">
            <line
              x1="0"
              x2="34"
              y1="5"
              y2="5"
              stroke-width="2"
              stroke=${this.#colour(place)}
              stroke-dasharray=${(DASHES[place % DASHES.length] ?? []).join(' ')}
            ></line>
          </svg>
          ${text('seriesSummary', safeLine(name, 60), word(values[at]), word(most))}
        </li>`;
      })}
    </ul>`;
  }

  #table(lines: readonly Line[]): TemplateResult {
    const { points } = this.series;
    const shown = points
      .slice(-TABLE_ROWS)
      .map((point, at) => ({ point, at: Math.max(0, points.length - TABLE_ROWS) + at }));
    const cell = (value: number | null | undefined) =>
      value === null || value === undefined ? '–' : count(value);
    return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="charts-title">
      <table data-table="series">
        <caption>
          ${text('tableNewest', count(shown.length), count(points.length))}
        </caption>
        <thead>
          <tr>
            <th scope="col">${text('time')}</th>
            ${lines.map(({ name }) => html`<th scope="col" class="number">${safeLine(name, 60)}</th>`)}
            <th scope="col" class="number">${text('throughput')}</th>
          </tr>
        </thead>
        <tbody>
          ${shown.reverse().map(
            ({ point, at }) =>
              html`<tr>
                <th scope="row">${clock(point.at)}</th>
                ${lines.map(({ values }) => html`<td class="number">${cell(values[at])}</td>`)}
                <td class="number">${cell(point.throughput)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }

  #colour(place: number): string {
    const { palette } = this;
    if (palette === undefined) return 'currentColor';
    return palette.contrast ? palette.ink : (palette.terms[place % palette.terms.length] ?? palette.ink);
  }

  #build(): void {
    const { palette } = this;
    const places = ['lag', 'throughput'].map((name) =>
      this.querySelector<HTMLElement>(`[data-chart=${name}]`),
    );
    if (palette === undefined) return;
    this.#plots = places.flatMap((place, at) => {
      if (place === null) return [];
      this.#resized.observe(place);
      const lines = at === 0 ? this.series.nodes : [''];
      return [new uPlot(this.#options(palette, place.clientWidth, lines.length), undefined, place)];
    });
  }

  #options(palette: Palette, width: number, lines: number): uPlot.Options {
    const axis = {
      stroke: palette.muted,
      grid: { stroke: palette.line, width: 1 },
      ticks: { stroke: palette.line },
    };
    return {
      width: Math.max(width, 100),
      height: HEIGHT,
      ms: 1,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { show: false } },
      scales: {
        x: { time: true, range: () => [this.window.from, this.window.to] },
        y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 0) * 1.1)] },
      },
      axes: [axis, { ...axis, size: 64, values: (_plot, values) => values.map((value) => count(value)) }],
      series: [
        {},
        ...Array.from({ length: lines }, (_none, at) => ({
          stroke: this.#colour(at),
          dash: [...(DASHES[at % DASHES.length] ?? [])],
          width: 2,
          points: { show: false },
        })),
      ],
      hooks: { ready: [(plot) => this.#follow(plot)] },
    };
  }

  /** The pointer over a chart moves the shared time cursor. */
  #follow(plot: uPlot): void {
    plot.over.addEventListener('pointermove', ({ offsetX }) => {
      this.acts?.set({ timeCursor: plot.posToVal(offsetX, 'x') });
    });
  }

  #fill(): void {
    const times = this.series.points.map(({ at }) => at);
    const data = [this.#lagLines(), [this.#throughputLine()]];
    this.#plots.forEach((plot, at) => {
      plot.setData([times, ...(data[at] ?? []).map(({ values }) => [...values])]);
      // The plot takes its new scales in a microtask of its own; only after it is a time a place.
      queueMicrotask(() => this.#placeCursor(plot));
    });
  }

  #placeCursor(plot: uPlot): void {
    const { timeCursor } = this.ui;
    const left = timeCursor === undefined ? -10 : plot.valToPos(timeCursor, 'x');
    plot.setCursor({ left, top: 0 }, false);
  }

  #resize(): void {
    for (const plot of this.#plots) {
      const width = plot.root.parentElement?.clientWidth ?? 0;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT });
    }
  }

  #destroy(): void {
    for (const plot of this.#plots) plot.destroy();
    this.#plots = [];
    this.#builtFor = [];
  }
}
