/**
 * One event in words: a line for lists, and its fields one by one.
 *
 * MUST: be pure; add nothing that the event does not say; make what peers wrote harmless.
 */
import type { NodeEvent } from '../../shared/events.ts';
import { safeLine } from '../../shared/safe-text.ts';
import { count, duration, plural } from '../util/format.ts';

/** `won the vote` for VOTE_WON. */
function words(code: string): string {
  return code.toLowerCase().replaceAll('_', ' ');
}

function role(event: NodeEvent): string {
  const now = event.role === undefined ? 'changed' : `is ${event.role.toLowerCase()}`;
  const was = event.was === undefined || event.was === event.role ? '' : ` (was ${event.was.toLowerCase()})`;
  const follows =
    event.leader === undefined || event.leader === event.node
      ? ''
      : event.leader === ''
        ? ', knows no leader'
        : `, follows ${event.leader}`;
  return `${now}${was}${follows}: ${words(event.cause)}`;
}

function vote(event: NodeEvent, mine: boolean): string {
  const what = event.preVote === true ? 'pre-vote' : 'vote';
  const peer = event.peer ?? 'a peer';
  const why = event.granted === true ? '' : `: ${words(event.cause)}`;
  if (mine) return `${event.granted === true ? 'gave' : 'refused'} ${peer} its ${what}${why}`;
  return `${event.granted === true ? 'got' : 'was refused'} the ${what} of ${peer}${why}`;
}

function range(event: NodeEvent): string {
  const first = event.index ?? 0;
  const last = event.through ?? first;
  return first === last ? `#${count(first)}` : `#${count(first)} to #${count(last)}`;
}

function time(event: NodeEvent): string {
  return event.ms === undefined ? '' : ` ${duration(event.ms)}`;
}

function because(event: NodeEvent): string {
  return event.reason === undefined || event.reason === '' ? '' : `: ${event.reason}`;
}

/** What happened, without node, time and term. One harmless line. */
export function eventText(event: NodeEvent): string {
  return safeLine(describe(event), 300);
}

function describe(event: NodeEvent): string {
  const peer = event.peer ?? 'a peer';
  switch (event.kind) {
    case 'STARTED':
      return `started, log ends at #${count(event.index ?? 0)}`;
    case 'STOPPING':
      return `stopping (${words(event.cause)})${because(event)}`;
    case 'ROLE':
      return role(event);
    case 'VOTE_GIVEN':
      return vote(event, true);
    case 'VOTE_RECEIVED':
      return vote(event, false);
    case 'CONTACT_LOST':
      return `no reply of ${peer} for${time(event)}`;
    case 'CONTACT_REGAINED':
      return `${peer} replies again after${time(event)}`;
    case 'APPEND_REJECTED':
      return `append with ${peer} rejected after #${count(event.index ?? 0)}: ${words(event.cause)}`;
    case 'TRUNCATED':
      return `dropped ${range(event)} of term ${event.oldTerm ?? '?'}: leader ${peer} has others`;
    case 'COMMIT':
      return `committed through #${count(event.index ?? 0)} (${plural(event.entries ?? 0, 'entry', 'entries')}): ${words(event.cause)}`;
    case 'PEER_UP':
      return `connected to ${peer}`;
    case 'PEER_DOWN':
      return `connection to ${peer} down (${words(event.cause)})${because(event)}`;
    case 'APP':
      return `app ${words(event.state ?? event.cause)}, applied through #${count(event.index ?? 0)}${because(event)}`;
    case 'DISK_SLOW':
      return `slow disk: a write ${event.cause === 'WAITING' ? 'waits for' : 'took'}${time(event)}`;
    case 'DISK_OK':
      return 'disk writes in time again';
    case 'DISK_FULL':
      return `disk full${because(event)}`;
    case 'DISK_SPACE':
      return 'disk has space again';
    case 'LOOP_SLOW':
      return `did not run for${time(event)} (${words(event.cause)})`;
    case 'TRANSFER_STARTED':
      return `hands leadership over to ${event.peer === undefined || event.peer === '' ? 'any node' : peer}`;
    case 'TRANSFER_FAILED':
      return `transfer of leadership to ${peer} given up${because(event)}`;
    case 'WHOLE':
      return 'log proven whole again, votes again';
  }
  // A kind of a newer sidecar: its own word is all we know.
  return words(String(event.kind));
}

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
  DISK_SLOW: 'warning',
  DISK_FULL: 'error',
  LOOP_SLOW: 'watch',
  TRANSFER_STARTED: 'arrow-swap',
  TRANSFER_FAILED: 'warning',
};

/** A codicon name. */
export function eventIcon(event: NodeEvent): string {
  if (event.kind === 'ROLE' && event.role === 'LEADER') return 'star-full';
  return ICONS[event.kind] ?? 'circle-small';
}
