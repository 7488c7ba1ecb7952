/** Each kind of event has a line of its own; what peers wrote in it stays harmless. */
import assert from 'node:assert/strict';
import { CAUSES } from '../../shared/causes.ts';
import { describeEvent } from '../../shared/describe-event.ts';
import { EVENT_CAUSES, EVENT_KINDS, type RaftEvent } from '../../shared/events.ts';

const full: Omit<RaftEvent, 'kind' | 'cause'> = {
  seq: 1,
  at: 0,
  term: 7,
  peer: 'n2',
  role: 'FOLLOWER',
  was: 'FOLLOWER',
  leader: 'n2',
  granted: true,
  preVote: false,
  index: 812,
  through: 815,
  oldTerm: 6,
  entries: 3,
  ms: 1_234,
  state: 'STALLED',
  reason: 'why not',
};

describe('describe event', () => {
  it('has a line of its own for each kind', () => {
    const lines = EVENT_KINDS.map((kind) => describeEvent({ ...full, kind, cause: 'STARTED' }));
    assert.equal(new Set(lines).size, EVENT_KINDS.length);
    for (const line of lines) assert.doesNotMatch(line, /\n|undefined|NaN/);
  });

  it('says the numbers and the cause', () => {
    const line = (event: Partial<RaftEvent>): string =>
      describeEvent({ ...full, kind: 'ROLE', cause: 'VOTE_WON', ...event });
    assert.equal(line({ role: 'LEADER' }), 'leads term 7: a quorum voted for it');
    assert.equal(
      line({ role: 'CANDIDATE', cause: 'ELECTION_TIMEOUT' }),
      'campaigns in term 7: no leader was heard for an election timeout, silent for 1.2 s',
    );
    assert.equal(
      line({ was: 'LEADER', cause: 'QUORUM_LOST' }),
      'leads no more, term 7: it heard from no quorum for an election timeout',
    );
    assert.equal(
      line({ kind: 'VOTE_RECEIVED', granted: false, preVote: true, cause: 'LOG_BEHIND' }),
      "n2 refuses it its pre-vote for term 7: the candidate's log is behind",
    );
    assert.equal(
      line({ kind: 'TRUNCATED' }),
      'dropped entries 812 to 815 of term 6, since the leader n2 has others',
    );
    assert.equal(line({ kind: 'APP' }), 'its app is STALLED, applied up to 812: why not');
    assert.equal(line({ kind: 'APP', condition: 'FAILED' }), 'its app is FAILED, applied up to 812: why not');
    assert.match(line({ kind: 'APP', condition: 'SUPERSEDED' }), /^its app was SUPERSEDED/);
    assert.equal(
      line({ kind: 'DISK_SLOW', cause: 'WAITING' }),
      'a write of the log has been waiting for the disk for 1.2 s',
    );
    assert.match(line({ kind: 'LOOP_SLOW', cause: 'PAUSED' }), /did not run for 1\.2 s and used no CPU/);
  });

  it('has words for each cause of a role or a vote', () => {
    for (const cause of [...CAUSES, ...EVENT_CAUSES]) {
      assert.doesNotMatch(describeEvent({ ...full, kind: 'ROLE', cause }), /undefined/);
    }
    for (const cause of CAUSES) assert.ok(!describeEvent({ ...full, kind: 'ROLE', cause }).includes(cause));
  });

  it('shows text of peers harmlessly and needs no field', () => {
    const hostile = describeEvent({
      ...full,
      kind: 'PEER_DOWN',
      cause: 'LOST',
      peer: 'n\u202e2',
      reason: '\u001b[31m\nx',
    });
    assert.equal(hostile, 'its link to n\\u{202e}2 is down: \\u{1b}[31m\\nx');
    for (const kind of EVENT_KINDS) {
      assert.doesNotMatch(describeEvent({ seq: 1, at: 0, term: 1, kind, cause: 'LOST' }), /undefined|NaN/);
    }
  });

  it('has a line for a kind of a newer sidecar', () => {
    const event: RaftEvent = JSON.parse(
      '{"seq":1,"at":0,"term":1,"kind":"NEWER\\n","cause":"NEW","reason":"r"}',
    );
    assert.equal(describeEvent(event), 'NEWER\\n: r');
    const odd: RaftEvent = JSON.parse('{"seq":1,"at":0,"term":1,"kind":"constructor","cause":"toString"}');
    assert.equal(describeEvent(odd), 'constructor');
  });
});
