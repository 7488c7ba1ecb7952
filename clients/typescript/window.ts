/**
 * The commands of one session: which have a number, what may be sent now, and what is settled. Pure.
 *
 * Numbers follow on each other without a gap, and a command that may have been taken keeps its number until it is answered:
 * giving it to another command could lose one of the two, and skipping it would leave everything after it unapplied.
 * MUST: give a number back only when every try of the command was definitely refused, and no later number may be in use.
 */

/** READY to be sent (again), OPEN on its way, DONE answered, VOID refused for good before it could take effect. */
type State = 'READY' | 'OPEN' | 'DONE' | 'VOID';

export interface Slot<Item> {
  readonly item: Item;
  /** 0 while it has no number. */
  sequence: number;
  state: State;
  /** An earlier try had an unknown outcome: whatever later tries are told, it may have taken effect. */
  maybe: boolean;
  /** When it was sent last, and refused as SEQUENCE_GAP last, in tries of this session. */
  sentAt: number;
  gapAt: number;
}

export class SessionWindow<Item> {
  readonly #most: number;
  /** Numbered from `#first` on; the first one is not DONE. */
  #slots: Slot<Item>[] = [];
  #queue: Slot<Item>[] = [];
  #first = 1;
  #tries = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Everything below this number is answered. */
  get ackBelow(): number {
    return this.#first;
  }

  /** Everything that is not settled, in order. */
  get unsettled(): readonly Slot<Item>[] {
    return [...this.#slots.filter(({ state }) => state !== 'DONE' && state !== 'VOID'), ...this.#queue];
  }

  /** A later command may be in use, and this one, refused for good, can neither be sent nor replaced. */
  get isStuck(): boolean {
    const empty = this.#slots.findIndex(({ state }) => state === 'VOID');
    if (empty === -1) return false;
    const later = this.#slots.slice(empty + 1);
    return (
      later.some(({ maybe, state }) => maybe || state === 'DONE') &&
      later.every(({ state }) => state !== 'OPEN')
    );
  }

  add(item: Item): Slot<Item> {
    const slot: Slot<Item> = { item, sequence: 0, state: 'READY', maybe: false, sentAt: 0, gapAt: 0 };
    this.#queue.push(slot);
    return slot;
  }

  /** Takes out a command that has no number. False: it has one. */
  withdraw(slot: Slot<Item>): boolean {
    const at = this.#queue.indexOf(slot);
    if (at !== -1) this.#queue.splice(at, 1);
    return at !== -1;
  }

  /** What is to be sent next: the lowest number first, and nothing past one that cannot be sent yet. */
  next(): Slot<Item> | undefined {
    let before: Slot<Item> | undefined;
    for (const slot of this.#slots) {
      if (slot.state === 'VOID') return undefined;
      if (slot.state === 'READY') return this.#follows(before, slot) ? slot : undefined;
      before = slot;
    }
    const [first] = this.#queue;
    return first !== undefined && this.#slots.length < this.#most && this.#follows(before, first)
      ? first
      : undefined;
  }

  /** After a gap a command waits until the one before it was sent anew or answered: sooner it would be a gap again. */
  #follows(before: Slot<Item> | undefined, { gapAt }: Slot<Item>): boolean {
    return before === undefined || before.state === 'DONE' || before.sentAt > gapAt || gapAt === 0;
  }

  /** It is on its way; it has a number from here on. */
  sent(slot: Slot<Item>): void {
    if (slot === this.#queue[0]) {
      this.#queue.shift();
      slot.sequence = this.#first + this.#slots.length;
      this.#slots.push(slot);
    }
    this.#tries += 1;
    slot.sentAt = this.#tries;
    slot.gapAt = 0;
    slot.state = 'OPEN';
  }

  answered(slot: Slot<Item>): void {
    slot.state = 'DONE';
    while (this.#slots[0]?.state === 'DONE') {
      this.#slots.shift();
      this.#first += 1;
    }
  }

  /** The try failed, and the command is to be sent again. */
  refused(slot: Slot<Item>, how: 'GAP' | 'DEFINITE' | 'INDEFINITE'): void {
    slot.state = 'READY';
    if (how === 'INDEFINITE') slot.maybe = true;
    if (how === 'GAP') slot.gapAt = this.#tries;
    this.#giveBack();
  }

  /** Every try was definitely refused, and there will be no other one. */
  void(slot: Slot<Item>): void {
    slot.state = 'VOID';
    this.#giveBack();
  }

  /** Numbers at the end that surely were not used are free again; their commands get new ones, in the same order. */
  #giveBack(): void {
    for (let last = this.#slots.at(-1); last !== undefined; last = this.#slots.at(-1)) {
      const unused = last.state === 'VOID' || (last.state === 'READY' && !last.maybe);
      if (!unused) return;
      this.#slots.pop();
      last.sequence = 0;
      if (last.state === 'READY') this.#queue.unshift(last);
    }
  }
}
