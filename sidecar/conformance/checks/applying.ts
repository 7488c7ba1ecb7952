/** Checks of how an app applies what it is given, and what it says of it. */
import type { AppBench } from '../bench.ts';
import { type Check, Failed } from '../contract.ts';
import {
  judgeKvResults,
  judgeKvState,
  judgeOutcome,
  kvDifference,
  kvDump,
  kvStateAt,
  sameOutcome,
  sameSnapshots,
} from '../outcome.ts';
import type { Instance } from '../play/instance.ts';
import { pause } from '../play/watch.ts';
import { nonsense } from '../workload.ts';

const FEW = 8;
const MANY = 64;
/** A copy that acknowledged too early gets so long to show that it did. */
const LATE_MS = 1_000;
/** Larger windows are not filled: that would only take time. */
const WINDOW_FILLED = 4096;

export const acknowledges: Check<AppBench> = {
  id: 'acknowledges',
  proves:
    'Everything delivered is acknowledged, alone and in batches, and nothing before it was applied or delivered.',
  needs: ['hello'],
  run: async (bench) => {
    const app = await bench.joined();
    for (let at = 0; at < FEW; at += 1) {
      await app.delivers(bench.grow(app.log, 1));
      await notEarly(bench, app);
    }
    await app.delivers(bench.grow(app.log, MANY));
    await notEarly(bench, app);
    await app.delivers(bench.grow(app.log, MANY), 4);
    await notEarly(bench, app);
  },
};

/** What it shows right after an acknowledgement is what it shows later. */
async function notEarly(bench: AppBench, app: Instance): Promise<void> {
  if (!bench.kv || !bench.facts.http) return;
  const through = app.ledger?.acknowledged ?? 0;
  const should = kvStateAt(app, through);
  const difference = kvDifference((await kvDump(bench, app)).state, should);
  if (difference === undefined) return;
  const end = performance.now() + LATE_MS;
  while (performance.now() < end) {
    await pause(LATE_MS / 20);
    // What stays wrong is another check's matter.
    if (kvDifference((await kvDump(bench, app)).state, should) !== undefined) continue;
    throw new Failed(
      `it acknowledged ${through} before it had applied it: ${difference}, and a moment later it was right`,
    );
  }
}

export const results: Check<AppBench> = {
  id: 'results',
  proves:
    'Every command is answered with one result, under its own index, together with its acknowledgement or before.',
  needs: ['acknowledges'],
  run: async (bench) => {
    const app = await bench.joined();
    await app.delivers(bench.grow(app.log, FEW), 1);
    await app.delivers(bench.grow(app.log, MANY));
    const { log, ledger, answers } = app;
    const stray = answers.find(({ index }) => ledger?.wasGiven(index) !== true);
    if (stray !== undefined)
      throw new Failed(`it gave a result for ${stray.index}, which is no command it was given`);
    for (const { index } of log.commands) {
      const its = answers.filter((answer) => answer.index === index);
      if (its.length !== 1)
        throw new Failed(`entry ${index} is acknowledged, and it has ${its.length} results`);
    }
  },
};

export const applies: Check<AppBench> = {
  id: 'applies',
  proves: 'Each command is applied once and in order: results and state are what the log says.',
  needs: ['acknowledges'],
  spares: (bench) => (bench.kv ? undefined : 'what commands of another app do is not known here'),
  run: async (bench) => {
    const app = await bench.joined();
    await app.delivers(bench.grow(app.log, FEW), 1);
    await app.delivers(bench.grow(app.log, MANY), 7);
    await app.delivers(bench.grow(app.log, MANY));
    judgeKvResults(app);
    if (bench.facts.http) await judgeKvState(bench, app, app.log.last);
  },
};

export const deterministic: Check<AppBench> = {
  id: 'deterministic',
  proves:
    'Two copies that are given the same log, in other pieces and at other times, give the same results and have the same state.',
  needs: ['acknowledges'],
  run: async (bench) => {
    const one = await bench.joined();
    const through = bench.grow(one.log, 4 * MANY);
    await one.delivers(through);
    const other = await bench.joined(one.log);
    await other.delivers(FEW, 1);
    await other.delivers(through, 11);
    await sameOutcome(bench, one, other, through);
  },
};

export const snapshotsEqual: Check<AppBench> = {
  id: 'same-snapshots',
  proves: 'Snapshots of two copies as of one index are the same bytes, so that states can be compared.',
  needs: ['deterministic', 'snapshot'],
  spares: (bench) => (bench.facts.snapshots === 'NONE' ? 'its hello says snapshots NONE' : undefined),
  run: async (bench) => {
    const one = await bench.joined();
    const through = bench.grow(one.log, 2 * MANY);
    await one.delivers(through);
    const other = await bench.joined(one.log);
    await other.delivers(through, 11);
    await sameSnapshots(bench, one, other, through);
  },
};

export const gaps: Check<AppBench> = {
  id: 'gaps',
  proves:
    'Indexes without a command are acknowledged like those with one: gaps, a `through` beyond the last entry, no entry at all.',
  needs: ['acknowledges'],
  run: async (bench) => {
    const app = await bench.joined();
    const { log } = app;
    // An election before the first command.
    await app.delivers(log.internal());
    bench.grow(log, 2);
    log.internal(3);
    bench.grow(log, 2);
    await app.delivers(log.internal(2));
    await app.delivers(log.internal());
    await app.delivers(log.internal(5), 1);
    await app.delivers(bench.grow(log, FEW), 3);
    const { ledger } = app;
    const stray = app.answers.find(({ index }) => ledger?.wasGiven(index) !== true);
    if (stray !== undefined) throw new Failed(`it gave a result for ${stray.index}, which is no command`);
  },
};

export const window: Check<AppBench> = {
  id: 'window',
  proves:
    'Within the window that it named the app goes on: it waits for no more than that before it acknowledges.',
  needs: ['acknowledges'],
  spares: ({ facts: { windowEntries } }) => {
    if (windowEntries === undefined) return 'its hello names no windowEntries';
    return windowEntries > WINDOW_FILLED
      ? `its window of ${windowEntries} entries is larger than is tried here`
      : undefined;
  },
  run: async (bench) => {
    const app = await bench.joined();
    const size = bench.facts.windowEntries ?? 1;
    for (const share of [size, 1, size, size])
      await app.delivers(bench.grow(app.log, share), Math.ceil(share / 3));
  },
};

/** An index of more than 32 bits, one of more than a float of 32 bits would keep, and the last one that there is. */
const LARGE = [2 ** 32 + 5, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER - 40];

export const largeIndexes: Check<AppBench> = {
  id: 'large-indexes',
  proves:
    'Indexes and terms are 64-bit integers up to 2^53 - 1: said again exactly in acknowledgements, results and hellos.',
  needs: ['position', 'results'],
  run: async (bench) => {
    const app = await bench.joined();
    const { log } = app;
    for (const index of LARGE) {
      log.leap(index - 1);
      log.term = index - 3;
      await app.delivers(bench.grow(log, FEW), 3);
      for (const { index: one } of log.between(index - 1, log.last)) {
        if (!app.answers.some((answer) => answer.index === one))
          throw new Failed(`entry ${one} has no result`);
      }
      await app.cutAndMeet();
      app.admit();
    }
    await app.delivers(bench.grow(log, FEW));
  },
};

export const nonsenseCommands: Check<AppBench> = {
  id: 'nonsense',
  proves:
    'A command that makes no sense is answered and changes nothing: no crash, no applyFailed, no copy that differs.',
  needs: ['applies', 'deterministic'],
  compares: true,
  run: async (bench) => {
    const app = await bench.joined();
    bench.grow(app.log, FEW);
    for (const command of nonsense(bench.workload.kind)) app.log.append(command);
    await app.delivers(bench.grow(app.log, FEW), 5);
    const other = await bench.joined(app.log);
    await other.delivers(app.log.last);
    await sameOutcome(bench, app, other, app.log.last);
    await judgeOutcome(bench, app);
  },
};
