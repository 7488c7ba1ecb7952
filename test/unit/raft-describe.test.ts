/** The words for messages, effects and nodes. Transcripts show most of them; here is what they rarely do. */
import assert from 'node:assert/strict';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import {
  describeEffect,
  describeEntries,
  describeEntry,
  describeMessage,
} from '../../sidecar/raft/describe.ts';

function entry(index: number, command: string | Uint8Array): Entry {
  const bytes = typeof command === 'string' ? new TextEncoder().encode(command) : command;
  const rest = { time: 0, session: 0, sequence: 0 };
  return { index, term: 3, kind: EntryKind.COMMAND, command: bytes, ...rest };
}

describe('raft describe', () => {
  it('shows short printable commands, and the size of all others', () => {
    assert.equal(describeEntry(entry(7, 'a"b')), '7@3 "a\\"b"');
    assert.equal(describeEntry(entry(7, 'ä')), '7@3 <2 bytes>');
    assert.equal(describeEntry(entry(7, 'x'.repeat(25))), '7@3 <25 bytes>');
    assert.equal(describeEntry(entry(7, Uint8Array.of(10))), '7@3 <1 bytes>');
    assert.equal(describeEntry({ ...entry(1, ''), kind: EntryKind.NOOP }), '1@3 NOOP');
  });

  it('shows the ends of a long list', () => {
    const entries = Array.from({ length: 7 }, (_, i) => entry(i + 1, 'x'));
    assert.equal(describeEntries(entries), '1@3 "x" … 7@3 "x" (7 entries)');
    assert.equal(describeEntries(entries.slice(5)), '6@3 "x", 7@3 "x"');
    assert.equal(describeEntries([]), 'none');
  });

  it('names the sender and the receiver', () => {
    const header = { group: '', from: 'n1', to: 'n2', term: 4 };
    assert.equal(describeMessage({ type: 'TimeoutNow', ...header }), 'n1→n2 TimeoutNow term=4');
    assert.equal(
      describeMessage({ type: 'SnapshotOffer', ...header, lastIndex: 9, lastTerm: 3 }),
      'n1→n2 SnapshotOffer term=4 last=9@3',
    );
    assert.equal(
      describeMessage({ type: 'SnapshotReply', ...header, lastIndex: 9 }),
      'n1→n2 SnapshotReply term=4 last=9',
    );
  });

  it('says nobody, unknown and anybody where a name is empty', () => {
    const hardState = { term: 2, vote: '' };
    const write = {
      type: 'persist',
      sequence: 1,
      hardState,
      truncateFrom: undefined,
      reset: undefined,
      entries: [],
    } as const;
    assert.equal(describeEffect({ ...write, expectedHash: '' }), 'write #1: term=2 vote=none');
    assert.equal(describeEffect({ type: 'transferFailed', to: '' }), 'gives up the transfer to anybody');
    const role = {
      type: 'role',
      role: 'FOLLOWER',
      term: 2,
      leader: '',
      silentMs: 5,
      cause: 'STARTED',
    } as const;
    assert.equal(describeEffect(role), 'is FOLLOWER in term 2, leader unknown: STARTED');
  });
});
