/**
 * Is there an order of these operations that the machine could have run one by one, each at some time between its call
 * and its return? The depth-first search of Wing and Gong, with Lowe's cache: a set of operations that were ordered,
 * together with the state they lead to, is looked at once.
 *
 * MUST: say UNDECIDED when the budget is used up, never LEGAL. MUST NOT: know a clock or any I/O.
 *
 * Operations whose outcome is unknown have no return: any of them may come at any time after its call, or never. They are
 * tried after the others, since most histories need few of them.
 */
import { compare, type Operation } from './history.ts';
import type { Model } from './model.ts';

export type Verdict = 'LEGAL' | 'ILLEGAL' | 'UNDECIDED';

export interface Found {
  readonly verdict: Verdict;
  /** Sets of ordered operations with their state that were looked at. */
  readonly configurations: number;
  /** The longest order that was possible (by operations with a known outcome): all of them when LEGAL. */
  readonly longest: readonly Operation[];
}

/** A place in a list of events; its head is one as well. */
interface Place {
  previous: Place | undefined;
  next: Event | undefined;
}

/** A call or a return in the list of what is not ordered yet, in order of time. */
interface Event extends Place {
  readonly operation: Operation;
  readonly time: bigint;
  /** Bit of the operation. */
  readonly bit: number;
  /** Of a call: where it returned. Undefined for a return, and for calls that never did. */
  readonly end: Event | undefined;
  readonly isCall: boolean;
}

interface Frame<State> {
  readonly event: Event;
  /** Before it. */
  readonly state: State;
}

/** Searches the operations of one key, whose outcomes are ok or unknown. Looks at `budget` configurations at most. */
export function search<State>(operations: readonly Operation[], model: Model<State>, budget: number): Found {
  if (operations.every((operation) => operation.return === undefined))
    return { verdict: 'LEGAL', configurations: 0, longest: [] };
  return new Search(operations, model, budget).run();
}

class Search<State> {
  readonly #model: Model<State>;
  readonly #budget: number;
  /** The heads of two lists: calls and returns of operations that returned; calls of those that did not. */
  readonly #known: Place = { previous: undefined, next: undefined };
  readonly #unknown: Place = { previous: undefined, next: undefined };
  /** The bits of what is ordered, 16 to a unit, so that they can stand in a string as they are. */
  readonly #ordered: Uint16Array;
  readonly #seen = new Set<string>();
  /** Small numbers for states: two states are equal when their numbers are. */
  readonly #states = new Map<string, number>();
  readonly #stack: Frame<State>[] = [];
  #state: State;
  #left: number;
  #longest: readonly Operation[] = [];
  #fewestLeft: number;

  constructor(operations: readonly Operation[], model: Model<State>, budget: number) {
    this.#model = model;
    this.#budget = budget;
    this.#state = model.initial;
    this.#ordered = new Uint16Array(Math.ceil(operations.length / 16));
    const known: Event[] = [];
    const unknown: Event[] = [];
    for (const [bit, operation] of operations.entries()) {
      const links = { previous: undefined, next: undefined };
      const time = operation.return;
      if (time === undefined) {
        unknown.push({ operation, time: operation.call, bit, end: undefined, isCall: true, ...links });
        continue;
      }
      const end: Event = { operation, time, bit, end: undefined, isCall: false, ...links };
      known.push({ operation, time: operation.call, bit, end, isCall: true, ...links }, end);
    }
    // The interval is closed: at the same time, calls come first.
    known.sort((a, b) => compare(a.time, b.time) || Number(b.isCall) - Number(a.isCall));
    unknown.sort((a, b) => compare(a.time, b.time));
    chain(this.#known, known);
    chain(this.#unknown, unknown);
    this.#left = known.length / 2;
    this.#fewestLeft = this.#left;
  }

  run(): Found {
    let event = this.#first();
    for (;;) {
      if (event === undefined) {
        const last = this.#stack.pop();
        if (last === undefined) return this.#found('ILLEGAL');
        this.#undo(last);
        event = this.#after(last.event);
      } else if (this.#extend(event)) {
        if (this.#left === 0) return this.#found('LEGAL');
        if (this.#seen.size >= this.#budget) return this.#found('UNDECIDED');
        event = this.#first();
      } else {
        event = this.#after(event);
      }
    }
  }

  #found(verdict: Verdict): Found {
    return { verdict, configurations: this.#seen.size, longest: this.#longest };
  }

  #first(): Event | undefined {
    const { next } = this.#known;
    return next?.isCall ? next : this.#firstUnknown();
  }

  /** The next call that may be ordered now: nothing that is left has returned before it. */
  #after(event: Event): Event | undefined {
    const { next } = event;
    if (event.operation.return !== undefined) return next?.isCall ? next : this.#firstUnknown();
    return next !== undefined && next.time <= this.#firstReturn() ? next : undefined;
  }

  #firstUnknown(): Event | undefined {
    const { next } = this.#unknown;
    return next !== undefined && next.time <= this.#firstReturn() ? next : undefined;
  }

  #firstReturn(): bigint {
    let event = this.#known.next;
    while (event?.isCall) event = event.next;
    if (event === undefined) throw new Error('nothing is left to return');
    return event.time;
  }

  /** Orders `event` next, if the machine allows it and this was not looked at before. */
  #extend(event: Event): boolean {
    const { operation, bit } = event;
    const state = this.#model.step(this.#state, operation);
    if (state === undefined) return false;
    const number = this.#number(state);
    // One that changes nothing and that nobody saw may as well never happen.
    if (operation.return === undefined && number === this.#number(this.#state)) return false;
    this.#flip(bit);
    const configuration = String.fromCharCode(number & 0xffff, number >>> 16, ...this.#ordered);
    const before = this.#seen.size;
    if (this.#seen.add(configuration).size === before) {
      this.#flip(bit);
      return false;
    }
    this.#stack.push({ event, state: this.#state });
    this.#state = state;
    unlink(event);
    if (event.end !== undefined) {
      unlink(event.end);
      this.#left -= 1;
      if (this.#left < this.#fewestLeft) {
        this.#fewestLeft = this.#left;
        this.#longest = this.#stack.map((frame) => frame.event.operation);
      }
    }
    return true;
  }

  #undo({ event, state }: Frame<State>): void {
    this.#state = state;
    this.#flip(event.bit);
    if (event.end !== undefined) {
      relink(event.end);
      this.#left += 1;
    }
    relink(event);
  }

  #flip(bit: number): void {
    const unit = bit >> 4;
    this.#ordered[unit] = (this.#ordered[unit] ?? 0) ^ (1 << (bit & 15));
  }

  #number(state: State): number {
    const key = this.#model.key(state);
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const number = this.#states.size;
    this.#states.set(key, number);
    return number;
  }
}

function chain(head: Place, events: readonly Event[]): void {
  let last = head;
  for (const event of events) {
    last.next = event;
    event.previous = last;
    last = event;
  }
}

/** Takes `event` out of its list; it remembers its place. */
function unlink({ previous, next }: Event): void {
  if (previous !== undefined) previous.next = next;
  if (next !== undefined) next.previous = previous;
}

/** Puts `event` back. What was taken out last must come back first. */
function relink(event: Event): void {
  if (event.previous !== undefined) event.previous.next = event;
  if (event.next !== undefined) event.next.previous = event;
}
