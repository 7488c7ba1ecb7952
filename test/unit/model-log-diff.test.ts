/** The log diff from term runs, against a plain comparison of every index. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { TermsView } from '../../shared/inspect.ts';
import { diffLogs, type LogDiff } from '../../shared/log-diff.ts';
import { TermRuns } from '../../shared/term-runs.ts';

/** A log as the terms of its entries (index 1 first), of which the first `compacted` are gone. */
interface PlainLog {
  readonly terms: readonly number[];
  readonly compacted: number;
}

function viewOf({ terms, compacted }: PlainLog): TermsView {
  const snapshotTerm = compacted === 0 ? 0 : (terms[compacted - 1] ?? 0);
  const runs = new TermRuns([], compacted, snapshotTerm);
  for (let index = compacted + 1; index <= terms.length; index++) {
    runs.append(terms[index - 1] ?? 0, index, index);
  }
  return {
    runs: runs.list(),
    snapshotIndex: compacted,
    snapshotTerm,
    commitIndex: compacted,
    appliedIndex: compacted,
  };
}

/** The term at `index`, where it is known: at every entry kept, at the boundary, and 0 before the first entry. */
function knownTerm(log: PlainLog, index: number): number | undefined {
  if (index < log.compacted || index > log.terms.length) return undefined;
  return index === 0 ? 0 : log.terms[index - 1];
}

function naive(a: PlainLog, b: PlainLog): Omit<LogDiff, 'left' | 'right'> {
  const end = Math.max(a.terms.length, b.terms.length);
  let agreeThrough = 0;
  let shared = false;
  for (let index = 0; index <= end; index++) {
    const left = knownTerm(a, index);
    const right = knownTerm(b, index);
    if (left === undefined || right === undefined) continue;
    shared = true;
    if (left !== right) return { relation: 'CONFLICT', agreeThrough, firstDifference: index };
    agreeThrough = index;
  }
  if (!shared) return { relation: 'UNKNOWN', agreeThrough: 0, firstDifference: null };
  if (a.terms.length === b.terms.length) return { relation: 'EQUAL', agreeThrough, firstDifference: null };
  return { relation: 'PREFIX', agreeThrough, firstDifference: agreeThrough + 1 };
}

function expand(runs: TermsView['runs']): [number, number][] {
  return runs.flatMap(({ term, first, last }) =>
    Array.from({ length: last - first + 1 }, (_, i): [number, number] => [first + i, term]),
  );
}

function tailOf({ terms, compacted }: PlainLog, from: number): [number, number][] {
  return terms.map((term, i): [number, number] => [i + 1, term]).filter(([i]) => i >= from && i > compacted);
}

function check(a: PlainLog, b: PlainLog): LogDiff {
  const diff = diffLogs(viewOf(a), viewOf(b));
  const { left, right, ...rest } = diff;
  assert.deepEqual(rest, naive(a, b));
  const from = diff.firstDifference ?? Number.POSITIVE_INFINITY;
  assert.deepEqual(expand(left), tailOf(a, from));
  assert.deepEqual(expand(right), tailOf(b, from));
  return diff;
}

const growingTerms = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 6 })), { maxLength: 8 })
  .map((steps) => {
    let term = 1;
    return steps.flatMap(([rise, length]) => {
      term += rise;
      return Array.from({ length }, () => term);
    });
  });

const plainLog = growingTerms.chain((terms) =>
  fc.nat(terms.length).map((compacted): PlainLog => ({ terms, compacted })),
);

/**
 * Logs as Raft makes them: in each term one node leads, appends, and copies a prefix of its log onto some others, whose tails it
 * replaces from the first conflict on. Commit is ignored, so that tails conflict as often as possible.
 */
const raftLogs = fc
  .array(
    fc.record({
      leader: fc.nat(2),
      appends: fc.nat(4),
      copies: fc.array(fc.record({ to: fc.nat(2), share: fc.nat(100) }), { maxLength: 3 }),
    }),
    { maxLength: 12 },
  )
  .map((terms) => {
    const logs: number[][] = [[], [], []];
    for (const [i, { leader, appends, copies }] of terms.entries()) {
      const own = logs[leader] ?? [];
      for (let n = 0; n < appends; n++) own.push(i + 1);
      for (const { to, share } of copies) if (to !== leader) replicate(own, logs[to] ?? [], share);
    }
    return logs;
  });

function replicate(from: readonly number[], to: number[], share: number): void {
  const through = Math.floor((from.length * share) / 100);
  const conflict = to.findIndex((term, i) => i < through && from[i] !== term);
  if (conflict >= 0) to.length = conflict;
  for (let i = to.length; i < through; i++) to.push(from[i] ?? 0);
}

describe('log diff', () => {
  it('agrees with a comparison of every index, for any two logs, compacted or not', () => {
    fc.assert(
      fc.property(plainLog, plainLog, (a, b) => void check(a, b)),
      { numRuns: 500 },
    );
  });

  it('agrees with it for logs as Raft makes them, and for logs that share a prefix', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(raftLogs, fc.nat(1_000), fc.nat(1_000), (logs, cutA, cutB) => {
        for (const a of logs) {
          for (const b of logs) {
            const left = { terms: a, compacted: cutA % (a.length + 1) };
            const right = { terms: b, compacted: cutB % (b.length + 1) };
            seen.add(check(left, right).relation);
            seen.add(check({ terms: a, compacted: 0 }, { terms: b, compacted: 0 }).relation);
          }
        }
      }),
      { numRuns: 200 },
    );
    assert.deepEqual([...seen].sort(), ['CONFLICT', 'EQUAL', 'PREFIX', 'UNKNOWN']);
  });

  it('says the same from either side', () => {
    fc.assert(
      fc.property(plainLog, plainLog, (a, b) => {
        const one = diffLogs(viewOf(a), viewOf(b));
        const other = diffLogs(viewOf(b), viewOf(a));
        assert.deepEqual(one, { ...other, left: other.right, right: other.left });
      }),
    );
  });

  it('claims nothing where one log is compacted away', () => {
    const whole = { terms: [1, 1, 1], compacted: 0 };
    assert.equal(check(whole, { terms: [1, 1, 1, 1, 2], compacted: 5 }).relation, 'UNKNOWN');
    assert.equal(check({ terms: [], compacted: 0 }, { terms: [1], compacted: 1 }).relation, 'UNKNOWN');
  });

  it('compares at the boundary of a snapshot, whose term is known', () => {
    const snapshot = { terms: [1, 1, 2, 2, 3], compacted: 4 };
    assert.equal(check(snapshot, { terms: [1, 1, 2, 2], compacted: 0 }).relation, 'PREFIX');
    assert.deepEqual(check(snapshot, { terms: [1, 1, 1, 1, 1], compacted: 0 }), {
      relation: 'CONFLICT',
      agreeThrough: 0,
      firstDifference: 4,
      left: [{ term: 3, first: 5, last: 5 }],
      right: [{ term: 1, first: 4, last: 5 }],
    });
  });

  it('costs the number of runs, not of entries', () => {
    const long = (last: number): TermsView => ({
      runs: Array.from({ length: 200 }, (_, i) => ({
        term: i + 1 + (i === 199 && last > 1e15 ? 1 : 0),
        first: i * 1e12 + 1,
        last: (i + 1) * 1e12,
      })),
      snapshotIndex: 0,
      snapshotTerm: 0,
      commitIndex: 0,
      appliedIndex: 0,
    });
    assert.equal(diffLogs(long(0), long(2e15)).firstDifference, 199e12 + 1);
  });
});
