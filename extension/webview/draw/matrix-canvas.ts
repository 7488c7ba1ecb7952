/**
 * Paints the log matrix: a lane per node, term runs as bars, marks below them, an axis on top.
 *
 * MUST: cost O(runs in view); tell nothing by colour alone: the term's number stands in its bar where it fits, what is
 * uncommitted is hatched, what is compacted dotted, marks are letters.
 */
import { count } from '../../../shared/wording.ts';
import { ticks, type View, xOf } from '../model/geometry.ts';
import type { MatrixRow, RowLog } from '../model/matrix.ts';
import { type Palette, termColour } from './palette.ts';
import { hatch, type Surface } from './surface.ts';

/** CSS pixels; panel.css has the same for the names beside. */
export const LANE = { axis: 20, row: 44, barTop: 4, bar: 20 } as const;

/** Marks nearer than this share one place. */
const MARK_GAP = 11;

/** Single entries are parted by lines from this width on. */
const CELL_WIDTH = 10;

export interface MatrixPicture {
  readonly rows: readonly MatrixRow[];
  readonly view: View;
  readonly cursor?: { readonly row: number; readonly index: number };
  readonly palette: Palette;
}

export function matrixHeight(rows: number): number {
  return LANE.axis + rows * LANE.row;
}

export function drawMatrix(surface: Surface, picture: MatrixPicture): void {
  const { context } = surface;
  const { palette, rows } = picture;
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  drawAxis(surface, picture);
  const patterns = {
    uncommitted: hatch(context, palette.contrast ? palette.ink : palette.paper, 'LINES'),
    compacted: hatch(context, palette.muted, 'DOTS'),
  };
  rows.forEach((row, at) => {
    const top = LANE.axis + at * LANE.row + LANE.barTop;
    if (row.log === undefined) return;
    drawCompacted(surface, picture, row.log, top, patterns.compacted);
    drawRuns(surface, picture, row.log, top, patterns.uncommitted);
    drawMarks(surface, picture, row, row.log, top);
  });
  drawCursor(surface, picture);
}

function drawAxis({ context, width, height }: Surface, { view, palette }: MatrixPicture): void {
  const cell = width / view.span;
  context.textAlign = 'center';
  let free = 0;
  for (const index of ticks(view, width, 90)) {
    const x = xOf(view, width, index) + Math.min(cell / 2, width);
    context.fillStyle = palette.line;
    context.fillRect(Math.round(x), LANE.axis - 4, 1, height - LANE.axis + 4);
    context.fillStyle = palette.muted;
    const words = count(index);
    const half = context.measureText(words).width / 2;
    const middle = Math.min(Math.max(x, half), width - half);
    if (middle - half < free) continue;
    context.fillText(words, middle, 8);
    free = middle + half + 8;
  }
}

/** Left and right of these indexes on the screen, clipped to it; undefined when out of view. */
function span(
  surface: Surface,
  view: View,
  first: number,
  last: number,
): readonly [number, number] | undefined {
  if (last < view.from || first > view.from + view.span - 1 || last < first) return undefined;
  const left = Math.max(0, xOf(view, surface.width, first));
  const right = Math.min(surface.width, xOf(view, surface.width, last + 1));
  return [left, Math.max(right, left + 1)];
}

function drawCompacted(
  surface: Surface,
  { view }: MatrixPicture,
  log: RowLog,
  top: number,
  pattern: CanvasPattern | string,
): void {
  const at = span(surface, view, 1, log.first - 1);
  if (at === undefined) return;
  surface.context.fillStyle = pattern;
  surface.context.fillRect(at[0], top, at[1] - at[0], LANE.bar);
}

function drawRuns(
  surface: Surface,
  { view, palette }: MatrixPicture,
  log: RowLog,
  top: number,
  pattern: CanvasPattern | string,
): void {
  const { context } = surface;
  context.textAlign = 'center';
  for (const run of log.terms.runs) {
    const at = span(surface, view, run.first, run.last);
    if (at === undefined) continue;
    const [left, right] = at;
    const wide = right - left;
    const colour = termColour(palette, run.term);
    context.fillStyle = palette.contrast ? palette.paper : colour;
    context.fillRect(left, top, wide, LANE.bar);
    const open = span(surface, view, Math.max(run.first, log.terms.commitIndex + 1), run.last);
    if (open !== undefined) {
      context.fillStyle = pattern;
      context.fillRect(open[0], top, open[1] - open[0], LANE.bar);
    }
    // The border parts runs whose colours a reader cannot tell apart.
    context.fillStyle = palette.contrast ? palette.ink : palette.paper;
    context.fillRect(left, top, 1, LANE.bar);
    if (palette.contrast) {
      context.fillRect(left, top, wide, 1);
      context.fillRect(left, top + LANE.bar - 1, wide, 1);
      context.fillRect(right - 1, top, 1, LANE.bar);
    }
    drawCells(surface, view, palette, left, right, top);
    const busy = open !== undefined || surface.width / view.span >= CELL_WIDTH;
    drawTermLabel(context, palette, run.term, colour, { left, wide, top, busy });
  }
  drawDifference(surface, view, palette, log, top);
}

function drawTermLabel(
  context: CanvasRenderingContext2D,
  palette: Palette,
  term: number,
  colour: string,
  place: { left: number; wide: number; top: number; busy: boolean },
): void {
  const words = `t${term}`;
  const needs = context.measureText(words).width + 6;
  if (place.wide < needs) return;
  const middle = place.left + place.wide / 2;
  if (palette.contrast || place.busy) {
    // On patterns and lines, words need ground of their own.
    context.fillStyle = palette.contrast ? palette.paper : colour;
    context.fillRect(middle - needs / 2, place.top + 3, needs, LANE.bar - 6);
  }
  context.fillStyle = palette.contrast ? palette.ink : palette.inkOn(colour);
  context.fillText(words, middle, place.top + LANE.bar / 2 + 0.5);
}

/** Lines between single entries, once they are wide enough to be told apart. */
function drawCells(
  surface: Surface,
  view: View,
  palette: Palette,
  left: number,
  right: number,
  top: number,
): void {
  const cell = surface.width / view.span;
  if (cell < CELL_WIDTH) return;
  surface.context.fillStyle = palette.contrast ? palette.ink : palette.paper;
  const firstLine = Math.ceil(left / cell - 1e-6);
  for (let at = firstLine; at * cell < right; at += 1) {
    surface.context.fillRect(Math.round(at * cell), top, 1, LANE.bar);
  }
}

/** A thick line under what is not the leader's, and a sign at its end. */
function drawDifference(surface: Surface, view: View, palette: Palette, log: RowLog, top: number): void {
  if (log.differsFrom === undefined) return;
  const at = span(surface, view, log.differsFrom, log.last);
  if (at === undefined) return;
  surface.context.fillStyle = palette.error;
  surface.context.fillRect(at[0], top + LANE.bar, at[1] - at[0], 3);
  if (at[1] + 14 > surface.width) return;
  surface.context.textAlign = 'left';
  surface.context.fillText('≠', at[1] + 4, top + LANE.bar / 2);
}

/** C, A, M and S stand under the end of the last entry they cover; out of view they stand at the edge, with an arrow. */
function drawMarks(
  surface: Surface,
  { view, palette }: MatrixPicture,
  row: MatrixRow,
  log: RowLog,
  top: number,
): void {
  const { context, width } = surface;
  const marks = [
    { letter: 'S', index: log.terms.snapshotIndex },
    { letter: 'A', index: log.terms.appliedIndex },
    { letter: 'C', index: log.terms.commitIndex },
    { letter: 'M', index: row.match ?? 0 },
  ];
  const places: { x: number; letters: string }[] = [];
  for (const { letter, index } of marks) {
    if (index <= 0) continue;
    const exact = xOf(view, width, index + 1);
    const x = Math.min(Math.max(exact, 0), width);
    const shown = exact < 0 ? `‹${letter}` : exact > width + 0.5 ? `${letter}›` : letter;
    const near = places.find((place) => Math.abs(place.x - x) < MARK_GAP);
    if (near === undefined) places.push({ x, letters: shown });
    else near.letters += shown;
  }
  context.fillStyle = palette.ink;
  context.textAlign = 'left';
  for (const { x, letters } of places) {
    const line = Math.min(Math.max(Math.round(x) - 1, 0), width - 2);
    context.fillRect(line, top, 2, LANE.bar + 5);
    const wide = context.measureText(letters).width;
    context.fillText(letters, Math.min(Math.max(x - wide / 2, 0), width - wide), top + LANE.bar + 11);
  }
}

function drawCursor({ context, width }: Surface, { view, cursor, palette }: MatrixPicture): void {
  if (cursor === undefined || cursor.index < view.from || cursor.index >= view.from + view.span) return;
  const left = xOf(view, width, cursor.index);
  const wide = Math.max(3, width / view.span);
  const top = LANE.axis + cursor.row * LANE.row + LANE.barTop;
  context.lineWidth = 4;
  context.strokeStyle = palette.paper;
  context.strokeRect(left - 1, top - 2, wide + 2, LANE.bar + 4);
  context.lineWidth = 2;
  context.strokeStyle = palette.accent;
  context.strokeRect(left - 1, top - 2, wide + 2, LANE.bar + 4);
}
