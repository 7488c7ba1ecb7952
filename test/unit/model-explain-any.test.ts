/** Whatever nodes tell, the rules answer: without throwing, the same each time, and with evidence that exists. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { APP_CONDITIONS, APP_STATES } from '../../shared/app-conditions.ts';
import { CAUSES } from '../../shared/causes.ts';
import { LINK_STATES } from '../../shared/cluster-view.ts';
import { EVENT_CAUSES, EVENT_KINDS, type NodeEvent } from '../../shared/events.ts';
import { explain } from '../../shared/explain/explain.ts';
import { type Evidence, EXPLAIN_CAUSES, type NodeEvidence, QUESTIONS } from '../../shared/explain/types.ts';
import { safeLine } from '../../shared/safe-text.ts';
import { IDS, NOW, progressOf, statusOf } from './model-support.ts';

const id = fc.constantFrom('n1', 'n2', 'n3', 'n9', '');
const role = fc.constantFrom('LEADER', 'FOLLOWER', 'CANDIDATE', 'LEARNER');
const number = fc.oneof(fc.nat(120), fc.constantFrom(-1, 0, Number.MAX_SAFE_INTEGER));

const event = fc.record(
  {
    node: fc.constantFrom('n1', 'n2', 'n3'),
    generation: fc.constantFrom('a', 'b'),
    seq: fc.nat(30),
    at: fc.integer({ min: NOW - 10_000, max: NOW + 10_000 }),
    // Mostly the kinds that the rules look at.
    kind: fc.oneof(
      fc.constantFrom('ROLE', 'PEER_DOWN', 'STARTED', 'LOOP_SLOW'),
      fc.constantFrom(...EVENT_KINDS),
    ),
    term: fc.nat(8),
    cause: fc.constantFrom(...CAUSES, ...EVENT_CAUSES),
    peer: id,
    role,
    was: role,
    leader: id,
    granted: fc.boolean(),
    preVote: fc.boolean(),
    index: number,
    through: number,
    oldTerm: number,
    entries: number,
    ms: fc.nat(5_000),
    state: fc.string(),
    reason: fc.string(),
  },
  { requiredKeys: ['node', 'generation', 'seq', 'at', 'kind', 'term', 'cause'], noNullPrototype: true },
);

const status = fc
  .record({
    role,
    term: fc.nat(8),
    leader: fc.constantFrom(null, 'n1', 'n2', 'n9'),
    leaderContactMs: fc.constantFrom(null, 10, 5_000),
    commitIndex: fc.nat(120),
    firstIndex: fc.nat(60),
    store: fc.record({
      oldestWriteMs: fc.nat(400),
      whole: fc.boolean(),
      state: fc.constantFrom('OK', 'NO_SPACE'),
    }),
    app: fc.record(
      {
        state: fc.constantFrom(...APP_STATES),
        condition: fc.constantFrom(...APP_CONDITIONS, 'OF_A_NEWER_SIDECAR'),
        reason: fc.string(),
        entry: fc.option(fc.nat(120)),
        incidents: fc.array(
          fc.record({
            condition: fc.constantFrom(...APP_CONDITIONS, 'OF_A_NEWER_SIDECAR'),
            count: fc.nat(9),
            at: fc.integer(),
            reason: fc.string(),
            entry: fc.option(fc.nat(120)),
          }),
          { maxLength: 4 },
        ),
      },
      { requiredKeys: ['state', 'reason'] },
    ),
    applyLag: fc.record({ entries: fc.nat(9), ms: fc.nat(900) }),
    progress: fc.array(
      fc.record({
        id: fc.constantFrom(...IDS),
        lagEntries: fc.nat(9),
        lagMs: fc.nat(2_000),
        matchIndex: fc.nat(120),
        lastContactMs: fc.constantFrom(null, 10, 5_000),
        behind: fc.constantFrom(
          'NONE',
          'NO_CONTACT',
          'PROBING',
          'SNAPSHOT',
          'FETCHING',
          'WINDOW_FULL',
          'CATCHING_UP',
        ),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ progress, ...over }) => ({
    ...over,
    progress: progress.map(({ id: who, ...rest }) => progressOf(who, rest)),
  }));

const nodes = fc.uniqueArray(
  fc
    .record({
      node: fc.constantFrom('n1', 'n2', 'n3'),
      reachable: fc.boolean(),
      reason: fc.constantFrom('', 'nothing listens there', 'its connection stands', '\u001b[2J\n\u202e'),
      link: fc.option(fc.constantFrom(...LINK_STATES), { nil: undefined }),
      status: fc.option(status, { nil: undefined }),
      events: fc.array(event, { maxLength: 25 }),
      runs: fc.option(
        fc.array(fc.record({ term: fc.nat(8), first: fc.nat(99), last: fc.nat(120) }), { maxLength: 3 }),
        { nil: undefined },
      ),
      stages: fc.option(
        fc.record({ proposed: fc.nat(99), durable: fc.nat(99), applied: fc.nat(99) }, { requiredKeys: [] }),
        { nil: undefined },
      ),
    })
    .map(
      ({ node, reachable, reason, link, status: over, events, runs, stages }): NodeEvidence => ({
        node,
        reachable,
        reason,
        events: events as NodeEvent[],
        ...(link === undefined ? {} : { link }),
        ...(over === undefined ? {} : { status: statusOf(node, over) }),
        ...(runs === undefined
          ? {}
          : { terms: { runs, snapshotIndex: 3, snapshotTerm: 1, commitIndex: 9, appliedIndex: 9 } }),
        ...(stages === undefined
          ? {}
          : {
              entry: {
                index: 50,
                term: 3,
                kind: 'COMMAND',
                time: 0,
                session: null,
                sequence: null,
                size: 0,
                hash: '',
                command: '',
                stages,
              },
            }),
      }),
    ),
  { maxLength: 3, selector: ({ node }) => node },
);

const question = fc.record({
  about: fc.constantFrom(...QUESTIONS),
  id: fc.constantFrom('', 'n1', 'n2', 'n9', '2', '50', '-1', 'x'),
});

describe('explain: whatever comes', () => {
  it('answers, the same each time, with evidence of the nodes that were given', () => {
    const causes = new Set<string>();
    fc.assert(
      fc.property(nodes, question, (given, asked) => {
        const evidence: Evidence = { cluster: 'orders', now: NOW, nodes: given };
        const before = JSON.stringify(evidence);
        const answer = explain(asked, evidence);
        assert.deepEqual(answer, explain(asked, evidence));
        assert.equal(JSON.stringify(evidence), before, 'evidence is not changed');
        causes.add(answer.cause);
        assert.ok((EXPLAIN_CAUSES as readonly string[]).includes(answer.cause));
        assert.equal(answer.cause === 'UNKNOWN', answer.certainty === 'UNKNOWN');
        if (answer.cause !== 'UNKNOWN')
          assert.ok(answer.evidence.length > 0, `${answer.cause} without evidence`);
        for (const item of answer.evidence) {
          const owner = given.find(({ node }) => node === item.node);
          assert.ok(owner, `${item.node} was not given`);
          if (item.seq === undefined) continue;
          assert.ok(
            owner.events.some(({ seq, generation }) => seq === item.seq && generation === item.generation),
          );
        }
        const texts = [answer.answer, answer.next, ...answer.evidence.map(({ text }) => text)];
        for (const text of texts) {
          assert.doesNotMatch(text, /undefined|NaN|Infinity/);
          assert.equal(text, safeLine(text, 10_000));
        }
        for (const { fromMs, toMs } of answer.stages ?? []) assert.ok(0 <= fromMs && fromMs <= toMs);
      }),
      { numRuns: 3_000 },
    );
    assert.ok(causes.size > 20, `only ${causes.size} causes were seen`);
  });
});
