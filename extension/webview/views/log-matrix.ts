/**
 * The log matrix on screen: canvas, names beside it, the cells of the cursor's column for those who do not see it, and
 * a table of the same.
 *
 * MUST: be usable by keyboard alone; keep pointer, wheel and keys to the same few acts of `model/geometry.ts`.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { safeLine } from '../../../shared/safe-text.ts';
import { count } from '../../../shared/wording.ts';
import { drawMatrix, LANE, matrixHeight } from '../draw/matrix-canvas.ts';
import type { Palette } from '../draw/palette.ts';
import { surface } from '../draw/surface.ts';
import {
  clampView,
  type Extent,
  indexAt,
  panView,
  positionOf,
  revealIndex,
  type View,
  viewAtPosition,
  wholeView,
  zoomView,
} from '../model/geometry.ts';
import { cellOf, extentOf, type MatrixRow, nextTermStart, unsettledView } from '../model/matrix.ts';
import { type TextKey, text } from '../strings.ts';
import { type Acts, type CellName, FIRST_UI, type Ui } from '../ui.ts';
import { PageElement } from './element.ts';
import { marksTable, runsTable } from './matrix-tables.ts';
import { termLegend } from './term-legend.ts';

/** Screen readers count columns in 32 bits; beyond, -1 says "not known". */
const MOST_COLUMNS = 2 ** 31 - 1;
const POSITION_STEPS = 1_000;

const LEGEND: readonly TextKey[] = [
  'legendCommit',
  'legendApplied',
  'legendMatch',
  'legendSnapshot',
  'legendHatched',
  'legendDotted',
];

export class LogMatrix extends PageElement {
  static override properties = {
    rows: { attribute: false },
    ui: { attribute: false },
    acts: { attribute: false },
    palette: { attribute: false },
  };
  declare rows: readonly MatrixRow[];
  declare ui: Ui;
  declare acts: Acts | undefined;
  declare palette: Palette | undefined;
  readonly #resized = new ResizeObserver(() => this.#draw());
  #drag: { readonly x: number; readonly view: View; moved: boolean } | undefined;

  constructor() {
    super();
    this.rows = [];
    this.ui = FIRST_UI;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resized.disconnect();
  }

  protected override updated(_changed: PropertyValues): void {
    const canvas = this.querySelector('canvas');
    if (canvas !== null) this.#resized.observe(canvas);
    this.#draw();
  }

  protected override render(): TemplateResult {
    const extent = extentOf(this.rows);
    if (extent === undefined) return html`<p class="muted">${text('matrixEmpty')}</p>`;
    const view = this.#view(extent);
    return html`<section aria-labelledby="matrix-title">
      <h2 id="matrix-title">${text('logMatrix')}</h2>
      ${this.#tools(extent, view)} ${this.#grid(extent, view)}
      <input
        class="position"
        type="range"
        min="0"
        max=${POSITION_STEPS}
        aria-label=${text('position')}
        .value=${String(Math.round(positionOf(view, extent) * POSITION_STEPS))}
        @input=${(event: InputEvent) => {
          const { value } = event.currentTarget as HTMLInputElement;
          this.#show(viewAtPosition(view, extent, Number(value) / POSITION_STEPS));
        }}
      />
      <p class="muted row" aria-label=${text('legend')} role="note">
        ${LEGEND.map((key) => html`<span>${text(key)}</span>`)}
      </p>
      ${termLegend(this.rows, view, this.palette)}
      ${this.ui.matrixTable ? html`${marksTable(this.rows)} ${runsTable(this.rows, view)}` : nothing}
    </section>`;
  }

  #tools(extent: Extent, view: View): TemplateResult {
    const { mode, matrixTable } = this.ui;
    const zoom = (factor: number) => this.#show(zoomView(view, extent, factor, this.#anchor(view)));
    const button = (key: TextKey, act: () => void, pressed?: boolean) =>
      html`<button type="button" data-act=${key} aria-pressed=${pressed ?? nothing} @click=${act}>
        ${text(key)}
      </button>`;
    const range = [view.from, view.from + view.span - 1, extent.first, extent.last].map(count);
    return html`<div class="row tools">
      ${button('unsettled', () => this.acts?.set({ mode: 'UNSETTLED' }), mode === 'UNSETTLED')}
      ${button('whole', () => this.acts?.set({ mode: 'WHOLE' }), mode === 'WHOLE')}
      ${button('zoomIn', () => zoom(0.5))} ${button('zoomOut', () => zoom(2))}
      ${button('earlier', () => this.#show(panView(view, extent, -Math.ceil(view.span / 2))))}
      ${button('later', () => this.#show(panView(view, extent, Math.ceil(view.span / 2))))}
      ${button('showTable', () => this.acts?.set({ matrixTable: !matrixTable }), matrixTable)}
      <span class="muted" data-range>${text('matrixRange', ...range)}</span>
    </div>`;
  }

  #grid(extent: Extent, view: View): TemplateResult {
    const cursor = this.#cursor(extent, view);
    const columns = extent.last - extent.first + 2;
    return html`<div
      class="matrix"
      role="grid"
      tabindex="0"
      aria-labelledby="matrix-title"
      aria-describedby="matrix-help"
      aria-rowcount=${this.rows.length}
      aria-colcount=${columns > MOST_COLUMNS ? -1 : columns}
      aria-activedescendant=${cursor === undefined ? nothing : `cell-${this.#rowOf(cursor.node)}`}
      @keydown=${(event: KeyboardEvent) => this.#key(event, extent, view)}
      @wheel=${(event: WheelEvent) => this.#wheel(event, extent, view)}
    >
      <div class="names" role="rowgroup">
        ${this.rows.map((row, at) => this.#row(row, at, extent, cursor))}
      </div>
      <canvas
        aria-hidden="true"
        @pointerdown=${(event: PointerEvent) => this.#grab(event, view)}
        @pointermove=${(event: PointerEvent) => this.#pull(event, extent)}
        @pointerup=${(event: PointerEvent) => this.#release(event, view)}
        @dblclick=${() => cursor !== undefined && this.acts?.openEntry(cursor)}
      ></canvas>
      <p class="aloud" id="matrix-help" role="presentation">${text('matrixHelp')}</p>
    </div>`;
  }

  #row(row: MatrixRow, at: number, extent: Extent, cursor: CellName | undefined): TemplateResult {
    const index = cursor?.index ?? extent.last;
    const column = index - extent.first + 2;
    const name = safeLine(row.node, 60);
    return html`<div class="name" role="row" aria-rowindex=${at + 1} title=${name}>
      <span role="rowheader" aria-colindex="1"
        >${row.isLeader ? '★ ' : ''}${name}
        <small class="muted">${this.#note(row)}</small>
      </span>
      <span
        class="aloud"
        role="gridcell"
        id="cell-${at}"
        aria-colindex=${column > MOST_COLUMNS ? nothing : column}
        aria-selected=${cursor !== undefined && cursor.node === row.node}
        >${describeCell(row, index)}</span
      >
    </div>`;
  }

  #note(row: MatrixRow): string {
    if (row.log === undefined) return text('unknown');
    return row.log.source === 'LEADER' ? text('fromLeader') : text('endsAt', count(row.log.last));
  }

  #view(extent: Extent): View {
    const { mode, view } = this.ui;
    if (mode === 'WHOLE') return wholeView(extent);
    if (mode === 'CUSTOM' && view !== undefined) return clampView(view, extent);
    return unsettledView(this.rows, extent);
  }

  /** Where the reader is, if that node and index (still) exist. */
  #cursor(extent: Extent, _view: View): CellName | undefined {
    const { cursor } = this.ui;
    if (cursor === undefined || this.#rowOf(cursor.node) < 0) return undefined;
    return { node: cursor.node, index: Math.min(Math.max(cursor.index, extent.first), extent.last) };
  }

  #rowOf(node: string): number {
    return this.rows.findIndex((row) => row.node === node);
  }

  /** What zooming holds in place: the cursor when it is in view, else the end of the log. */
  #anchor(view: View): number {
    const index = this.ui.cursor?.index ?? 0;
    const end = view.from + view.span - 1;
    return index >= view.from && index <= end ? index : end;
  }

  #show(view: View): void {
    this.acts?.set({ mode: 'CUSTOM', view });
  }

  /** Moves the cursor, and the view with it where it must. */
  #moveTo(node: string, index: number, extent: Extent, view: View): void {
    const held = Math.min(Math.max(index, extent.first), extent.last);
    const shown = revealIndex(view, extent, held);
    const moved = shown.from === view.from ? {} : { mode: 'CUSTOM' as const, view: shown };
    this.acts?.set({ cursor: { node, index: held }, ...moved });
  }

  #key(event: KeyboardEvent, extent: Extent, view: View): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const start = this.rows.find((row) => row.isLeader) ?? this.rows[0];
    const cursor = this.#cursor(extent, view) ?? {
      node: start?.node ?? '',
      index: view.from + view.span - 1,
    };
    const at = Math.max(0, this.#rowOf(cursor.node));
    const row = this.rows[at];
    if (row === undefined) return;
    const along = (entries: number) => this.#moveTo(cursor.node, cursor.index + entries, extent, view);
    const across = (rows: number) => {
      const next = this.rows[Math.min(Math.max(at + rows, 0), this.rows.length - 1)] ?? row;
      this.#moveTo(next.node, cursor.index, extent, view);
    };
    const step = event.shiftKey ? Math.max(1, Math.round(view.span / 10)) : 1;
    const toTerm = (way: -1 | 1) =>
      this.#moveTo(cursor.node, nextTermStart(row, cursor.index, way), extent, view);
    const zoom = (factor: number) => {
      this.acts?.set({ cursor });
      this.#show(zoomView(view, extent, factor, cursor.index));
    };
    const keys: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => along(-step),
      ArrowRight: () => along(step),
      ArrowUp: () => across(-1),
      ArrowDown: () => across(1),
      PageUp: () => along(-view.span),
      PageDown: () => along(view.span),
      Home: () => this.#moveTo(cursor.node, extent.first, extent, view),
      End: () => this.#moveTo(cursor.node, extent.last, extent, view),
      '+': () => zoom(0.5),
      '=': () => zoom(0.5),
      '-': () => zoom(2),
      '[': () => toTerm(-1),
      ']': () => toTerm(1),
      Enter: () => this.acts?.openEntry(cursor),
      c: () => this.acts?.compareWithLeader(cursor.node),
    };
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }

  #wheel(event: WheelEvent, extent: Extent, view: View): void {
    const canvas = this.querySelector('canvas');
    if (canvas === null) return;
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (event.ctrlKey) {
      const x = event.clientX - canvas.getBoundingClientRect().left;
      this.#show(zoomView(view, extent, event.deltaY > 0 ? 1.25 : 0.8, indexAt(view, canvas.clientWidth, x)));
    } else if (sideways !== 0) {
      const entries = (sideways / Math.max(canvas.clientWidth, 1)) * view.span;
      this.#show(panView(view, extent, entries > 0 ? Math.ceil(entries) : Math.floor(entries)));
    } else return; // Plain scrolling is the page's.
    event.preventDefault();
  }

  #grab(event: PointerEvent, view: View): void {
    this.#drag = { x: event.clientX, view, moved: false };
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
  }

  #pull(event: PointerEvent, extent: Extent): void {
    const drag = this.#drag;
    if (drag === undefined) return;
    const pixels = drag.x - event.clientX;
    if (Math.abs(pixels) > 3) drag.moved = true;
    const { clientWidth } = event.currentTarget as HTMLElement;
    if (drag.moved)
      this.#show(panView(drag.view, extent, (pixels / Math.max(clientWidth, 1)) * drag.view.span));
  }

  #release(event: PointerEvent, view: View): void {
    const drag = this.#drag;
    this.#drag = undefined;
    if (drag === undefined || drag.moved) return;
    const canvas = event.currentTarget as HTMLElement;
    const place = canvas.getBoundingClientRect();
    const row = this.rows[Math.floor((event.clientY - place.top - LANE.axis) / LANE.row)];
    if (row === undefined) return;
    const index = indexAt(view, canvas.clientWidth, event.clientX - place.left);
    this.acts?.set({ cursor: { node: row.node, index } });
  }

  #draw(): void {
    const canvas = this.querySelector('canvas');
    const extent = extentOf(this.rows);
    const { palette } = this;
    if (canvas === null || extent === undefined || palette === undefined) return;
    const place = surface(canvas, matrixHeight(this.rows.length));
    if (place === undefined) return;
    const view = this.#view(extent);
    const cursor = this.#cursor(extent, view);
    drawMatrix(place, {
      rows: this.rows,
      view,
      palette,
      ...(cursor === undefined ? {} : { cursor: { row: this.#rowOf(cursor.node), index: cursor.index } }),
    });
    this.acts?.painted();
  }
}

/** "n3, index 1,204,331, term 7, uncommitted" */
export function describeCell(row: MatrixRow, index: number): string {
  const cell = cellOf(row, index);
  let state = text(`cell.${cell.state}`, count(cell.term));
  if (cell.applied) state = text('cellApplied', state);
  if (cell.differs) state = text('cellDiffers', state);
  return text('cell', safeLine(row.node, 60), count(index), state);
}
