/**
 * The verdict on a whole history of many keys. A history is linearizable exactly when the part of each key is, since every
 * operation touches one key.
 *
 * MUST: judge every operation or say why not; refuse a history that shows nothing; call nothing legal that is undecided.
 * MUST NOT: do any I/O.
 */
import { BadHistory, byKey, isWrite, type Operation, validate } from './history.ts';
import { KEY_VALUE } from './model.ts';
import { search, type Verdict } from './search.ts';

/**
 * Configurations of one key, some 100 bytes each. Over it: UNDECIDED. A key with 500 operations of 8 clients needs about
 * one for each operation where versions were seen.
 */
export const CONFIGURATIONS = 1_000_000;

export interface KeyVerdict {
  readonly key: string;
  readonly verdict: Verdict;
  readonly operations: readonly Operation[];
  readonly longest: readonly Operation[];
  readonly configurations: number;
}

export interface Judgement {
  /** ILLEGAL when one key is, else UNDECIDED when one key is, else LEGAL. */
  readonly verdict: Verdict;
  readonly keys: readonly KeyVerdict[];
  /** Operations that were judged, and of them those whose outcome is unknown. */
  readonly judged: number;
  readonly unknown: number;
  /** Operations that surely did not happen. */
  readonly failed: number;
  /** Reads that nobody has an answer of: they change nothing and show nothing. */
  readonly unansweredReads: number;
}

/** Judges `history`. Throws BadHistory when it is not one, or when nothing in it is known to have happened. */
export function check(history: readonly Operation[], configurations: number = CONFIGURATIONS): Judgement {
  validate(history);
  const happened = history.filter(({ outcome }) => outcome.kind !== 'failed');
  const kept = happened.filter((operation) => operation.outcome.kind === 'ok' || isWrite(operation));
  const unknown = kept.filter(({ outcome }) => outcome.kind === 'unknown').length;
  if (unknown === kept.length)
    throw new BadHistory('no operation is known to have happened: nothing to judge');

  const keys: KeyVerdict[] = [];
  for (const [key, operations] of byKey(kept)) {
    keys.push({ key, operations, ...search(operations, KEY_VALUE, configurations) });
  }
  const judged = keys.reduce((sum, { operations }) => sum + operations.length, 0);
  if (judged !== kept.length)
    throw new Error(`the keys have ${judged} operations together, and the history ${kept.length}`);
  return {
    verdict: worst(keys),
    keys,
    judged,
    unknown,
    failed: history.length - happened.length,
    unansweredReads: happened.length - kept.length,
  };
}

function worst(keys: readonly KeyVerdict[]): Verdict {
  if (keys.some(({ verdict }) => verdict === 'ILLEGAL')) return 'ILLEGAL';
  return keys.some(({ verdict }) => verdict === 'UNDECIDED') ? 'UNDECIDED' : 'LEGAL';
}
