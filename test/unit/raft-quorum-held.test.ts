/** Does a leader hold a quorum, at a moment between its steps? It is what load balancers are told. */
import assert from 'node:assert/strict';
import type { RaftMessage } from '../../shared/messages.ts';
import { Raft } from '../../sidecar/raft/raft.ts';
import type { Input, PersistEffect } from '../../sidecar/raft/types.ts';
import { EMPTY_START, RAFT_CONFIG } from '../support/quiet.ts';

const { electionMinMs, electionMaxMs } = RAFT_CONFIG;
const ELECTED_AT = 1_000;

/** n1, which n2 elected at `ELECTED_AT`. */
class Leader {
  readonly raft: Raft;

  constructor(config = RAFT_CONFIG) {
    const start = { ...EMPTY_START, hardState: { term: 0, vote: '' } };
    this.raft = new Raft(config, start, { now: 0, wall: 0 });
    this.step({ type: 'tick' }, ELECTED_AT);
    this.step({ type: 'campaign' }, ELECTED_AT);
    if (config.membership.voters.length === 1) return;
    for (const preVote of [true, false]) {
      const term = preVote ? this.raft.term + 1 : this.raft.term;
      const reply = { type: 'VoteReply', term, preVote, granted: true, reason: '' } as const;
      this.step({ type: 'message', message: this.#from('n2', reply) }, ELECTED_AT);
    }
  }

  #from(peer: string, message: object): RaftMessage {
    return { group: '', from: peer, to: 'n1', ...message } as RaftMessage;
  }

  /** One input; the disk is done at once. */
  step(input: Input, now: number): void {
    const clock = { now, wall: now };
    const writes = this.raft.step(input, clock).filter((e): e is PersistEffect => e.type === 'persist');
    for (const { sequence } of writes) this.step({ type: 'durable', sequence }, now);
  }

  tick(now: number): void {
    this.step({ type: 'tick' }, now);
  }

  hears(peer: string, now: number): void {
    const { term, commitIndex: commit } = this.raft;
    const reply = { type: 'HeartbeatReply', term, round: 0, match: 0, applied: 0, commit };
    this.step({ type: 'message', message: this.#from(peer, reply) }, now);
  }
}

describe('a leader that holds a quorum', () => {
  it('does from its election on, while it hears from one', () => {
    const leader = new Leader();
    assert.equal(leader.raft.role, 'LEADER');
    assert.equal(leader.raft.holdsQuorum(ELECTED_AT), true);
    leader.tick(ELECTED_AT + 100);
    leader.hears('n3', ELECTED_AT + 100);
    leader.tick(ELECTED_AT + 200);
    assert.equal(leader.raft.holdsQuorum(ELECTED_AT + 200), true);
  });

  it('does not any more when nobody answered for an election timeout, before its tick finds out', () => {
    const leader = new Leader();
    for (let at = ELECTED_AT; at < ELECTED_AT + electionMaxMs; at += 10) leader.tick(at);
    assert.equal(leader.raft.holdsQuorum(ELECTED_AT + electionMaxMs - 1), true);
    assert.equal(leader.raft.holdsQuorum(ELECTED_AT + electionMaxMs), false);
    assert.equal(leader.raft.role, 'LEADER');
  });

  it('does not after a pause, though answers from before it are read now', () => {
    const leader = new Leader();
    leader.tick(ELECTED_AT);
    const after = ELECTED_AT + electionMinMs + 1;
    leader.hears('n2', after);
    leader.hears('n3', after);
    assert.equal(leader.raft.role, 'LEADER');
    assert.equal(leader.raft.holdsQuorum(after), false);
  });

  it('always does alone', () => {
    const alone = { voters: ['n1'], outgoing: [], learners: [] };
    const leader = new Leader({ ...RAFT_CONFIG, membership: alone });
    assert.equal(leader.raft.role, 'LEADER');
    assert.equal(leader.raft.holdsQuorum(ELECTED_AT + 1_000_000), true);
  });

  it('is never a follower', () => {
    const leader = new Leader();
    leader.step({ type: 'stepDown', cause: 'DISK_STUCK' }, ELECTED_AT);
    assert.equal(leader.raft.holdsQuorum(ELECTED_AT), false);
  });
});
