/** The driver over a real core, with the store's twin and a transport that only remembers. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Entry, ZERO_HASH } from '../../shared/entry.ts';
import type { Append, PeerMessage } from '../../shared/messages.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import { RaftDriver } from '../../sidecar/node/driver.ts';
import type { Transport } from '../../sidecar/peers/contract.ts';
import type { StoredState } from '../../sidecar/store/contract.ts';
import { MemoryDisk, MemoryStore } from '../../sidecar/store/memory-store.ts';
import { RAFT_CONFIG } from '../support/quiet.ts';
import { batch } from './store-support.ts';

class Wire implements Transport {
  readonly sent: PeerMessage[] = [];
  readonly #news = new EventTarget();
  send(message: PeerMessage): void {
    this.sent.push(message);
    this.#news.dispatchEvent(new Event('sent'));
  }
  async next<T extends PeerMessage['type']>(type: T): Promise<Extract<PeerMessage, { type: T }>> {
    for (;;) {
      const at = this.sent.findIndex((message) => message.type === type);
      if (at !== -1) return this.sent.splice(at, 1)[0] as Extract<PeerMessage, { type: T }>;
      await once(this.#news, 'sent');
    }
  }
  start = () => Promise.reject(new Error('not here'));
  announceHttp = () => undefined;
  setMembers = () => undefined;
  links = () => [];
  close = () => Promise.resolve();
}

interface Setup {
  readonly driver: RaftDriver;
  readonly wire: Wire;
  readonly store: MemoryStore;
  readonly stored: StoredState;
  readonly broken: Error[];
  readonly committed: number[];
}

/** A node whose disk holds `entries`, of which only the last `kept` are in memory. */
async function node(entries: Entry[], kept: number): Promise<Setup> {
  const disk = new MemoryDisk();
  const before = new MemoryStore({ disk });
  await before.open();
  const durable = new Promise<void>((resolve) => {
    before.listen({ durable: () => resolve(), fault: assert.ifError });
  });
  sealEntries(entries, ZERO_HASH);
  before.write({
    hardState: { term: entries.at(-1)?.term ?? 0, vote: '' },
    previousHash: ZERO_HASH,
    entries,
  });
  await durable;
  await before.close();

  const store = new MemoryStore({ disk });
  const opened = await store.open();
  const stored = { ...opened, tail: opened.tail.slice(opened.tail.length - kept) };
  const wire = new Wire();
  const broken: Error[] = [];
  const committed: number[] = [];
  const driver = new RaftDriver(RAFT_CONFIG, stored, {
    store,
    transport: wire,
    committed: 0,
    listener: {
      role: () => undefined,
      note: () => undefined,
      appended: () => undefined,
      skipAppended: () => undefined,
      durable: () => undefined,
      committed: (_before, now) => committed.push(now),
      readIndex: () => undefined,
      installed: () => undefined,
      compacted: () => undefined,
      membership: () => undefined,
      snapshotWanted: () => undefined,
      fetchSnapshot: () => undefined,
      transferFailed: () => undefined,
      whole: () => undefined,
      broken: (error) => broken.push(error),
    },
  });
  store.listen({ durable: (sequence) => driver.durable(sequence), fault: assert.ifError });
  return { driver, wire, store, stored, broken, committed };
}

function append(entries: Entry[], prevIndex: number, prevTerm: number, more: Partial<Append> = {}): Append {
  const head = { type: 'Append', group: '', from: 'n2', to: 'n1', term: 2, round: 1 } as const;
  return { ...head, prevIndex, prevTerm, entries, commit: 0, lastHash: '', ...more };
}

describe('the driver of a node', () => {
  it('reads the chain hash from the disk when a truncation reaches below memory, and keeps the order', async () => {
    const old = batch(1, 10, 1);
    const { driver, wire, store, broken } = await node(old, 2);
    const hashes = old.map((entry) => entry.hash ?? '');
    const theirs = batch(6, 2, 2);
    const lastHash = sealEntries(
      theirs.map((entry) => ({ ...entry })),
      hashes[4] ?? '',
    );
    driver.receive(append(theirs, 5, 1, { lastHash }));
    // Comes while the hash is being read: it must wait for its turn.
    driver.receive(append(batch(8, 1, 2), 7, 2));
    // Both became durable at once, so one acknowledgement speaks for both.
    assert.equal((await wire.next('AppendReply')).index, 8);
    assert.deepEqual(broken, []);
    assert.equal(await store.hashAt(7), lastHash);
    assert.equal(await store.hashAt(5), hashes[4]);
    driver.stop();
  });

  it('stops for good when its log is not the leader’s though index and term agree', async () => {
    const { driver, broken } = await node(batch(1, 3, 1), 3);
    driver.receive(append(batch(4, 1, 2), 3, 1, { lastHash: 'x'.repeat(32) }));
    assert.match(broken[0]?.message ?? '', /the chain hashes differ/);
    driver.receive(append(batch(4, 1, 2), 3, 1));
    assert.equal(driver.raft.log.lastIndex, 4, 'it went on stepping');
  });

  it('acknowledges only what the store reported durable', async () => {
    const disk = new MemoryDisk();
    const store = new MemoryStore({ disk, autoComplete: false });
    const stored = await store.open();
    const wire = new Wire();
    const driver = new RaftDriver(RAFT_CONFIG, stored, {
      store,
      transport: wire,
      committed: 0,
      listener: {
        role: () => undefined,
        note: () => undefined,
        appended: () => undefined,
        skipAppended: () => undefined,
        durable: () => undefined,
        committed: () => undefined,
        readIndex: () => undefined,
        installed: () => undefined,
        compacted: () => undefined,
        membership: () => undefined,
        snapshotWanted: () => undefined,
        fetchSnapshot: () => undefined,
        transferFailed: () => undefined,
        whole: () => undefined,
        broken: assert.ifError,
      },
    });
    store.listen({ durable: (sequence) => driver.durable(sequence), fault: assert.ifError });
    driver.receive(append(batch(1, 3, 2), 0, 0));
    assert.deepEqual(wire.sent, []);
    store.complete();
    assert.equal((await wire.next('AppendReply')).index, 3);
    driver.stop();
  });
});
