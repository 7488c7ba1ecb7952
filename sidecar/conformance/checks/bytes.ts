/** Checks of bytes: commands that must survive as they are, and frames in every form that means the same. */
import type { AppBench } from '../bench.ts';
import type { Check } from '../contract.ts';
import { judgeOutcome } from '../outcome.ts';
import type { Disguise } from '../play/disguise.ts';
import type { Instance } from '../play/instance.ts';
import { largest, peculiar } from '../workload.ts';

const FEW = 12;
const MANY = 40;
/** Commands that arrive byte by byte, which takes time. */
const SPLIT = 4;

export const bytes: Check<AppBench> = {
  id: 'bytes',
  proves:
    'Commands arrive byte for byte: every byte value and kind of text, every length of base64 padding, nothing at all.',
  needs: ['applies'],
  compares: true,
  run: async (bench) => {
    const app = await bench.joined();
    app.log.appendAll(peculiar(bench.workload.kind));
    await app.delivers(app.log.last, 7);
    await judgeOutcome(bench, app);
  },
};

export const largeCommand: Check<AppBench> = {
  id: 'large-command',
  proves: 'A command may have 1 MiB (limits.commandBytes).',
  needs: ['applies', 'framing'],
  compares: true,
  run: async (bench) => {
    const app = await bench.joined();
    bench.grow(app.log, 1);
    app.log.append(largest(bench.workload.kind));
    await app.delivers(bench.grow(app.log, 1));
    await judgeOutcome(bench, app);
  },
};

export const framing: Check<AppBench> = {
  id: 'framing',
  proves: 'Frames are read however the bytes arrive: cut at every byte, and many in one piece.',
  needs: ['applies'],
  compares: true,
  run: async (bench) => {
    const app = await bench.copy();
    app.split = true;
    await app.start();
    await app.join();
    await app.delivers(bench.grow(app.log, SPLIT), 2);
    const { connection } = app.ledger ?? {};
    if (connection !== undefined) connection.split = false;
    await app.delivers(bench.grow(app.log, MANY), 1);
    await judgeOutcome(bench, app);
  },
};

async function inDisguise(bench: AppBench, disguise: Disguise): Promise<Instance> {
  const app = await bench.copy();
  app.disguise = disguise;
  await app.start();
  await app.join();
  await app.delivers(bench.grow(app.log, FEW), 5);
  await app.delivers(app.log.internal());
  await app.delivers(bench.grow(app.log, FEW));
  await judgeOutcome(bench, app);
  return app;
}

export const decimalStrings: Check<AppBench> = {
  id: 'decimal-strings',
  proves:
    'In JSON lines a 64-bit integer may come as a decimal string, as the official protobuf runtimes write it.',
  needs: ['applies', 'gaps'],
  compares: true,
  spares: (bench) =>
    bench.facts.codec === 'json' ? undefined : 'it speaks protobuf, which has one form of an integer',
  run: async (bench) => {
    await inDisguise(bench, 'decimal strings');
  },
};

export const unknownFields: Check<AppBench> = {
  id: 'unknown-fields',
  proves: 'Fields that the app does not know, of a later version, are ignored.',
  needs: ['applies', 'gaps'],
  compares: true,
  run: async (bench) => {
    await inDisguise(bench, 'unknown fields');
  },
};

export const otherFrames: Check<AppBench> = {
  id: 'other-frames',
  proves:
    'News that it may have no use for (roles, pressure, expired sessions, an error without id) leaves the app as it is.',
  needs: ['applies'],
  compares: true,
  run: async (bench) => {
    const app = await bench.joined();
    await app.delivers(bench.grow(app.log, FEW), 4);
    for (const role of ['LEADER', 'FOLLOWER', 'CANDIDATE', 'LEARNER'] as const) {
      app.send({ type: 'roleChanged', role, term: 9, cause: 'VOTE_WON' });
      app.send({ type: 'roleChanged', role, term: 9, leader: 'n2', cause: 'A_CAUSE_OF_A_LATER_VERSION' });
    }
    for (const level of ['SLOW_DOWN', 'STOP', 'OK'] as const) app.send({ type: 'pressure', level });
    app.send({ type: 'sessionExpired', session: 5 });
    app.send({
      type: 'error',
      code: 'OVERLOADED',
      definite: true,
      message: 'said by the conformance suite',
      retryAfterMs: 5,
    });
    // Commands of sessions are commands.
    for (let sequence = 1; sequence <= FEW; sequence += 1) {
      app.log.append(bench.workload.next(), { session: 3, sequence });
    }
    await app.delivers(app.log.last, 4);
    await judgeOutcome(bench, app);
  },
};
