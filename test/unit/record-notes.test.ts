/** What the core says for the record, and that it says nothing of the kind on the way of ordinary appends. */

import assert from 'node:assert/strict';
import { type ChainHash, type Entry, EntryKind, type LogPoint } from '../../shared/entry.ts';
import type { Append, RaftMessage, VoteReply, VoteRequest } from '../../shared/messages.ts';
import { TermRuns } from '../../shared/term-runs.ts';
import { Raft } from '../../sidecar/raft/raft.ts';
import type { Effect, Input, NoteEffect } from '../../sidecar/raft/types.ts';
import { EMPTY_START, RAFT_CONFIG } from '../support/quiet.ts';

type Vote = Extract<NoteEffect, { about: 'VOTE_GIVEN' | 'VOTE_RECEIVED' }>;

const EMPTY = new Uint8Array(0);

/** n1 of three, with a log of these terms, on a disk that is done at once. */
class Core {
  readonly raft: Raft;
  now = 0;

  constructor(terms: readonly number[] = [], term = terms.at(-1) ?? 0) {
    const runs = new TermRuns();
    const tail = terms.map((of, i) => entry(i + 1, of));
    for (const { index, term: of } of tail) runs.append(of, index, index);
    const start = { ...EMPTY_START, hardState: { term, vote: '' }, runs: runs.list(), tail };
    this.raft = new Raft({ ...RAFT_CONFIG, random: () => 0 }, start, { now: 0, wall: 0 });
  }

  /** The notes of this step and of what the disk sets free. */
  step(input: Input): NoteEffect[] {
    const notes: NoteEffect[] = [];
    const queue: Input[] = [input];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      for (const effect of this.raft.step(next, { now: this.now, wall: 0 }) as Effect[]) {
        if (effect.type === 'note') notes.push(effect);
        if (effect.type === 'persist') queue.push({ type: 'durable', sequence: effect.sequence });
      }
    }
    return notes;
  }

  receive(message: RaftMessage): NoteEffect[] {
    return this.step({ type: 'message', message });
  }

  tick(ms: number): NoteEffect[] {
    const notes: NoteEffect[] = [];
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 25;
      notes.push(...this.step({ type: 'tick' }));
    }
    return notes;
  }

  /** Makes it the leader of the next term. */
  lead(): NoteEffect[] {
    const notes = this.step({ type: 'campaign' });
    notes.push(...this.receive(reply({ term: this.raft.term + 1, preVote: true })));
    notes.push(...this.receive(reply({ term: this.raft.term })));
    assert.equal(this.raft.role, 'LEADER');
    return notes;
  }
}

function entry(index: number, term: number): Entry {
  return { index, term, kind: EntryKind.COMMAND, time: 0, session: 0, sequence: 0, command: EMPTY };
}

const FROM_N2 = { group: '', from: 'n2', to: 'n1' };

function reply(more: Partial<VoteReply>): VoteReply {
  return { type: 'VoteReply', ...FROM_N2, term: 1, preVote: false, granted: true, reason: '', ...more };
}

function request(more: Partial<VoteRequest>): VoteRequest {
  const log = { lastIndex: 0, lastTerm: 0 };
  return { type: 'VoteRequest', ...FROM_N2, term: 1, preVote: false, transfer: false, ...log, ...more };
}

function append(more: Partial<Append>): Append {
  const rest = { prevIndex: 0, prevTerm: 0, entries: [], commit: 0, round: 1, lastHash: '' };
  return { type: 'Append', ...FROM_N2, term: 1, ...rest, ...more };
}

function appendReply(more: {
  ok: boolean;
  index: number;
  hintIndex?: number;
  hintTerm?: number;
}): RaftMessage {
  const rest = { term: 3, round: 1, applied: 0, hintIndex: 0, hintTerm: 0 };
  return { type: 'AppendReply', ...FROM_N2, ...rest, ...more };
}

const votes = (notes: NoteEffect[]) =>
  notes.map((note) => {
    const { about, peer, term, preVote, granted, reason } = note as Vote;
    return [about, peer, term, preVote, granted, reason];
  });

describe('notes of the core', () => {
  it('tell of votes given, and why they are refused', () => {
    const core = new Core([1, 1], 3);
    assert.deepEqual(votes(core.receive(request({ term: 2 }))), [
      ['VOTE_GIVEN', 'n2', 2, false, false, 'OLD_TERM'],
    ]);
    assert.deepEqual(votes(core.receive(request({ term: 4, lastIndex: 1, lastTerm: 1 }))), [
      ['VOTE_GIVEN', 'n2', 4, false, false, 'LOG_BEHIND'],
    ]);
    assert.deepEqual(votes(core.receive(request({ from: 'n3', term: 4, lastIndex: 2, lastTerm: 1 }))), [
      ['VOTE_GIVEN', 'n3', 4, false, true, ''],
    ]);
    assert.deepEqual(votes(core.receive(request({ term: 4, lastIndex: 2, lastTerm: 1 }))), [
      ['VOTE_GIVEN', 'n2', 4, false, false, 'VOTED_OTHER'],
    ]);
    core.receive(append({ term: 5, from: 'n3', prevIndex: 2, prevTerm: 1 }));
    assert.deepEqual(votes(core.receive(request({ term: 6, preVote: true, lastIndex: 9, lastTerm: 5 }))), [
      ['VOTE_GIVEN', 'n2', 6, true, false, 'LEADER_ALIVE'],
    ]);
  });

  it('tell of votes received, also of a refusal by a voter of another term', () => {
    const core = new Core([], 3);
    core.step({ type: 'campaign' });
    assert.deepEqual(
      votes(core.receive(reply({ term: 3, preVote: true, granted: false, reason: 'LOG_BEHIND' }))),
      [['VOTE_RECEIVED', 'n2', 4, true, false, 'LOG_BEHIND']],
    );
    const behind = reply({ from: 'n3', term: 2, preVote: true, granted: false, reason: 'LEADER_ALIVE' });
    assert.deepEqual(votes(core.receive(behind)), [['VOTE_RECEIVED', 'n3', 4, true, false, 'LEADER_ALIVE']]);
    assert.deepEqual(core.receive(reply({ term: 2, preVote: false })), [], 'an answer to an older campaign');

    const other = new Core();
    assert.deepEqual(votes(other.lead()), [
      ['VOTE_RECEIVED', 'n2', 1, true, true, ''],
      ['VOTE_RECEIVED', 'n2', 1, false, true, ''],
    ]);
  });

  it('tell what was truncated, run by run, and for whom', () => {
    const core = new Core([1, 1, 2, 2, 3]);
    const notes = core.receive(
      append({ term: 4, prevIndex: 1, prevTerm: 1, entries: [entry(2, 4), entry(3, 4)] }),
    );
    assert.deepEqual(notes, [
      { type: 'note', about: 'TRUNCATED', peer: 'n2', first: 2, last: 2, oldTerm: 1 },
      { type: 'note', about: 'TRUNCATED', peer: 'n2', first: 3, last: 4, oldTerm: 2 },
      { type: 'note', about: 'TRUNCATED', peer: 'n2', first: 5, last: 5, oldTerm: 3 },
    ]);
  });

  it('tell a follower’s gap from its conflict, on both sides', () => {
    const follower = new Core([1, 2]);
    const rejected = { type: 'note', about: 'APPEND_REJECTED', peer: 'n2' };
    assert.deepEqual(follower.receive(append({ term: 3, prevIndex: 5, prevTerm: 3 })), [
      { ...rejected, index: 5, hint: 2, cause: 'GAP' },
    ]);
    assert.deepEqual(follower.receive(append({ term: 3, prevIndex: 2, prevTerm: 1 })), [
      { ...rejected, index: 2, hint: 1, cause: 'CONFLICT' },
    ]);
    const leader = new Core([1, 1, 2]);
    leader.lead();
    const gap = leader.receive(appendReply({ ok: false, index: 3, hintIndex: 2, hintTerm: 1 }));
    assert.deepEqual(gap, [{ ...rejected, index: 3, hint: 2, cause: 'GAP' }]);
    const other = new Core([1, 2, 2]);
    other.lead();
    const conflict = other.receive(appendReply({ ok: false, index: 3, hintIndex: 2, hintTerm: 1 }));
    assert.deepEqual(conflict, [{ ...rejected, index: 3, hint: 2, cause: 'CONFLICT' }]);
  });

  it('tell once of a follower that is silent, and when it answers again', () => {
    const core = new Core([], 2);
    core.lead();
    const REPLY = { round: 1, commit: 0, applied: 0, unfit: false, promiseMs: 0, clockMs: 0 };
    const n3 = { group: '', from: 'n3', to: 'n1' };
    const alive = (): NoteEffect[] => core.receive({ type: 'HeartbeatReply', ...FROM_N2, term: 3, ...REPLY });
    const notes: NoteEffect[] = [];
    for (let i = 0; i < 5; i++) {
      notes.push(...alive());
      notes.push(...core.tick(100));
    }
    assert.deepEqual(notes, [{ type: 'note', about: 'CONTACT_LOST', peer: 'n3', ms: 300 }]);
    assert.equal(core.raft.role, 'LEADER');
    const back = core.receive({ type: 'HeartbeatReply', ...n3, term: 3, ...REPLY });
    assert.deepEqual(back, [{ type: 'note', about: 'CONTACT_REGAINED', peer: 'n3', ms: 500 }]);
  });

  it('say nothing of ordinary replication, and tell when a transfer begins', () => {
    const core = new Core([], 2);
    core.lead();
    const notes = core.receive(appendReply({ ok: true, index: 1 }));
    for (let i = 0; i < 10; i++) {
      const one = { kind: EntryKind.COMMAND, command: EMPTY, session: 0, sequence: 0 };
      notes.push(...core.step({ type: 'propose', ref: i, entries: [one] }));
      notes.push(...core.receive(appendReply({ ok: true, index: core.raft.log.lastIndex })));
    }
    assert.deepEqual(notes, []);
    assert.ok(core.raft.commitIndex > 5);
    assert.deepEqual(core.step({ type: 'transfer', to: 'n2' }), [
      { type: 'note', about: 'TRANSFER_STARTED', peer: 'n2', cause: 'ASKED' },
    ]);
  });

  it('tell of a snapshot that was outrun by what is kept of the log, and of no other', () => {
    const core = new Core([], 2);
    core.lead();
    const command = { kind: EntryKind.COMMAND, command: EMPTY, session: 0, sequence: 0 };
    core.step({ type: 'propose', ref: 1, entries: Array.from({ length: 4 }, () => command) });
    core.receive(appendReply({ ok: true, index: 5 }));
    const points = [2, 4].map((index) => ({ index, term: 3, hash: '' as ChainHash }));
    const [first, second] = points as [LogPoint, LogPoint];
    core.step({ type: 'snapshots', points: [first] });
    core.step({ type: 'compact', point: first });
    const n3 = { group: '', from: 'n3', to: 'n1', term: 3 };
    const reply = { round: 1, commit: 0, applied: 0, unfit: false, promiseMs: 0, clockMs: 0 };
    core.receive({ type: 'HeartbeatReply', ...n3, ...reply });
    core.step({ type: 'snapshots', points: [first, second] });
    core.step({ type: 'compact', point: second });
    const outrun = { type: 'note', about: 'SNAPSHOT_OUTRUN', peer: 'n3', index: 2, first: 5 };
    const installed = (lastIndex: number): NoteEffect[] =>
      core
        .receive({ type: 'SnapshotReply', ...n3, lastIndex })
        .filter(({ about }) => about === 'SNAPSHOT_OUTRUN');
    assert.deepEqual(installed(2), [outrun]);
    assert.deepEqual(installed(4), []);
    assert.equal(core.raft.progress().find(({ id }) => id === 'n3')?.state, 'PROBE');
  });

  it('tell that a leader hands over because it is not fit', () => {
    const core = new Core([], 2);
    core.lead();
    core.receive(appendReply({ ok: true, index: core.raft.log.lastIndex }));
    assert.deepEqual(core.step({ type: 'fitness', fit: false }), []);
    const begun: NoteEffect[] = [];
    for (let waited = 0; waited < RAFT_CONFIG.handOverMs; waited += 100) {
      assert.equal(begun.length, 0, `after ${waited} ms`);
      begun.push(...core.tick(100).filter(({ about }) => about === 'TRANSFER_STARTED'));
      core.receive(appendReply({ ok: true, index: core.raft.log.lastIndex }));
    }
    assert.deepEqual(begun, [{ type: 'note', about: 'TRANSFER_STARTED', peer: 'n2', cause: 'UNFIT' }]);
  });
});
