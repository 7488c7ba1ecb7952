/**
 * What the client of a command is told, once its entry is decided here (and applied, where it waits for that).
 *
 * MUST: claim success only of what took effect, and a result only where this node has it.
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import { EntryKind } from '../../shared/entry.ts';
import type { Command } from '../../shared/messages.ts';
import type { SessionMachine } from './session-machine.ts';
import type { Place, Verdict } from './verdict.ts';

/** A command and where it stands in the log. */
export type PlacedCommand = Pick<Command, 'kind' | 'session' | 'sequence'> & {
  readonly index: number;
  readonly term: number;
  readonly wait: 'APPLIED' | 'COMMITTED';
};

export interface Answer {
  readonly index: number;
  readonly term: number;
  readonly result?: Uint8Array;
  readonly duplicate?: boolean;
  readonly resultLost?: boolean;
}

/** `resultAt`: the app's result at an index that it has applied lately. */
export function answerOf(
  machine: SessionMachine,
  command: PlacedCommand,
  resultAt: (index: number) => Uint8Array | undefined,
): Answer | Refusal {
  const { index, term, session, sequence, kind, wait } = command;
  if (kind === EntryKind.SKIP || kind === EntryKind.APP_VERSION) return { index, term };
  if (session === 0 && (kind ?? EntryKind.COMMAND) === EntryKind.COMMAND)
    return wait === 'APPLIED' ? withResult({ index, term }, resultAt(index)) : { index, term };
  const verdict = machine.verdictAt(index);
  if (verdict === undefined)
    return refusal('TIMEOUT', 'the command is in the log, but this node no longer knows its outcome');
  if (verdict.kind === 'DUPLICATE') return duplicate(machine, command, verdict.place);
  if (verdict.kind !== 'APPLY' || wait === 'COMMITTED') return plain(verdict, command);
  return withResult({ index, term }, resultAt(index) ?? machine.replyOf(session, sequence)?.result);
}

function withResult(place: Place, result: Uint8Array | undefined): Answer {
  return result === undefined ? place : { ...place, result };
}

function duplicate(
  machine: SessionMachine,
  { index, term, session, sequence, wait }: PlacedCommand,
  place: Place | undefined,
): Answer {
  // Where it took effect is forgotten: whoever reads at least at the retry sees it too.
  if (place === undefined) return { index, term, duplicate: true, resultLost: true };
  const at = { index: place.index, term: place.term, duplicate: true };
  if (wait === 'COMMITTED') return at;
  const reply = machine.replyOf(session, sequence);
  if (reply === undefined) return { ...at, resultLost: true };
  return reply.result === undefined ? at : { ...at, result: reply.result };
}

function plain(verdict: Verdict, { index, term, session, sequence }: PlacedCommand): Answer | Refusal {
  switch (verdict.kind) {
    case 'UNKNOWN':
      return refusal('SESSION_UNKNOWN', `session ${session} does not exist, or it ended`);
    case 'GAP':
      return refusal(
        'SEQUENCE_GAP',
        `command ${sequence} of session ${session} came where ${verdict.expected} is next`,
      );
    case 'FULL':
      return refusal('OVERLOADED', 'the cluster has as many sessions as it may have', {
        retryAfterMs: 1_000,
      });
    default:
      return { index, term };
  }
}
