/** Checks of how an app comes: its hello, the sidecar that is not there, and the goodbyes. */
import type { ErrorFrame } from '../../../shared/app-frames.ts';
import type { AppBench } from '../bench.ts';
import { type Check, Failed } from '../contract.ts';
import { judgeOutcome } from '../outcome.ts';
import type { Instance } from '../play/instance.ts';
import { pause } from '../play/watch.ts';

const SOME = 20;
/** An app that stays away, or comes back slowly, is watched for so long. */
const WATCHED_MS = 1_000;
/** So many hellos in that time are no pause at all. */
const TOO_OFTEN = 50;

async function withState(bench: AppBench): Promise<Instance> {
  const app = await bench.joined();
  await app.delivers(bench.grow(app.log, SOME));
  return app;
}

/** It was let in again: the rest of the log ends in the right state. */
async function goesOn(bench: AppBench, app: Instance): Promise<void> {
  await app.delivers(bench.grow(app.log, SOME));
  await judgeOutcome(bench, app);
}

export const hello: Check<AppBench> = {
  id: 'hello',
  proves:
    'The app dials OUTRIGGER_SOCKET and says a hello that a sidecar takes, of a state machine without a state.',
  needs: [],
  run: async (bench) => {
    const app = await bench.started();
    const { machine, hello: said } = await app.meet();
    if (machine.appliedIndex !== 0) {
      throw new Failed(`its hello says appliedIndex ${machine.appliedIndex}, and OUTRIGGER_DATA is empty`);
    }
    if (said.app === '') throw new Failed('its hello says no name (app)');
    for (const name of ['windowEntries', 'windowBytes'] as const) {
      if (machine[name] === 0) throw new Failed(`its hello says ${name} 0: nothing could ever be delivered`);
    }
    app.admit();
  },
};

export const sidecarAway: Check<AppBench> = {
  id: 'sidecar-away',
  proves: 'The app waits for a sidecar that is not there yet, and for one that went away.',
  needs: ['comes-back'],
  run: async (bench) => {
    const app = await bench.copy();
    await app.start({ away: true });
    await pause(WATCHED_MS / 2);
    await app.sidecarStarts();
    await app.join();
    await app.delivers(bench.grow(app.log, SOME));
    await app.sidecarEnds();
    await pause(WATCHED_MS / 2);
    await app.sidecarStarts();
    await app.join();
    await app.delivers(bench.grow(app.log, SOME));
  },
};

export const goodbye: Check<AppBench> = {
  id: 'goodbye',
  proves: 'After a goodbye other than SUPERSEDED the app comes again, whatever the reason, and goes on.',
  needs: ['redelivery'],
  compares: true,
  run: async (bench) => {
    const app = await withState(bench);
    for (const reason of ['SHUTTING_DOWN', 'SKIPPED', 'RESTORE', 'A_REASON_OF_A_LATER_VERSION']) {
      await app.goodbye(reason);
      await app.join();
      await goesOn(bench, app);
    }
  },
};

export const superseded: Check<AppBench> = {
  id: 'superseded',
  proves:
    'After goodbye SUPERSEDED the app does not come again: two copies would push each other out for ever.',
  needs: ['acknowledges'],
  run: async (bench) => {
    const app = await withState(bench);
    app.mayEnd();
    const { hellos } = app;
    await app.goodbye('SUPERSEDED');
    const end = performance.now() + WATCHED_MS;
    while (app.exit === undefined && performance.now() < end) {
      await pause(WATCHED_MS / 20);
      if (app.hellos > hellos) throw new Failed('it was told goodbye SUPERSEDED, and said hello again');
    }
  },
};

export const refused: Check<AppBench> = {
  id: 'refused',
  proves:
    'An app whose hello is refused as APP_DIVERGED ends, or comes again with a pause and goes on when it is let in.',
  needs: ['redelivery'],
  compares: true,
  run: async (bench) => {
    const app = await withState(bench);
    const { hellos } = app;
    app.mayEnd();
    const error: ErrorFrame = {
      type: 'error',
      code: 'APP_DIVERGED',
      definite: true,
      message: 'its state is not the one of this log (said by the conformance suite)',
    };
    const end = performance.now() + WATCHED_MS;
    await app.goodbye('APP_DIVERGED', error);
    while (app.exit === undefined && performance.now() < end) {
      const came = app.fresh();
      if (app.hellos - hellos > TOO_OFTEN) {
        throw new Failed(
          `its hello was refused with APP_DIVERGED, and it said hello ${app.hellos - hellos} times within ${WATCHED_MS} ms`,
        );
      }
      if (came === undefined) await pause(1);
      else {
        came.connection.send(error, { type: 'goodbye', reason: 'APP_DIVERGED' });
        await came.connection.end();
      }
    }
    // It may hold that nothing can be done without a person.
    if (await ended(app)) return;
    await app.join();
    await goesOn(bench, app);
  },
};

/** Whether it ends rather than come again; waits for one of both. */
function ended(app: Instance): Promise<boolean> {
  return app.until(
    () => 'its hello was refused with APP_DIVERGED, and it neither ended nor came again',
    () => (app.exit !== undefined ? true : app.hasFresh ? false : undefined),
  );
}
