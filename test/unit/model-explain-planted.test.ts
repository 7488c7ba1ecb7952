/** Whatever else explains it: that somebody planted faults is said, where something is wrong. */
import assert from 'node:assert/strict';
import { explain } from '../../shared/explain/explain.ts';
import type { Evidence } from '../../shared/explain/types.ts';
import type { FaultStatus } from '../../shared/faults.ts';
import { followsSix, leaderTwo, ledFive, oldLeader, stepsDown, timedOut, wonSix } from './model-stories.ts';
import { answers, evidenceOf, NOW, statusOf, type Told } from './model-support.ts';

const isolated: FaultStatus = {
  ...{ id: 'f1', kind: 'ISOLATE', peer: '', direction: 'BOTH', delayMs: 0, jitterMs: 0, share: 0 },
  ...{ ttlMs: 30_000, since: NOW - 5_000, until: NOW + 25_000, messages: 12 },
};
const over = (at: number): Told => [
  'FAULT_ENDED',
  'EXPIRED',
  { at, state: 'ISOLATE', reason: 'f1: it loses all messages to and from all peers', ms: 3_000 },
];
const winner = answers('n2', leaderTwo, [timedOut, ...wonSix]);

describe('explain: planted faults', () => {
  it('come first, and are what to end, while they are there', () => {
    const status = statusOf('n1', { term: 6, leader: 'n2', faults: [isolated] });
    const node = { ...oldLeader(stepsDown('QUORUM_LOST')), status };
    const { answer, evidence, next, cause } = explain({ about: 'leader', id: '' }, evidenceOf(node, winner));
    assert.notEqual(cause, 'UNKNOWN');
    assert.match(answer, / Faults are planted in n1, and may be why\.$/);
    assert.equal(evidence[0]?.text, 'n1 loses all messages to and from all peers: fault f1, planted there');
    assert.match(next, /^End the planted faults \(outrigger fault end\), and look again\./);
  });

  it('are told of for a minute after they are over, by the clock of their node', () => {
    const ask = (at: number) => explain({ about: 'leader', id: '' }, ended(at));
    const recent = ask(NOW - 59_000);
    assert.match(recent.answer, / Faults were planted in n1 until a moment ago, and may be why\.$/);
    assert.match(recent.evidence[0]?.text ?? '', /^n1: a planted fault is over, as was its time: f1/);
    assert.doesNotMatch(ask(NOW - 61_000).answer, /planted/);
  });

  it('are no news where nothing is wrong', () => {
    const evidence = evidenceOf(
      answers('n1', statusOf('n1', { role: 'LEADER', faults: [isolated] }), ledFive),
      answers('n2', statusOf('n2')),
      answers('n3', statusOf('n3')),
    );
    const { cause, answer } = explain({ about: 'lag', id: 'n2' }, evidence);
    assert.equal(cause, 'NOT_BEHIND');
    assert.doesNotMatch(answer, /planted/);
  });

  function ended(at: number): Evidence {
    return evidenceOf(oldLeader(stepsDown('QUORUM_LOST'), over(at), followsSix), winner);
  }
});
