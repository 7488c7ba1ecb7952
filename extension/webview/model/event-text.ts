/**
 * An event in one line. The words of the protocol (kinds, causes, roles) stay as they are: people search for them.
 *
 * MUST: make everything that came from a node harmless.
 */
import type { NodeEvent } from '../../../shared/events.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { count, duration } from '../format.ts';
import { groupOf } from './time.ts';

/** Told apart by shape, not by colour. */
export const GROUP_GLYPH = { election: '◆', log: '▲', links: '■', app: '●', process: '✚' } as const;

export function eventText(event: NodeEvent): string {
  const { kind, term, cause, role, was, leader, peer, granted, preVote } = event;
  const words: string[] = [GROUP_GLYPH[groupOf(kind)], kind];
  if (role !== undefined) words.push(was === undefined || was === role ? role : `${was} → ${role}`);
  if (event.state !== undefined) words.push(safeLine(event.state, 40));
  if (granted !== undefined) words.push(granted ? 'granted' : 'refused');
  if (preVote === true) words.push('(pre-vote)');
  if (peer !== undefined && peer !== '') words.push(`peer ${safeLine(peer, 60)}`);
  if (leader !== undefined && leader !== '') words.push(`leader ${safeLine(leader, 60)}`);
  words.push(`term ${count(term)}`);
  words.push(...numbers(event));
  words.push(`· ${safeLine(cause, 60)}`);
  if (event.reason !== undefined && event.reason !== '') words.push(`· ${safeLine(event.reason)}`);
  return words.join(' ');
}

function numbers({ index, through, oldTerm, entries, ms }: NodeEvent): string[] {
  const words: string[] = [];
  if (index !== undefined) {
    words.push(`index ${count(index)}${through === undefined ? '' : `…${count(through)}`}`);
  }
  if (oldTerm !== undefined) words.push(`of term ${count(oldTerm)}`);
  if (entries !== undefined) words.push(`${count(entries)} entries`);
  if (ms !== undefined) words.push(duration(ms));
  return words;
}
