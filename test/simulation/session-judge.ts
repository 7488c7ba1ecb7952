/**
 * The judge of sessions: a command of a session takes effect once and in order, on every node alike, and every answer to
 * it is the same (reliability.md B1: exactly-once, session order).
 *
 * MUST: believe no node: what takes effect is what apps were given, and all of them must have been given the same.
 */
import type { Refusal } from '../../shared/codes.ts';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { encodeSessions } from '../../sidecar/machine/session-codec.ts';
import { concernsSessions, SessionTable } from '../../sidecar/machine/session-table.ts';
import type { ProposalOutcome } from '../../sidecar/routing/port.ts';
import { Violation } from './checker.ts';
import type { SimSnapshot } from './disk.ts';
import type { Trace } from './trace.ts';

interface Effect {
  readonly index: number;
  readonly command: number;
}

export class SessionJudge {
  readonly #trace: Trace;
  /** By index: was the command given to apps? */
  readonly #delivered = new Map<number, boolean>();
  /** By session, then sequence − 1. */
  readonly #effects = new Map<number, Effect[]>();
  /** What the app answered at each index. */
  readonly #results = new Map<number, number>();
  /** Numbers of commands of which every try was surely refused. */
  readonly #abandoned = new Set<number>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** `node` decided a committed entry. */
  decided(node: string, entry: Entry, delivered: boolean): void {
    if (entry.kind !== EntryKind.COMMAND) return;
    const before = this.#delivered.get(entry.index);
    if (before !== undefined) {
      if (before === delivered) return;
      const what = delivered ? 'gives its app' : 'withholds from its app';
      throw new Violation('State Machine Safety', `${node} ${what} ${entry.index}, another node did not`);
    }
    this.#delivered.set(entry.index, delivered);
    if (entry.session === 0) {
      if (delivered) return;
      throw new Violation('State Machine Safety', `${node} withholds the plain command at ${entry.index}`);
    }
    if (delivered) this.#takesEffect(entry);
    else this.#trace.count('command of a session without effect');
  }

  #takesEffect({ session, sequence, index, command }: Entry): void {
    const effects = this.#effects.get(session) ?? [];
    this.#effects.set(session, effects);
    if (sequence !== effects.length + 1) {
      throw new Violation(
        'Exactly once, in order',
        `${sequence} of session ${session} takes effect at ${index}, after ${effects.length}`,
      );
    }
    const id = idOf(command);
    effects.push({ index, command: id });
    if (this.#abandoned.has(id))
      throw new Violation('Definite errors', `command ${id}, surely refused, takes effect at ${index}`);
    this.#trace.count('command of a session');
  }

  /** The app of `node` applied what it was given, as its `effects`th. */
  applied(node: string, { index }: Entry, effects: number): void {
    const before = this.#results.get(index);
    if (before === undefined) this.#results.set(index, effects);
    else if (before !== effects) {
      throw new Violation(
        'State Machine Safety',
        `the app of ${node} applied ${index} as number ${effects}, another one as ${before}`,
      );
    }
  }

  /**
   * An app of `node` begins with a snapshot: it must be what all entries up to there make, the sessions to the byte
   * (snapshot equivalence).
   */
  restored(node: string, { point, sessions, effects }: SimSnapshot, committed: readonly Entry[]): void {
    const table = new SessionTable();
    let delivered = 0;
    for (const entry of committed.slice(0, point.index)) {
      if (concernsSessions(entry)) table.apply(entry);
      if (this.#delivered.get(entry.index) === true) delivered++;
    }
    table.passTo(point.index);
    const same = Buffer.from(encodeSessions(table)).equals(sessions);
    if (same && delivered === effects && committed[point.index - 1]?.hash === point.hash) return;
    const what = same ? `${effects} effects instead of ${delivered}` : 'other sessions';
    throw new Violation('Snapshot equivalence', `${node} restores a snapshot of ${point.index} with ${what}`);
  }

  /** A client was told that its command took effect. */
  answered(session: number, sequence: number, command: number, outcome: ProposalOutcome): void {
    const effect = this.#effects.get(session)?.[sequence - 1];
    // A retry of what the client had acknowledged may be told its own place in the log.
    const right = outcome.resultLost
      ? outcome.index >= (effect?.index ?? 0)
      : outcome.index === effect?.index;
    if (effect?.command !== command || !right) {
      throw new Violation(
        'Acknowledged means kept',
        `command ${command} (${sequence} of ${session}) is told to be at ${outcome.index}, not ${effect?.index}`,
      );
    }
    if (outcome.duplicate) this.#trace.count('duplicate answered');
    if (outcome.resultLost) this.#trace.count('duplicate answered without its result');
    if (outcome.result === undefined) return;
    const result = numberIn(outcome.result);
    if (result === this.#results.get(effect.index)) return;
    throw new Violation(
      'One reply',
      `command ${command} is answered with ${result}, the app said ${this.#results.get(effect.index)}`,
    );
  }

  /** Every try of this command was surely refused: it never takes effect. */
  abandoned(command: number): void {
    this.#abandoned.add(command);
    for (const effects of this.#effects.values()) {
      if (effects.some((effect) => effect.command === command))
        throw new Violation('Definite errors', `command ${command} was surely refused, and took effect`);
    }
    this.#trace.count('command abandoned');
  }

  /** Counts how tries end. */
  refused(refusal: Refusal): void {
    this.#trace.count(`session refused: ${refusal.code}`);
  }
}

function numberIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
}

function idOf(command: Uint8Array): number {
  return numberIn(command);
}
