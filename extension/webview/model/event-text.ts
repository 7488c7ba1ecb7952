/**
 * An event in one line: its glyph and kind, what happened, its cause. Kind and cause are words of the protocol, which people
 * search for.
 *
 * MUST: make everything that came from a node harmless.
 */
import { describeEvent } from '../../../shared/describe-event.ts';
import type { NodeEvent } from '../../../shared/events.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { groupOf } from './time.ts';

/** Told apart by shape, not by colour. */
export const GROUP_GLYPH = { election: '◆', log: '▲', links: '■', app: '●', process: '✚' } as const;

export function eventText(event: NodeEvent): string {
  const { kind, cause } = event;
  return `${GROUP_GLYPH[groupOf(kind)]} ${safeLine(kind, 40)} ${describeEvent(event)} · ${safeLine(cause, 60)}`;
}
