/** What the tests of the store share: a store driven as a node would drive it, and entries to write. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type ChainHash, type Entry, EntryKind, ZERO_HASH } from '../../shared/entry.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import type { LogWrite, Store, StoredState, StoreError } from '../../sidecar/store/contract.ts';
import { GuardFile } from '../../sidecar/store/guard.ts';

/** Memory where there is some: hundreds of logs are opened here, and none of these cases is about the disk. */
export const TEMPORARY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A store with the bookkeeping a node would do: the hash at its end, and who waits for which sequence. */
export class Driven {
  readonly store: Store;
  state!: StoredState;
  hash: ChainHash = ZERO_HASH;
  last = 0;
  readonly durable: number[] = [];
  readonly commits: number[] = [];
  readonly faults: StoreError[] = [];
  #waiting: { sequence: number; resolve: () => void }[] = [];

  constructor(store: Store) {
    this.store = store;
  }

  async open(): Promise<this> {
    this.state = await this.store.open();
    this.last = this.state.lastIndex;
    this.hash = this.state.lastHash;
    this.store.listen({
      durable: (sequence) => {
        this.durable.push(sequence);
        for (const waiter of this.#waiting) if (waiter.sequence <= sequence) waiter.resolve();
        this.#waiting = this.#waiting.filter((waiter) => waiter.sequence > sequence);
      },
      fault: (error) => this.faults.push(error),
      committed: (_ms, entries) => this.commits.push(entries),
    });
    return this;
  }

  append(entries: Entry[], more: Partial<LogWrite> = {}): number {
    const previousHash = this.hash;
    this.hash = sealEntries(entries, previousHash);
    this.last = entries.at(-1)?.index ?? this.last;
    return this.store.write({ previousHash, entries, ...more });
  }

  settled(sequence: number): Promise<void> {
    if ((this.durable.at(-1) ?? 0) >= sequence) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ sequence, resolve }));
  }
}

export function batch(first: number, count: number, term: number, bytes = 40): Entry[] {
  return Array.from({ length: count }, (_, at) => ({
    index: first + at,
    term,
    kind: EntryKind.COMMAND,
    time: 1_700_000_000_000 + first + at,
    session: 7,
    sequence: first + at,
    command: randomBytes(bytes),
  }));
}

export const plain = ({ index, term, kind, time, session, sequence, command, hash }: Entry) => ({
  index,
  term,
  kind,
  time,
  session,
  sequence,
  hash,
  command: Buffer.from(command).toString('hex'),
});

/** Every entry of the store, by pages. */
export async function everything(store: Store, last: number, pageBytes = 1 << 20): Promise<Entry[]> {
  const found: Entry[] = [];
  while (found.length < last) found.push(...(await store.read(found.length + 1, last, pageBytes)));
  return found;
}

/** The watermark in the guard file of a data folder, as it is now. */
export function guardIndex(folder: string): number {
  const guard = new GuardFile(folder, (error) => {
    throw error;
  });
  const index = guard.found?.index ?? 0;
  guard.close();
  return index;
}
