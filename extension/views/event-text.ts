/**
 * The fields of an event one by one, and its icon. (Its sentence is that of shared/describe-event.ts.)
 *
 * MUST: be pure; add nothing that the event does not say; make what peers wrote harmless.
 */
import type { NodeEvent } from '../../shared/events.ts';
import { safeLine } from '../../shared/safe-text.ts';

/** The fields of an event for its details, in reading order. Values are harmless lines. */
export function eventFields(event: NodeEvent): readonly (readonly [name: string, value: string])[] {
  const known: readonly (readonly [string, string | number | boolean | undefined])[] = [
    ['node', event.node],
    ['kind', event.kind],
    ['cause', event.cause],
    ['term', event.term],
    ['role', event.role],
    ['was', event.was],
    ['leader', event.leader],
    ['peer', event.peer],
    ['granted', event.granted],
    ['pre-vote', event.preVote],
    ['index', event.index],
    ['through', event.through],
    ['old term', event.oldTerm],
    ['entries', event.entries],
    ['ms', event.ms],
    ['state', event.state],
    ['condition', event.condition],
    ['entry', event.entry],
    ['reason', event.reason],
    ['sequence', `${event.generation}-${event.seq}`],
  ];
  return known.flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, safeLine(String(value), 300)] as const],
  );
}

const ICONS: Readonly<Partial<Record<NodeEvent['kind'], string>>> = {
  STARTED: 'play',
  STOPPING: 'debug-stop',
  ROLE: 'star-empty',
  VOTE_GIVEN: 'mail',
  VOTE_RECEIVED: 'mail-read',
  CONTACT_LOST: 'debug-disconnect',
  CONTACT_REGAINED: 'plug',
  APPEND_REJECTED: 'discard',
  TRUNCATED: 'trash',
  COMMIT: 'check',
  PEER_UP: 'plug',
  PEER_DOWN: 'debug-disconnect',
  APP: 'package',
  APP_DIVERGED: 'error',
  DISK_SLOW: 'warning',
  DISK_FULL: 'error',
  LOOP_SLOW: 'watch',
  TRANSFER_STARTED: 'arrow-swap',
  CAMPAIGN_POSTPONED: 'watch',
  TRANSFER_FAILED: 'warning',
  SNAPSHOT_OUTRUN: 'warning',
  FAULT_BEGAN: 'beaker',
  FAULT_ENDED: 'beaker-stop',
};

/** A codicon name. */
export function eventIcon(event: NodeEvent): string {
  if (event.kind === 'ROLE' && event.role === 'LEADER') return 'star-full';
  return ICONS[event.kind] ?? 'circle-small';
}
