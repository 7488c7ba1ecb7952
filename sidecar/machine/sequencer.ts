/**
 * The leader's door for commands of sessions: in order into the log, whichever way they came.
 *
 * A command whose predecessor is not in our log yet waits here for it, at most `sessionHoldMs`; then it is refused with
 * SEQUENCE_GAP, and surely never was in any log. What the log holds decides in the end (session-table.ts): this is what
 * makes a retry unnecessary where two nodes or two messages merely overtook each other.
 *
 * MUST: let through everything it cannot judge, since the log's own rule is the truth. MUST forget everything when
 * leadership ends. Bounded in commands and bytes.
 */
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { Command } from '../../shared/messages.ts';
import type { SessionTable } from './session-table.ts';

export interface SequencerLimits {
  readonly sessionHoldMs: number;
  readonly sessionHeld: number;
  readonly sessionHeldBytes: number;
}

interface Held<Ref> {
  readonly command: Command;
  readonly ref: Ref;
  readonly deadline: number;
}

/** Highest sequence of a session in our log, and where. */
interface Tip {
  readonly sequence: number;
  readonly index: number;
}

/** Tips are swept when so many gathered: those that the table knows by now. */
const TIPS_SWEPT_AT = 4_096;

export class Sequencer<Ref> {
  readonly #limits: SequencerLimits;
  /** The sessions where the log was decided last. */
  readonly #sessions: () => SessionTable;
  /** What our log holds after the table's position, by session. */
  readonly #tips = new Map<number, Tip>();
  /** We cannot judge before the table has reached this index: the log up to there was not looked at. */
  #blindUntil = 0;
  /** By session, then by sequence. */
  readonly #held = new Map<number, Map<number, Held<Ref>[]>>();
  #heldCount = 0;
  #heldBytes = 0;
  #sweepAt = TIPS_SWEPT_AT;

  constructor(sessions: () => SessionTable, limits: SequencerLimits = LIMITS) {
    this.#sessions = sessions;
    this.#limits = limits;
  }

  get held(): number {
    return this.#heldCount;
  }

  /** We lead now; our log ends at `last`. `tail`: all of it after the table's position, where it is in memory. */
  elected(tail: readonly Entry[] | undefined, last: number): void {
    this.#tips.clear();
    this.#blindUntil = tail === undefined ? last : 0;
    for (const { kind, session, sequence, index } of tail ?? []) {
      if (kind === EntryKind.COMMAND && session !== 0) this.#raise(session, sequence, index);
    }
  }

  /** We do not lead any more: what was held was surely not taken. */
  deposed(): Ref[] {
    const refs = [...this.#everything()].map(({ ref }) => ref);
    this.#held.clear();
    this.#heldCount = 0;
    this.#heldBytes = 0;
    this.#tips.clear();
    return refs;
  }

  *#everything(): Generator<Held<Ref>> {
    for (const bySequence of this.#held.values()) for (const held of bySequence.values()) yield* held;
  }

  /**
   * How far past the next sequence of its session a command is: 0 or less when it may go into the log now. `taken`: sequences
   * that go in with it, before it.
   */
  gap(command: Command, taken: ReadonlyMap<number, number>): number {
    const { session, sequence } = command;
    if (session === 0 || (command.kind ?? EntryKind.COMMAND) !== EntryKind.COMMAND) return 0;
    const known = this.#highest(session);
    if (known === undefined) return 0;
    return sequence - Math.max(known, taken.get(session) ?? 0) - 1;
  }

  /** The highest sequence of the session in our log; undefined where we cannot know, or where it does not exist. */
  #highest(session: number): number | undefined {
    const table = this.#sessions();
    if (table.position < this.#blindUntil) return undefined;
    const known = table.get(session);
    // Opened in what the table has not reached yet: its commands can only be there too.
    if (known === undefined && session <= table.position) return undefined;
    return Math.max(known?.last ?? 0, this.#tipOf(session));
  }

  #tipOf(session: number): number {
    return this.#tips.get(session)?.sequence ?? 0;
  }

  /** Commands of sessions stand in our log from `firstIndex` on. */
  appended(commands: readonly Command[], firstIndex: number): void {
    let index = firstIndex;
    for (const { session, sequence, kind } of commands) {
      if (session !== 0 && (kind ?? EntryKind.COMMAND) === EntryKind.COMMAND)
        this.#raise(session, sequence, index);
      index++;
    }
    if (this.#tips.size >= this.#sweepAt) this.#sweep();
  }

  #raise(session: number, sequence: number, index: number): void {
    const known = this.#highest(session);
    // A gap in the log has no effect: the next sequence stays the same. Where we cannot know, too much does no harm: what is not
    // above it is let through, and the log decides.
    const next = known === undefined ? sequence > this.#tipOf(session) : sequence === known + 1;
    if (next) this.#tips.set(session, { sequence, index });
  }

  #sweep(): void {
    const { position } = this.#sessions();
    for (const [session, { index }] of this.#tips) if (index <= position) this.#tips.delete(session);
    this.#sweepAt = Math.max(TIPS_SWEPT_AT, 2 * this.#tips.size);
  }

  /** Holds a command until its predecessor came; false when there is no room. */
  hold(command: Command, ref: Ref, now: number): boolean {
    const bytes = this.#heldBytes + command.command.length;
    if (this.#heldCount >= this.#limits.sessionHeld || bytes > this.#limits.sessionHeldBytes) return false;
    const bySequence = this.#held.get(command.session) ?? new Map<number, Held<Ref>[]>();
    this.#held.set(command.session, bySequence);
    const held = { command, ref, deadline: now + this.#limits.sessionHoldMs };
    bySequence.set(command.sequence, [...(bySequence.get(command.sequence) ?? []), held]);
    this.#heldCount++;
    this.#heldBytes = bytes;
    return true;
  }

  /** Takes out what waited for `appended`, in order: what follows on each other within a session. */
  releasable(appended: readonly Command[]): { readonly command: Command; readonly ref: Ref }[] {
    if (this.#heldCount === 0) return [];
    const released: Held<Ref>[] = [];
    const taken = new Map<number, number>();
    for (const session of new Set(appended.map((command) => command.session))) {
      const bySequence = this.#held.get(session) ?? new Map<number, Held<Ref>[]>();
      for (const sequence of [...bySequence.keys()].sort((a, b) => a - b)) {
        const held = bySequence.get(sequence) ?? [];
        const first = held[0];
        if (first === undefined || this.gap(first.command, taken) > 0) break;
        taken.set(session, Math.max(sequence, taken.get(session) ?? 0));
        released.push(...held);
        this.#remove(session, sequence, held);
      }
    }
    return released;
  }

  /** Takes out what waited too long. */
  expired(now: number): Ref[] {
    if (this.#heldCount === 0) return [];
    const refs: Ref[] = [];
    for (const [session, bySequence] of this.#held) {
      for (const [sequence, held] of bySequence) {
        const late = held.filter(({ deadline }) => deadline <= now);
        if (late.length === 0) continue;
        refs.push(...late.map(({ ref }) => ref));
        this.#remove(session, sequence, late);
      }
    }
    return refs;
  }

  #remove(session: number, sequence: number, gone: readonly Held<Ref>[]): void {
    const bySequence = this.#held.get(session);
    const rest = bySequence?.get(sequence)?.filter((held) => !gone.includes(held)) ?? [];
    if (rest.length > 0) bySequence?.set(sequence, rest);
    else bySequence?.delete(sequence);
    if (bySequence?.size === 0) this.#held.delete(session);
    this.#heldCount -= gone.length;
    for (const { command } of gone) this.#heldBytes -= command.command.length;
  }
}
