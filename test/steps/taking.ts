/** One node that takes snapshots, compacts its log behind them, and drops old ones. */
import assert from 'node:assert/strict';
import type { Daemon } from '../support/daemons.ts';
import { membersOf } from '../support/daemons.ts';
import { Ledger } from './ledger.ts';
import { hasEnded, type Kill, type Place } from './place.ts';

/** By then several snapshots were taken, stripped and removed. */
const BEYOND = 300;
/** What was not reached by then is not reached. */
const BATCHES_MAX = 40;
const GAVE_UP = 'abandoned snapshot gone';

export interface TakingOptions {
  /** The app goes in the middle of its first snapshot. */
  readonly givesUp: boolean;
}

/** Runs it, with a kill or without; the steps that it reached before. */
export async function taking(
  place: Place,
  kill: Kill | undefined,
  { givesUp }: TakingOptions,
): Promise<string[]> {
  const { daemons } = place;
  const plan = await daemons.plan('n1');
  place.forget(plan);
  const ledger = new Ledger();
  const started = await place.launch(plan, membersOf([plan]), kill);
  let daemon: Daemon = started.daemon;
  const app = place.attach(daemon);
  if (givesUp) {
    app.beforeChunk = () => {
      app.beforeChunk = () => undefined;
      app.hangUp();
    };
  }
  let killed = false;
  let batches = 0;
  await daemons.until('the scenario has come to its end', async () => {
    if (kill !== undefined && !killed && (await hasEnded(daemon))) {
      daemon = await place.again(daemon);
      killed = true;
    }
    // Before there is a leader nothing is taken.
    if (!(await ledger.batch(daemon))) return false;
    batches++;
    if (killed && givesUp) return true;
    const done = givesUp
      ? started.reached().includes(GAVE_UP)
      : ((await daemons.status(daemon))?.firstIndex ?? 0) > BEYOND;
    return done && (kill === undefined || killed || batches > BATCHES_MAX);
  });
  if (kill !== undefined) assert.ok(killed, `it never reached "${kill.step}" for the ${kill.nth}. time`);
  const reached = started.reached();
  await place.tidy(daemon);
  await daemons.until('its app has applied all', async () => app.applied >= ledger.last);
  const { dump } = app;
  ledger.judge(dump);
  await app.close();
  const fresh = place.attach(daemon);
  await daemons.until('a new app has applied all', async () => fresh.applied >= ledger.last);
  ledger.judge(fresh.dump);
  assert.equal(fresh.dump, dump);
  await place.closeApps();
  await place.prove(daemon);
  return reached;
}
