/**
 * Paints the event timeline: a lane per node, a glyph per event, and the time cursor.
 *
 * MUST: give each group of kinds a shape of its own; colour only repeats what the shape says.
 */
import type { NodeEvent } from '../../../shared/events.ts';
import { GROUP_GLYPH } from '../model/event-text.ts';
import { GROUPS, groupOf, type TimeWindow, timeX } from '../model/time.ts';
import type { Palette } from './palette.ts';
import type { Surface } from './surface.ts';

/** CSS pixels; panel.css has the same for the names beside. */
export const TIME_LANE = 24;

export interface TimelinePicture {
  readonly nodes: readonly string[];
  readonly events: readonly NodeEvent[];
  readonly window: TimeWindow;
  readonly cursor: number | undefined;
  readonly palette: Palette;
}

export function drawTimeline({ context, width, height }: Surface, picture: TimelinePicture): void {
  const { nodes, events, window, cursor, palette } = picture;
  const lanes = new Map(nodes.map((node, at) => [node, at]));
  context.fillStyle = palette.line;
  for (let at = 1; at < nodes.length; at += 1) context.fillRect(0, at * TIME_LANE, width, 1);
  context.font = '11px system-ui, sans-serif';
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  for (const event of events) {
    const lane = lanes.get(event.node);
    const x = timeX(window, width, event.at);
    if (lane === undefined || x < 0 || x > width) continue;
    const group = groupOf(event.kind);
    const y = lane * TIME_LANE + TIME_LANE / 2;
    context.fillStyle = palette.contrast
      ? palette.ink
      : (palette.terms[GROUPS.indexOf(group)] ?? palette.ink);
    context.fillText(GROUP_GLYPH[group], x, y);
    if (event.kind === 'ROLE' && event.role === 'LEADER') {
      context.fillStyle = palette.ink;
      context.textAlign = 'left';
      context.fillText(`★t${event.term}`, Math.min(x + 6, width - 30), y);
      context.textAlign = 'center';
    }
  }
  if (cursor === undefined) return;
  context.fillStyle = palette.ink;
  context.fillRect(Math.round(timeX(window, width, cursor)), 0, 1, height);
}
