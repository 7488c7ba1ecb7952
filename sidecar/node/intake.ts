/**
 * Where commands enter the leader's log: those of our own clients and those that other nodes forwarded.
 *
 * MUST: answer every command of a batch exactly once, in parts where some of them wait for their predecessor; say NOT_LEADER
 * only of what is in no log.
 */
import type { Command, ForwardProposed } from '../../shared/messages.ts';
import type { Sequencer } from '../machine/sequencer.ts';

/** One command of a batch that somebody waits for. */
export interface Waiting {
  readonly from: string;
  readonly id: number;
  readonly offset: number;
}

type Placed = { firstIndex: number; term: number } | { refused: string };

/** Where a part of a batch stands, without the words that every answer has. */
export type Part = Pick<ForwardProposed, 'offset' | 'count' | 'firstIndex' | 'term' | 'refused'>;

export interface IntakeHost {
  /** Appends to our log, if we lead; `refused` is a definite code. */
  append(commands: readonly Command[]): Placed;
  answer(to: string, id: number, part: Part): void;
}

export class Intake {
  readonly #host: IntakeHost;
  readonly #sequencer: Sequencer<Waiting>;

  constructor(host: IntakeHost, sequencer: Sequencer<Waiting>) {
    this.#host = host;
    this.#sequencer = sequencer;
  }

  take(from: string, id: number, commands: readonly Command[], now: number): void {
    const wait: number[] = [];
    const enter: number[] = [];
    const taken = new Map<number, number>();
    commands.forEach((command, offset) => {
      if (this.#sequencer.gap(command, taken) > 0) wait.push(offset);
      else {
        enter.push(offset);
        taken.set(command.session, Math.max(command.sequence, taken.get(command.session) ?? 0));
      }
    });
    const waiting = (offset: number): Waiting => ({ from, id, offset });
    const entering = enter.map((offset) => ({
      command: commands[offset] as Command,
      ref: waiting(offset),
    }));
    // Those that must wait first: what enters may be what they wait for.
    for (const offset of wait) {
      const held = this.#sequencer.hold(commands[offset] as Command, waiting(offset), now);
      if (!held) this.#refuse([waiting(offset)], 'OVERLOADED');
    }
    this.#enter(entering);
  }

  #enter(entering: readonly { readonly command: Command; readonly ref: Waiting }[]): void {
    for (let next = entering; next.length > 0; ) {
      const commands = next.map(({ command }) => command);
      const refs = next.map(({ ref }) => ref);
      const placed = this.#host.append(commands);
      if ('refused' in placed) return this.#refuse(refs, placed.refused);
      this.#sequencer.appended(commands, placed.firstIndex);
      this.#tell(refs, (at) => ({ firstIndex: placed.firstIndex + at, term: placed.term, refused: '' }));
      next = this.#sequencer.releasable(commands);
    }
  }

  #refuse(refs: readonly Waiting[], refused: string): void {
    this.#tell(refs, () => ({ firstIndex: 0, term: 0, refused }));
  }

  /** One answer for each stretch of a batch that follows on itself. */
  #tell(
    refs: readonly Waiting[],
    where: (at: number) => Pick<Part, 'firstIndex' | 'term' | 'refused'>,
  ): void {
    for (let start = 0; start < refs.length; ) {
      const { from, id, offset } = refs[start] as Waiting;
      let count = 1;
      for (let next = refs[start + count]; next !== undefined; next = refs[start + count]) {
        if (next.from !== from || next.id !== id || next.offset !== offset + count) break;
        count++;
      }
      this.#host.answer(from, id, { offset, count, ...where(start) });
      start += count;
    }
  }

  /** We do not lead any more: what waited was surely not taken. */
  deposed(): void {
    this.#refuse(this.#sequencer.deposed(), 'NOT_LEADER');
  }

  /** Gives up what waited too long for its predecessor. Call now and then. */
  expire(now: number): void {
    this.#refuse(this.#sequencer.expired(now), 'SEQUENCE_GAP');
  }
}

/** A batch without sessions needs no door: nothing of it can wait. */
export function hasSessions(commands: readonly Command[]): boolean {
  return commands.some((command) => command.session !== 0);
}
