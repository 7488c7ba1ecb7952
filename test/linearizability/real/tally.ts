/**
 * Adds up what histories of real processes showed, and says when too little happened for that to mean anything.
 */
import type { Operation } from '../history.ts';
import type { Fault } from './faults.ts';
import type { Taken } from './take-history.ts';

/** Without faults at least so many operations succeed. */
export const SUCCESS = 0.9;
/** A history with fewer operations that succeeded shows too little: it is judged and not counted. */
export const FEWEST_OK = 200;
/** From so many histories on, every kind of fault must have struck. */
const ENOUGH_FOR_ALL_FAULTS = 100;

export function successOf(history: readonly Operation[]): number {
  return history.filter(({ outcome }) => outcome.kind === 'ok').length / history.length;
}

/** The most operations on one key that were under way at the same time. */
export function mostAtOnce(history: readonly Operation[]): number {
  const changes = new Map<string, { time: bigint; by: number }[]>();
  for (const { key, call, return: end } of history) {
    const own = changes.get(key) ?? [];
    changes.set(key, own);
    own.push({ time: call, by: 1 });
    if (end !== undefined) own.push({ time: end, by: -1 });
    else own.push({ time: call, by: -1 });
  }
  let most = 0;
  for (const own of changes.values()) {
    own.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : b.by - a.by));
    let now = 0;
    for (const { by } of own) {
      now += by;
      most = Math.max(most, now);
    }
  }
  return most;
}

export class Tally {
  histories = 0;
  /** Histories that show too little; judged all the same. */
  thin = 0;
  operations = 0;
  ok = 0;
  refused = 0;
  unknownWrites = 0;
  unansweredReads = 0;
  removed = 0;
  confirmed = 0;
  elections = 0;
  illegal = 0;
  undecided = 0;
  undecidedWithoutLog = 0;
  /** Histories that could not be taken to their end. */
  broken = 0;
  mostPerKey = 0;
  mostAtOnce = 0;
  readonly faults = new Map<Fault, number>();
  readonly checkMs: number[] = [];
  readonly #withoutFaults = { operations: 0, ok: 0 };

  add(taken: Taken): void {
    const { history, faults, elections, resolved, withLog, withoutLog, checkMs, problems } = taken;
    const ok = history.filter(({ outcome }) => outcome.kind === 'ok').length;
    if (ok < FEWEST_OK) this.thin += 1;
    else this.histories += 1;
    this.operations += history.length;
    this.ok += ok;
    this.refused += withoutLog.failed;
    this.unknownWrites += withoutLog.unknown;
    this.unansweredReads += withoutLog.unansweredReads;
    this.removed += resolved.removed;
    this.confirmed += resolved.confirmed;
    this.elections += elections;
    if (withLog.verdict === 'UNDECIDED') this.undecided += 1;
    else if (problems.length > 0) this.illegal += 1;
    if (withoutLog.verdict === 'UNDECIDED') this.undecidedWithoutLog += 1;
    for (const { operations } of withoutLog.keys)
      this.mostPerKey = Math.max(this.mostPerKey, operations.length);
    this.mostAtOnce = Math.max(this.mostAtOnce, mostAtOnce(history));
    for (const fault of faults) this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
    this.checkMs.push(checkMs.withLog + checkMs.withoutLog);
    if (faults.length === 0) {
      this.#withoutFaults.operations += history.length;
      this.#withoutFaults.ok += ok;
    }
  }

  /** Why a campaign that should have so many histories, with these faults, shows too little; one sentence each. */
  tooLittle(wanted: number, faults: readonly Fault[]): string[] {
    const { operations, ok } = this.#withoutFaults;
    const missing = faults.filter((fault) => !this.faults.has(fault));
    return [
      ...(this.histories < wanted
        ? [`only ${this.histories} of ${wanted} histories had ${FEWEST_OK} successful operations or more`]
        : []),
      ...(ok < SUCCESS * operations
        ? [`without faults only ${ok} of ${operations} operations succeeded`]
        : []),
      ...(this.histories >= ENOUGH_FOR_ALL_FAULTS && missing.length > 0
        ? [`these faults never struck: ${missing.join(', ')}`]
        : []),
    ];
  }

  /** One line with everything that counts. */
  line(): string {
    const share = (part: number): string => `${((100 * part) / Math.max(1, this.operations)).toFixed(2)} %`;
    const unknown = `${this.unknownWrites} unknown writes (${share(this.unknownWrites)}; by the log ${this.removed} did not happen, ${this.confirmed} did)`;
    return [
      `${this.histories} histories (and ${this.thin} too thin to count), ${this.operations.toLocaleString('en')} operations (${share(this.ok)} ok)`,
      unknown,
      `${this.elections} elections`,
      `check p50 ${this.#checked(0.5)} ms, p99 ${this.#checked(0.99)} ms, max ${this.#checked(1)} ms`,
      `${this.illegal} not linearizable, ${this.undecided} undecided, ${this.broken} broken off`,
    ].join('; ');
  }

  #checked(share: number): number {
    const sorted = [...this.checkMs].sort((a, b) => a - b);
    return Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0);
  }
}
