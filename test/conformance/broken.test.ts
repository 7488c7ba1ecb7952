/**
 * The suite finds what is wrong: a sound app passes everything, and each broken one fails exactly the checks that are there for
 * its mistake, with a reason that names it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { APP_CHECKS } from '../../sidecar/conformance/checks.ts';
import { Ahead } from '../support/ahead.ts';
import { TEST_MS } from '../support/patience.ts';
import { broken, found, judge, PYTHON } from './support.ts';

interface Sin {
  /** Every check that must fail, and what its reason must say. */
  readonly fails: Readonly<Record<string, RegExp>>;
  /** Judged by the whole suite; else by the checks that must fail and what they need. All are with OUTRIGGER_CONFORMANCE_FULL=1. */
  readonly whole?: true;
  /** It never does what is waited for. */
  readonly hangs?: true;
}

const whole = true;
const hangs = true;

const SINS: Readonly<Record<string, Sin>> = {
  SaysWhatItNeverHad: { fails: { hello: /appliedIndex 5, and it was never given more than 0/ } },
  SkipsAnIndex: { whole, fails: { applies: /the result of entry \d+, .* should say existed/ } },
  AppliesOutOfOrder: {
    fails: { applies: /the result of entry/, deterministic: /two copies have other results of entry/ },
  },
  AppliesTwice: { whole, fails: { redelivery: /the result of entry \d+, .* should say existed/ } },
  AcknowledgesEarly: {
    whole,
    fails: { acknowledges: /acknowledged \d+ before it had applied it/ },
  },
  AcknowledgesBeyond: {
    whole,
    fails: { acknowledges: /acknowledged through \d+, and only \d+ was delivered/ },
  },
  AcknowledgesRarely: { hangs, fails: { acknowledges: /there was no applied \{through 1\}/ } },
  IgnoresThrough: { hangs, fails: { gaps: /there was no applied \{through 1\}/ } },
  ForgetsItsState: { whole, fails: { killed: /the result of entry/ } },
  SaysAnOldHash: { fails: { position: /appliedIndex 60 with an appliedHash that is not/ } },
  SaysTooMuch: { fails: { position: /appliedIndex 61, and it was never given more than 60/ } },
  DiesWhenCut: { whole, fails: { 'comes-back': /the app ended with exit code 0/ } },
  ReconnectsOnce: { hangs, fails: { 'comes-back': /it did not come again with a hello/ } },
  UsesTheClock: { whole, fails: { deterministic: /two copies have other results of entry/ } },
  UsesItsName: { fails: { deterministic: /two copies have another stateHash as of entry/ } },
  ManglesBytes: { whole, fails: { bytes: /has the value "Ã©", and not "é"/ } },
  StripsWhitespace: { fails: { bytes: /has the value "", and not " "/ } },
  ReadsOnceForAFrame: { fails: { framing: /that is no frame/ } },
  BreaksOnStrings: { fails: { 'decimal-strings': /through is no number/ } },
  BreaksOnUnknownFields: { fails: { 'unknown-fields': /there is no such field/ } },
  BreaksOnNews: { fails: { 'other-frames': /nobody asked for roleChanged/ } },
  RoundsIndexes: { fails: { 'large-indexes': /its hello says appliedIndex \d+ / } },
  BreaksOnNonsense: { fails: { nonsense: /it closed its connection when nobody asked it to/ } },
  SmallCommands: { fails: { 'large-command': /should say existed false/ } },
  GivesUpWithoutASidecar: { fails: { 'sidecar-away': /there is no sidecar/ } },
  EndsAtGoodbye: { fails: { goodbye: /the app ended with exit code 0/ } },
  NeverGivesUp: { fails: { superseded: /was told goodbye SUPERSEDED, and said hello again/ } },
  Hammers: { fails: { refused: /it said hello \d+ times within/ } },
  LosesResults: { whole, fails: { results: /is acknowledged, and it has 0 results/ } },
  WrongAnswers: { fails: { proposes: /its client was told index/ } },
  AnswersLostWrites: { fails: { refusals: /was answered with 503 .* and not 504/ } },
  ReadsWithoutAsking: { fails: { reads: /before the sidecar had said readReady/ } },
  WrongHash: { fails: { snapshot: /says sha256 .* bytes have/ } },
  SnapshotOfBefore: { fails: { snapshot: /snapshotBegin is of 27, and takeSnapshot asked for 30/ } },
  IgnoresLaterSnapshots: { hangs, fails: { snapshot: /there was no snapshotBegin/ } },
  ShufflesSnapshots: { fails: { 'same-snapshots': /two copies have other snapshots as of entry/ } },
  LateFreeze: { fails: { 'snapshot-index': /the result of entry|its state is wrong/ } },
  RestoresNothing: { fails: { restore: /it lacks the key "large 0"/ } },
  MergesRestores: { fails: { 'restore-replaces': /it has the key "old", which it should not/ } },
  BelievesBytes: { whole, fails: { 'restore-corrupt': /it said restored/ } },
  DropsStateFirst: {
    fails: { 'restore-corrupt': /the result of entry/, 'restore-cut': /the result of entry/ },
  },
  AppliesHalfRestores: {
    fails: { 'restore-corrupt': /its hello says appliedIndex/, 'restore-cut': /its hello says appliedIndex/ },
  },
};

const FULL = process.env['OUTRIGGER_CONFORMANCE_FULL'] === '1';
/** What hangs is given up after so long. */
const HANGS_MS = 5_000;

describe('the conformance suite', function () {
  this.timeout(TEST_MS);

  it('passes a sound app, in everything', async () => {
    const report = await judge(PYTHON, [broken('sound.py')]);
    assert.deepEqual(found(report, 'failed'), {});
    assert.deepEqual(found(report, 'skipped'), {});
    assert.deepEqual(
      report.findings.map(({ id }) => id),
      APP_CHECKS.map(({ id }) => id),
    );
  });

  it('has every broken app in its table, and every check has one that fails it', () => {
    const classes = readFileSync(broken('broken.py'), 'utf8').matchAll(/^class (\w+)\(App\)/gm);
    assert.deepEqual([...classes].map((match) => match[1]).sort(), Object.keys(SINS).sort());
    const failed = new Set(Object.values(SINS).flatMap(({ fails }) => Object.keys(fails)));
    const never = APP_CHECKS.map(({ id }) => id).filter((id) => !failed.has(id));
    // What would fail only this one holds back at exactly its window; the others stay within it too.
    assert.deepEqual(never, ['window']);
  });

  const reports = new Ahead(
    Object.entries(SINS).map(([sin, { fails, whole: all, hangs: waits }]) => {
      const only = new Set(all || FULL ? [] : Object.keys(fails));
      const wait = waits ? { waitMs: HANGS_MS } : {};
      return [sin, () => judge(PYTHON, [broken('broken.py'), sin], { only, ...wait })];
    }),
  );
  after(() => reports.settled());

  for (const [sin, { fails }] of Object.entries(SINS)) {
    const ids = Object.keys(fails);
    it(`finds the app that ${sin}: ${ids.join(', ')}`, async () => {
      const failed = found(await reports.of(sin), 'failed');
      assert.deepEqual(Object.keys(failed).sort(), ids.sort(), JSON.stringify(failed, undefined, 2));
      for (const [id, reason] of Object.entries(fails)) assert.match(failed[id] ?? '', reason);
    });
  }
});
