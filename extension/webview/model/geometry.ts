/**
 * Index ↔ pixel: which part of the log is in view, and where an index is on the screen.
 *
 * MUST: be pure, and exact for every index below 2^53: a view begins at a whole index and spans a whole number of
 * them, so an index in view is found by one small sum. (Scroll positions of an element would not reach that far.)
 */

/** The indexes there are; `last` ≥ `first` ≥ 1. */
export interface Extent {
  readonly first: number;
  readonly last: number;
}

/** The indexes in view: `from` … `from + span - 1`. */
export interface View {
  readonly from: number;
  readonly span: number;
}

/** Entries in view at the nearest zoom. */
export const MIN_SPAN = 8;

export function wholeView(extent: Extent): View {
  return clampView({ from: extent.first, span: sizeOf(extent) }, extent);
}

function sizeOf(extent: Extent): number {
  return extent.last - extent.first + 1;
}

/** The nearest view that lies within the extent. */
export function clampView(view: View, extent: Extent): View {
  const span = Math.max(
    Math.min(Math.round(view.span), sizeOf(extent)),
    Math.min(MIN_SPAN, sizeOf(extent)),
    1,
  );
  const from = Math.min(Math.max(Math.round(view.from), extent.first), extent.last - span + 1);
  return { from, span };
}

/** Pixels from the left edge of the view to the left edge of the cell of `index` (also for indexes out of view). */
export function xOf(view: View, width: number, index: number): number {
  return ((index - view.from) / view.span) * width;
}

/** The index under `x`. */
export function indexAt(view: View, width: number, x: number): number {
  const offset = Math.floor((x / Math.max(width, 1)) * view.span);
  return view.from + Math.min(Math.max(offset, 0), view.span - 1);
}

/** `factor` < 1 zooms in. `anchor` keeps its place on the screen. */
export function zoomView(view: View, extent: Extent, factor: number, anchor: number): View {
  // At least one entry of change, or small spans would never grow.
  const scaled = view.span * factor;
  const span = factor > 1 ? Math.ceil(scaled) : Math.floor(scaled);
  const { span: allowed } = clampView({ from: view.from, span }, extent);
  const held = Math.min(Math.max(anchor - view.from, 0), view.span - 1);
  const before = Math.round(((held + 0.5) / view.span) * allowed - 0.5);
  return clampView({ from: view.from + held - before, span: allowed }, extent);
}

/** Moves the view by so many entries. */
export function panView(view: View, extent: Extent, entries: number): View {
  return clampView({ from: view.from + Math.trunc(entries), span: view.span }, extent);
}

/** The least move that brings `index` into view. */
export function revealIndex(view: View, extent: Extent, index: number): View {
  if (index < view.from) return clampView({ from: index, span: view.span }, extent);
  const over = index - (view.from + view.span - 1);
  return over > 0 ? clampView({ from: view.from + over, span: view.span }, extent) : view;
}

/** How far through the log the view is, 0…1: for a scroll bar. */
export function positionOf(view: View, extent: Extent): number {
  const room = sizeOf(extent) - view.span;
  return room <= 0 ? 0 : (view.from - extent.first) / room;
}

export function viewAtPosition(view: View, extent: Extent, position: number): View {
  const room = Math.max(0, sizeOf(extent) - view.span);
  return clampView({ from: extent.first + Math.round(position * room), span: view.span }, extent);
}

/** Round indexes for an axis, at least `gap` pixels apart. */
export function ticks(view: View, width: number, gap: number): number[] {
  const least = Math.max(1, (view.span * gap) / Math.max(width, 1));
  const magnitude = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((one) => one * magnitude).find((one) => one >= least) ?? 10 * magnitude;
  const found: number[] = [];
  const end = view.from + view.span - 1;
  for (let at = Math.ceil(view.from / step) * step; at <= end; at += step) found.push(at);
  return found;
}
