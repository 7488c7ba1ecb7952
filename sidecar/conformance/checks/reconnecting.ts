/** Checks of what an app knows after its connection broke, or after it was killed. */
import type { AppBench } from '../bench.ts';
import { type Check, Failed } from '../contract.ts';
import { judgeOutcome } from '../outcome.ts';
import type { Instance } from '../play/instance.ts';

const SOME = 20;
const ROUNDS = 3;

export const comesBack: Check<AppBench> = {
  id: 'comes-back',
  proves: 'After its connection is cut the app comes again with a hello, as often as it takes.',
  needs: ['acknowledges'],
  run: async (bench) => {
    const app = await bench.joined();
    for (let round = 0; round < ROUNDS; round += 1) {
      await app.delivers(bench.grow(app.log, SOME));
      await app.ledger?.connection.cut();
      await app.returns();
    }
    // Before the welcome as well.
    await app.ledger?.connection.cut();
    await app.returns();
  },
};

export const position: Check<AppBench> = {
  id: 'position',
  proves:
    'What it says then is a position it really has: an index it was given, with the hash it was told there.',
  needs: ['comes-back'],
  run: async (bench) => {
    const app = await bench.joined();
    for (const size of [SOME, 1, 3]) {
      await app.delivers(bench.grow(app.log, SOME), size);
      await app.cutAndMeet();
      app.admit();
    }
  },
};

export const redelivery: Check<AppBench> = {
  id: 'redelivery',
  proves:
    'Nothing is applied twice or left out when a connection broke in the middle of a delivery and the rest is given again.',
  needs: ['position', 'applies'],
  compares: true,
  run: async (bench) => {
    const app = await bench.joined();
    await app.delivers(bench.grow(app.log, SOME));
    for (const size of [SOME, 1, 3, SOME]) {
      await app.deliver(bench.grow(app.log, SOME), size);
      // It reads and applies all of it, and finds nobody to tell.
      await app.ledger?.connection.end();
      await again(app);
      await app.delivers(bench.grow(app.log, 1));
      await app.deliver(bench.grow(app.log, SOME), size);
      await app.ledger?.connection.cut();
      await again(app);
    }
    await app.delivers(bench.grow(app.log, SOME));
    await judgeOutcome(bench, app);
  },
};

/** Lets it in, and gives it what it says it lacks. */
async function again(app: Instance): Promise<void> {
  await app.join();
  await app.delivers(app.log.last);
}

export const killed: Check<AppBench> = {
  id: 'killed',
  proves:
    'After kill -9, idle or in the middle of a batch, the app says a position whose state it has, and ends in the same state.',
  needs: ['redelivery'],
  compares: true,
  run: async (bench) => {
    const app = await bench.joined();
    for (const inTheMiddle of [false, true, true]) {
      const through = bench.grow(app.log, SOME);
      if (inTheMiddle) await app.deliver(through, 3);
      else await app.delivers(through);
      await app.ledger?.connection.written();
      const durable = app.ledger?.durable ?? 0;
      await app.killAndStart();
      const { machine } = await app.join();
      if (machine.appliedIndex < durable) {
        throw new Failed(
          `it said durableThrough ${durable}, and after kill -9 its hello says appliedIndex ${machine.appliedIndex}`,
        );
      }
      await app.delivers(app.log.last);
      await app.delivers(bench.grow(app.log, SOME));
      await judgeOutcome(bench, app);
    }
  },
};
