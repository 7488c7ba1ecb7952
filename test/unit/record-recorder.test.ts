/** What the recorder writes down, how often, and in which order; and the watches over the loop and the disk. */

import assert from 'node:assert/strict';
import { LIMITS } from '../../shared/limits.ts';
import { type DiskNews, DiskWatch } from '../../sidecar/node/disk-watch.ts';
import { LoopWatch } from '../../sidecar/node/loop-watch.ts';
import { Recorder } from '../../sidecar/node/recorder.ts';
import { Raft } from '../../sidecar/raft/raft.ts';
import type { NoteEffect, RoleEffect } from '../../sidecar/raft/types.ts';
import { EMPTY_START, RAFT_CONFIG } from '../support/quiet.ts';

const TURN_MS = 20;
const NO_LINKS = () => [];

function raft(): Raft {
  const start = { ...EMPTY_START, hardState: { term: 4, vote: '' } };
  return new Raft(RAFT_CONFIG, start, { now: 0, wall: 0 });
}

function recorder(): Recorder {
  const core = raft();
  const made = new Recorder(() => core, 0, TURN_MS);
  made.started();
  return made;
}

const kinds = (made: Recorder) => made.events.since(1).map(({ kind, cause }) => `${kind} ${cause}`);

function role(more: Partial<RoleEffect>): RoleEffect {
  const silentMs = Number.POSITIVE_INFINITY;
  return {
    type: 'role',
    role: 'CANDIDATE',
    term: 4,
    leader: '',
    cause: 'ELECTION_TIMEOUT',
    silentMs,
    ...more,
  };
}

function vote(more: Partial<Extract<NoteEffect, { about: 'VOTE_GIVEN' | 'VOTE_RECEIVED' }>>): NoteEffect {
  const answer = { term: 5, preVote: true, granted: false, reason: 'LEADER_ALIVE' };
  return { type: 'note', about: 'VOTE_GIVEN', peer: 'n2', ...answer, ...more };
}

describe('the recorder', () => {
  it('tells of each change of role what it was before, and how silent the leader had been', () => {
    const made = recorder();
    made.role(role({ silentMs: 180.6 }));
    made.role(role({ role: 'LEADER', term: 5, leader: 'n1', cause: 'VOTE_WON' }));
    const [first, second] = made.events.since(1);
    assert.equal(first?.was, 'FOLLOWER');
    assert.equal(first?.ms, 181);
    assert.equal(second?.was, 'CANDIDATE');
    assert.equal(second?.term, 5);
    assert.equal(second && 'ms' in second, false);
  });

  it('does not repeat a candidate that asks again, nor the same answer to the same request', () => {
    const made = recorder();
    for (let i = 0; i < 3; i++) made.role(role({}));
    for (let i = 0; i < 3; i++) made.note(vote({}));
    made.note(vote({ peer: 'n3' }));
    made.note(vote({ term: 6 }));
    made.note(vote({ term: 6, reason: 'VOTED_OTHER' }));
    made.role(role({ role: 'FOLLOWER', cause: 'VOTE_LOST' }));
    made.role(role({}));
    assert.deepEqual(kinds(made), [
      'ROLE ELECTION_TIMEOUT',
      'VOTE_GIVEN LEADER_ALIVE',
      'VOTE_GIVEN LEADER_ALIVE',
      'VOTE_GIVEN LEADER_ALIVE',
      'VOTE_GIVEN ALREADY_VOTED',
      'ROLE VOTE_LOST',
      'ROLE ELECTION_TIMEOUT',
    ]);
    assert.equal(made.events.since(2)[0]?.term, 5, 'the term that was asked for');
  });

  it('bounds what rejected appends cost', () => {
    const made = recorder();
    for (let index = 100; index > 0; index--) {
      made.note({ type: 'note', about: 'APPEND_REJECTED', peer: 'n2', index, hint: 3, cause: 'CONFLICT' });
    }
    const [only, ...more] = made.events.since(1);
    assert.deepEqual(more, []);
    assert.deepEqual([only?.index, only?.through, only?.cause], [100, 3, 'CONFLICT']);
  });

  it('tells of an app: its state, its condition, and the entry it is about', () => {
    const made = recorder();
    made.app({ state: 'STALLED', condition: 'FAILED', reason: 'no', entry: 9 }, 8);
    made.app({ state: 'CONNECTED', condition: 'HEALTHY', reason: 'yes', entry: undefined }, 9);
    const [failed, healthy] = made.events.since(0).slice(-2);
    assert.deepEqual(
      [failed?.kind, failed?.cause, failed?.condition, failed?.index, failed?.entry],
      ['APP', 'APP_STALLED', 'FAILED', 8, 9],
    );
    assert.deepEqual([healthy?.cause, healthy?.condition], ['APP_CONNECTED', 'HEALTHY']);
    assert.ok(healthy !== undefined && !('entry' in healthy));
  });

  it('tells of a peer that refuses us, once, and again for another reason', () => {
    const made = recorder();
    const link = (reason: string) => [
      {
        id: 'n2',
        address: '127.0.0.1:1',
        state: 'REFUSED' as const,
        reason,
        queuedBytes: 0,
        droppedMessages: 0,
        sentBytes: 0,
        receivedBytes: 0,
        http: '',
        features: undefined,
      },
    ];
    // Whole, so that adding to it is exact.
    const begin = Math.ceil(performance.now());
    made.turn(begin, 0, () => link('other cluster'));
    made.turn(begin + 1_000, 0, () => link('other cluster'));
    made.turn(begin + 2_000, 0, () => link('other version'));
    assert.deepEqual(
      made.events.since(1).map(({ kind, cause, reason }) => [kind, cause, reason]),
      [
        ['PEER_DOWN', 'REFUSED', 'other cluster'],
        ['PEER_DOWN', 'REFUSED', 'other version'],
      ],
    );
  });

  it('writes a pause down before what followed from it', () => {
    const made = recorder();
    made.turnsBegin();
    const until = performance.now() + LIMITS.slowLoopMs + 3 * TURN_MS;
    while (performance.now() < until);
    made.role(role({ role: 'FOLLOWER', cause: 'STALLED' }));
    made.turn(performance.now(), 0, NO_LINKS);
    // Whether it computed or was stopped is for the watch (below) to tell: on a slow machine it is a bit of both.
    assert.deepEqual(
      made.events.since(1).map(({ kind }) => kind),
      ['LOOP_SLOW', 'ROLE'],
    );
    assert.ok((made.events.since(1)[0]?.ms ?? 0) >= LIMITS.slowLoopMs);
  });
});

describe('the watch over the loop', () => {
  it('tells a process that was stopped from one that computed', () => {
    let cpu = 0;
    const watch = new LoopWatch(TURN_MS, 0, () => cpu);
    assert.equal(watch.turn(20), undefined);
    cpu += 20;
    assert.equal(watch.late(20 + TURN_MS + LIMITS.slowLoopMs), undefined);
    cpu += 5;
    assert.deepEqual(watch.late(1_020), { ms: 980, cause: 'PAUSED' });
    assert.equal(watch.turn(1_020), undefined, 'it is told once');
    cpu += 900;
    assert.deepEqual(watch.turn(2_040), { ms: 1_000, cause: 'BUSY' });
  });
});

describe('the watch over the disk', () => {
  const SLOW = LIMITS.slowWriteMs + 1;

  function watch() {
    const told: DiskNews[] = [];
    return { told, disk: new DiskWatch((news) => told.push(news)) };
  }

  it('tells of slow writes at most once a second, and when the disk is in time again', () => {
    const { told, disk } = watch();
    disk.wrote(5, 0);
    disk.wrote(SLOW, 1_000);
    disk.wrote(SLOW, 1_200);
    disk.wrote(5, 1_300);
    disk.look(0, 1_400);
    assert.deepEqual(told, [{ kind: 'DISK_SLOW', cause: 'SLOW_WRITE', ms: SLOW }]);
    disk.look(0, 2_300);
    disk.look(0, 2_320);
    assert.deepEqual(told.slice(1), [{ kind: 'DISK_OK', cause: 'WROTE', ms: 5 }]);
  });

  it('tells of a write while it still waits, and is not well before one was in time', () => {
    const { told, disk } = watch();
    disk.look(SLOW, 1_000);
    disk.look(SLOW + 1_100, 2_100);
    disk.wrote(SLOW + 1_200, 2_200);
    disk.look(0, 9_000);
    assert.deepEqual(
      told.map(({ cause }) => cause),
      ['WAITING', 'WAITING'],
    );
    disk.wrote(3, 9_100);
    disk.look(0, 9_120);
    assert.equal(told.at(-1)?.kind, 'DISK_OK');
  });

  it('does not blame the disk for a pause of this process', () => {
    const { told, disk } = watch();
    disk.stalled(2_000, 5_000);
    disk.wrote(2_010, 5_001);
    disk.look(2_050, 5_002);
    assert.deepEqual(told, []);
    disk.wrote(SLOW, 6_000);
    assert.equal(told.length, 1);
  });
});
