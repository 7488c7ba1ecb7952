/**
 * The checker on histories that nobody wrote by hand: against the definition, against itself on changed histories, and on
 * planted anomalies. Everything is seeded.
 */
import assert from 'node:assert/strict';
import { Prng } from '../simulation/prng.ts';
import { TEST_MS } from '../support/patience.ts';
import { ANOMALIES, type Anomaly, plant } from './anomalies.ts';
import { linearizable } from './brute-force.ts';
import { check } from './check.ts';
import { explain } from './explain.ts';
import { type Command, compare, type Operation, type Seen } from './history.ts';
import { EMPTY, KEY_VALUE, type KeyState, run } from './model.ts';
import { losingAnswers, plan } from './random-histories.ts';
import { search } from './search.ts';

const SMALL_HISTORIES = 100_000;
const MOST_OPERATIONS = 7;
const PLANTED = 400;
const SHAPE = { keys: 3, clients: 8, operationsPerClient: 30 };

/** Few values and many ties, so that operations get into each other's way. */
function smallHistory(rng: Prng): Operation[] {
  const size = 2 + rng.int(MOST_OPERATIONS - 1);
  const spread = 3 + rng.int(20);
  const planned = Array.from({ length: size }, (_, at) => {
    const [from = 0, point = 0, to = 0] = [rng.int(spread), rng.int(spread), rng.int(spread)].sort(
      (a, b) => a - b,
    );
    return { client: `c${at}`, key: 'k', id: `o${at}`, command: smallCommand(rng), from, point, to };
  }).sort((a, b) => a.point - b.point);
  const wrong = rng.chance(0.8);
  let state: KeyState = EMPTY;
  return planned.map(({ client, key, id, command, from, to }) => {
    const lost = rng.chance(0.15);
    const step = run(state, command);
    if (!lost || rng.chance(0.5)) state = step.state;
    const seen = some(rng, wrong && rng.chance(0.4) ? falsified(rng, step.result) : step.result);
    const base = { client, key, id, command, call: BigInt(from) };
    if (lost) return { ...base, return: undefined, outcome: { kind: 'unknown' } };
    return { ...base, return: BigInt(to), outcome: { kind: 'ok', seen } };
  });
}

function smallCommand(rng: Prng): Command {
  const value = rng.pick(['1', 'a', 'b']);
  const deed = rng.int(10);
  if (deed < 4) return { type: 'get' };
  if (deed < 6) return { type: 'put', value };
  if (deed < 7) return { type: 'append', value };
  if (deed < 8) return { type: 'add', delta: 1 };
  if (deed < 9) return { type: 'cas', version: rng.int(3), value };
  return { type: 'delete' };
}

function falsified(rng: Prng, result: Required<Seen>): Required<Seen> {
  switch (rng.int(3)) {
    case 0:
      return { ...result, version: Math.max(0, result.version + rng.pick([-1, 1])) };
    case 1:
      return { ...result, value: rng.pick([null, '1', 'a', 'b', 'ab']) };
    default:
      return { ...result, existed: !result.existed };
  }
}

function some(rng: Prng, { version, value, existed, done }: Required<Seen>): Seen {
  return {
    ...(rng.chance(0.5) ? { version } : {}),
    ...(rng.chance(0.7) ? { value } : {}),
    ...(rng.chance(0.3) ? { existed } : {}),
    ...(rng.chance(0.3) ? { done } : {}),
  };
}

/** One client for each operation: what makes a client wait does not matter here. */
function named(operations: readonly Operation[], prefix: string, key = 'k'): Operation[] {
  return operations.map((one) => ({ ...one, key, client: `${prefix}${one.id}`, id: `${prefix}${one.id}` }));
}

function judge(operations: readonly Operation[]) {
  return search(operations, KEY_VALUE, 100_000).verdict;
}

describe('linearizability: histories made up', function () {
  this.timeout(TEST_MS);

  it(`agrees with the definition on ${SMALL_HISTORIES.toLocaleString('en')} small histories`, () => {
    const rng = new Prng(1, 0);
    let legal = 0;
    for (let count = 0; count < SMALL_HISTORIES; count++) {
      const operations = smallHistory(rng);
      const truth = linearizable(operations);
      if (truth) legal += 1;
      assert.equal(
        judge(operations),
        truth ? 'LEGAL' : 'ILLEGAL',
        JSON.stringify(operations, bigintAsNumber),
      );
    }
    const share = legal / SMALL_HISTORIES;
    assert.ok(share > 0.3 && share < 0.8, `${legal} were legal: too one-sided to show anything`);
  });

  it('finds nothing wrong with honest histories, whatever answers were lost', () => {
    for (const share of [0, 0.01, 0.05]) {
      const rng = new Prng(2, share * 100);
      for (let count = 0; count < 200; count++) {
        const judgement = check(losingAnswers(rng, plan(rng, SHAPE), share).history);
        assert.equal(judgement.verdict, 'LEGAL', explain(judgement));
      }
    }
  });

  it('never calls a legal history illegal when its intervals get wider', () => {
    const rng = new Prng(3, 0);
    let widened = 0;
    for (let count = 0; count < 5_000; count++) {
      const operations = smallHistory(rng);
      if (judge(operations) !== 'LEGAL') continue;
      const wider = operations.map((one) => ({
        ...one,
        call: one.call - BigInt(rng.int(4)),
        return: one.return === undefined ? undefined : one.return + BigInt(rng.int(4)),
      }));
      assert.equal(judge(wider), 'LEGAL');
      widened += 1;
    }
    assert.ok(widened > 1_000);
  });

  it('judges two keys together as it judges each alone', () => {
    const rng = new Prng(4, 0);
    const seen = new Set<string>();
    for (let count = 0; count < 5_000; count++) {
      const [a, b] = [named(smallHistory(rng), 'a', 'x'), named(smallHistory(rng), 'b', 'y')];
      const both = [...a, ...b].sort((one, other) => compare(one.call, other.call));
      if (!both.some(({ outcome }) => outcome.kind === 'ok')) continue;
      const alone = [judge(a), judge(b)];
      seen.add(alone.join(' '));
      assert.equal(check(both).verdict, alone.includes('ILLEGAL') ? 'ILLEGAL' : 'LEGAL');
    }
    assert.equal(seen.size, 4);
  });

  it('does not depend on the order in which operations are given', () => {
    const rng = new Prng(5, 0);
    for (let count = 0; count < 5_000; count++) {
      const operations = smallHistory(rng);
      const before = judge(operations);
      rng.shuffle(operations);
      assert.equal(judge(operations), before);
    }
  });

  for (const kind of ANOMALIES) {
    it(`finds a planted ${kind}: always when all answers are known, 90 of 100 when 1 % are lost`, () => {
      assert.equal(detected(kind, 0), PLANTED);
      const found = detected(kind, 0.01);
      assert.ok(found >= 0.9 * PLANTED, `only ${found} of ${PLANTED}`);
    });
  }
});

/** How many of PLANTED histories with this anomaly are found to be wrong. */
function detected(kind: Anomaly, lost: number): number {
  const rng = new Prng(6 + ANOMALIES.indexOf(kind), lost * 100);
  let found = 0;
  for (let count = 0; count < PLANTED; count++) {
    const planted = plant(rng, kind, plan(rng, SHAPE));
    assert.ok(planted !== undefined, `no place for a ${kind}`);
    const { history } = losingAnswers(rng, planted.planned, lost, planted.machine);
    const { verdict } = check(history);
    assert.notEqual(verdict, 'UNDECIDED');
    if (verdict === 'ILLEGAL') found += 1;
  }
  return found;
}

function bigintAsNumber(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}
