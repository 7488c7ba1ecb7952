/** The suite finds what is wrong with clients: a sound one passes, and each broken one fails exactly the check for its mistake. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { CLIENT_CHECKS } from '../../sidecar/conformance/client/checks.ts';
import { Ahead } from '../support/ahead.ts';
import { TEST_MS } from '../support/patience.ts';
import { broken, found, judgeClientOf, PYTHON } from './support.ts';

interface Sin {
  /** The check that must fail, and what its reason must say. */
  readonly id: string;
  readonly reason: RegExp;
  /** Judged by the whole suite; else by the check that must fail and what it needs. All are with OUTRIGGER_CONFORMANCE_FULL=1. */
  readonly whole?: true;
  /** It never does what is waited for. */
  readonly hangs?: true;
}

const whole = true;

const SINS: Readonly<Record<string, Sin>> = {
  IsAStateMachine: { id: 'hello', reason: /its hello has a stateMachine/ },
  StripsLines: { whole, id: 'proposes', reason: /was proposed as "a b c"/ },
  SmallIndexes: { id: 'large-indexes', reason: /took effect at 4294967302 .* it printed 6 done/ },
  WantsNumbers: { id: 'decimal-strings', reason: /no propose came/, hangs: true },
  TakesAnyAnswer: { id: 'other-frames', reason: /the client ended with exit code 1/ },
  KnowsTheCodes: { id: 'indefinite', reason: /should have printed ! unknown, and it printed ! definite/ },
  TriesAgain: { whole, id: 'indefinite', reason: /should have printed ! unknown, and it sent propose again/ },
  TriesAgainWhenCut: { id: 'cut', reason: /should have printed ! unknown, and it sent propose again/ },
  CountsFromZero: { id: 'session', reason: /proposed in session 77 as number 0/ },
  RenumbersRetries: { whole, id: 'session-retry', reason: /as number 3, and not in 77 as 2/ },
  WastesNumbers: { id: 'session-number', reason: /as number 2, and not in 77 as 1/ },
  ReplacesSessions: { whole, id: 'session-lost', reason: /and it sent openSession again/ },
  StaysForEver: { id: 'moves-on', reason: /no propose came/, hangs: true },
  LikesEveryCluster: { whole, id: 'foreign', reason: /and it proposed "second" at n/ },
  ForgetsIndexes: { id: 'reads', reason: /was told 401 last, and it reads AT_LEAST 6/ },
};

const FULL = process.env['OUTRIGGER_CONFORMANCE_FULL'] === '1';
/** What hangs is given up after so long. */
const HANGS_MS = 5_000;

describe('the conformance suite of clients', function () {
  this.timeout(TEST_MS);

  for (const tcp of [false, true]) {
    it(`passes a sound client, in everything${tcp ? ', over TCP' : ''}`, async () => {
      const report = await judgeClientOf(PYTHON, [broken('clients.py'), 'Client'], { tcp });
      assert.deepEqual(found(report, 'failed'), {});
      assert.deepEqual(found(report, 'skipped'), {});
    });
  }

  it('has every broken client in its table', () => {
    const classes = readFileSync(broken('clients.py'), 'utf8').matchAll(/^class (\w+)\(Client\)/gm);
    assert.deepEqual([...classes].map((match) => match[1]).sort(), Object.keys(SINS).sort());
    const failed = new Set(Object.values(SINS).map(({ id }) => id));
    const never = CLIENT_CHECKS.map(({ id }) => id).filter((id) => !failed.has(id));
    // Reading bytes is shown to fail with apps; a refusal that is handed over wrongly fails `indefinite` as well.
    assert.deepEqual(never, ['framing', 'unknown-fields', 'definite']);
  });

  const reports = new Ahead(
    Object.entries(SINS).map(([sin, { id, whole: all, hangs }]) => {
      const only = new Set(all || FULL ? [] : [id]);
      const wait = hangs ? { waitMs: HANGS_MS } : {};
      return [sin, () => judgeClientOf(PYTHON, [broken('clients.py'), sin], { only, ...wait })];
    }),
  );
  after(() => reports.settled());

  for (const [sin, { id, reason }] of Object.entries(SINS)) {
    it(`finds the client that ${sin}: ${id}`, async () => {
      const failed = found(await reports.of(sin), 'failed');
      assert.deepEqual(Object.keys(failed), [id], JSON.stringify(failed, undefined, 2));
      assert.match(failed[id] ?? '', reason);
    });
  }
});
