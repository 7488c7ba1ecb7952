/** What became of an entry? Hand-made evidence for each cause. n1 leads term 5; the question is about entry 90. */
import assert from 'node:assert/strict';
import { explain } from '../../shared/explain/explain.ts';
import type { Evidence, ExplainCause, Explanation, NodeEvidence } from '../../shared/explain/types.ts';
import type { LogEntryView, StageTimes, TermsView } from '../../shared/inspect.ts';
import { answers, evidenceOf, progressOf, statusOf, type Told } from './model-support.ts';

type Over = Parameters<typeof statusOf>[1];

function terms(over: Partial<TermsView> = {}): TermsView {
  return {
    runs: [{ term: 5, first: 1, last: 100 }],
    snapshotIndex: 0,
    snapshotTerm: 0,
    commitIndex: 80,
    appliedIndex: 80,
    ...over,
  };
}

function entryAt(index: number, stages?: StageTimes): LogEntryView {
  const common = {
    index,
    term: 5,
    kind: 'COMMAND',
    time: 0,
    session: null,
    sequence: null,
    size: 3,
    hash: '',
    command: '',
  };
  return stages === undefined ? common : { ...common, stages };
}

function node(
  id: string,
  over: Over = {},
  more: Partial<NodeEvidence> = {},
  told: readonly Told[] = [],
): NodeEvidence {
  const status = statusOf(id, {
    commitIndex: 80,
    appliedIndex: 80,
    role: id === 'n1' ? 'LEADER' : 'FOLLOWER',
    ...over,
  });
  return { ...answers(id, status, told), terms: terms(), ...more };
}

const behind = (id: string) =>
  progressOf(id, { matchIndex: 80, lagEntries: 20, lagMs: 900, lastContactMs: 900, behind: 'NO_CONTACT' });

function ask(evidence: Evidence, id = '90'): Explanation {
  return explain({ about: 'entry', id }, evidence);
}

function words(answer: Explanation): string {
  return answer.evidence.map(({ text }) => text).join('\n');
}

interface Case {
  readonly name: string;
  readonly evidence: Evidence;
  readonly cause: ExplainCause;
  readonly says: RegExp;
  readonly because: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'committed',
    evidence: evidenceOf(node('n1', { commitIndex: 95 }), node('n2')),
    cause: 'COMMITTED',
    says: /Entry 90 of term 5 is committed: n1 knows it/,
    because: /n1 knows everything up to 95 as committed/,
  },
  {
    name: 'waiting for a quorum, and why',
    evidence: evidenceOf(node('n1', { progress: [behind('n2'), behind('n3')] })),
    cause: 'WAITING_FOR_QUORUM',
    says: /on 1 of 3 voters and needs 2; n2 and n3 have it not\. n2 does not answer the leader/,
    because: /the leader n1 knows that n2 has it up to 80/,
  },
  {
    name: 'waiting for the disk of the leader',
    evidence: evidenceOf(
      node('n1', {
        durableIndex: 80,
        store: { oldestWriteMs: 700 },
        progress: [progressOf('n2'), behind('n3')],
      }),
    ),
    cause: 'WAITING_FOR_DISK',
    says: /1 of 3 voters have it on their disks, 2 are needed, and the leader's own disk has only got to 80 \(a write has been waiting for 700 ms\)/,
    because: /the leader n1 has its own log on its disk up to 80/,
  },
  {
    name: 'of an older term',
    evidence: evidenceOf(node('n1', { term: 7 })),
    cause: 'OLDER_TERM',
    says: /§5\.4\.2/,
    because: /the entry is of term 5, and n1 leads term 7/,
  },
  {
    name: 'overwritten',
    evidence: evidenceOf(
      node('n1', { commitIndex: 95 }, { terms: terms({ runs: [{ term: 5, first: 1, last: 100 }] }) }),
      node('n2', {}, {}, [['TRUNCATED', 'CONFLICT', { index: 85, through: 92, oldTerm: 4, peer: 'n1' }]]),
    ),
    cause: 'OVERWRITTEN',
    says: /Entry 90 of term 4 was dropped by n2: .*An entry of term 5 stands there now, and is committed/,
    because: /n2: dropped entries 85 to 92 of term 4/,
  },
  {
    name: 'going to be overwritten',
    evidence: evidenceOf(
      node(
        'n1',
        { term: 6 },
        {
          terms: terms({
            runs: [
              { term: 4, first: 1, last: 85 },
              { term: 6, first: 86, last: 99 },
            ],
          }),
        },
      ),
      node(
        'n2',
        {},
        {
          terms: terms({
            runs: [
              { term: 4, first: 1, last: 85 },
              { term: 5, first: 86, last: 99 },
            ],
          }),
        },
      ),
    ),
    cause: 'OVERWRITTEN',
    says: /term 5 is only on n2 .* has one of term 6 there/,
    because: /n2 has an entry of term 5 at 90/,
  },
  {
    name: 'compacted',
    evidence: evidenceOf(
      node(
        'n1',
        { commitIndex: 300 },
        { terms: terms({ runs: [{ term: 5, first: 201, last: 300 }], snapshotIndex: 200, snapshotTerm: 5 }) },
      ),
    ),
    cause: 'COMPACTED',
    says: /part of the snapshot of n1/,
    because: /the log of n1 is compacted up to 200/,
  },
  {
    name: 'in no log',
    evidence: evidenceOf(
      node(
        'n1',
        { commitIndex: 40 },
        { terms: terms({ runs: [{ term: 5, first: 1, last: 40 }], commitIndex: 40 }) },
      ),
      node('n2', { commitIndex: 0 }, { terms: terms({ runs: [], commitIndex: 0 }) }),
    ),
    cause: 'NOT_IN_LOG',
    says: /No log that is known reaches entry 90/,
    because: /the log of n1 ends at 40/,
  },
  {
    name: 'in the log of a follower, as it alone can tell',
    evidence: evidenceOf(node('n2')),
    cause: 'WAITING_FOR_QUORUM',
    says: /nobody that answers knows it as committed/,
    because: /n2 has an entry of term 5 at 90/,
  },
];
describe('explain: what became of an entry', () => {
  for (const { name, evidence, cause, says, because } of cases) {
    it(name, () => {
      const answer = ask(evidence);
      assert.equal(answer.cause, cause, answer.answer);
      assert.match(answer.answer, says);
      assert.match(words(answer), because);
    });
  }

  it('does not take an entry of the running term for one that will be dropped', () => {
    const early = terms({ runs: [{ term: 5, first: 1, last: 85 }] });
    assert.equal(ask(evidenceOf(node('n1', {}, { terms: early }), node('n2'))).cause, 'WAITING_FOR_QUORUM');
  });

  it('counts learners for nothing', () => {
    const membership = { voters: ['n1', 'n2'], outgoing: [], learners: ['n3'] };
    const evidence = evidenceOf(node('n1', { membership, progress: [behind('n2'), progressOf('n3')] }));
    assert.match(ask(evidence).answer, /on 1 of 2 voters and needs 2; n2 has it not/);
  });

  it('needs both majorities of a joint configuration', () => {
    const membership = { voters: ['n1', 'n2', 'n3'], outgoing: ['n1', 'n4', 'n5'], learners: [] };
    const progress = [progressOf('n2'), progressOf('n3'), behind('n4'), behind('n5')];
    assert.match(
      ask(evidenceOf(node('n1', { membership, progress }))).answer,
      /needs majorities of the old and of the new voters; n4 and n5 have it not/,
    );
  });

  it('shows where its time went, by the clock of each node', () => {
    const evidence = evidenceOf(
      node(
        'n1',
        { commitIndex: 95 },
        {
          entry: entryAt(90, {
            proposed: 1_000,
            appended: 1_001,
            durable: 1_005,
            committed: 1_045,
            delivered: 1_046,
            applied: 1_048,
          }),
        },
      ),
      node('n2', {}, { entry: entryAt(90, { appended: 9_000, durable: 9_080, committed: 9_050 }) }),
    );
    const answer = ask(evidence);
    assert.deepEqual(answer.stages, [
      { node: 'n2', name: 'committed', fromMs: 0, toMs: 50 },
      { node: 'n2', name: 'durable', fromMs: 50, toMs: 80 },
      { node: 'n1', name: 'appended', fromMs: 0, toMs: 1 },
      { node: 'n1', name: 'durable', fromMs: 1, toMs: 5 },
      { node: 'n1', name: 'committed', fromMs: 5, toMs: 45 },
      { node: 'n1', name: 'delivered', fromMs: 45, toMs: 46 },
      { node: 'n1', name: 'applied', fromMs: 46, toMs: 48 },
    ]);
    assert.match(answer.answer, /of 80 ms on n2, 50 ms were spent waiting to be committed/);
  });

  it('says that an app has not applied what is committed', () => {
    const answer = ask(
      evidenceOf(node('n1', { commitIndex: 95, appliedIndex: 60, app: { state: 'STALLED' } })),
    );
    assert.match(words(answer), /the app of n1 \(STALLED\) has applied only up to 60/);
  });

  it('refuses what is no index, in one sentence', () => {
    for (const id of ['', 'x', '-1', '0', '1.5', '99999999999999999999']) {
      assert.equal(ask(evidenceOf(node('n1')), id).cause, 'UNKNOWN');
    }
  });
});
