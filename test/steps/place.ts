/**
 * Where scenarios run: daemons of a build that says which steps it reaches and can be killed at each (plugin.mjs), and the
 * checks after each run.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SqliteStore } from '../../sidecar/store/sqlite-store.ts';
import { type Daemon, Daemons, type Plan, QUICK } from '../support/daemons.ts';
import { until } from '../support/patience.ts';
import { SnapshotApp } from '../support/snapshot-app.ts';

const BUILD = 'dist-steps';
export const SCRIPT = `${BUILD}/sidecar/main.mjs`;
/** Due after two or three batches of the ledger. */
export const FLAGS = ['--snapshot-bytes', String(1024 * 1024), ...QUICK];

/** Ends a process when it reaches `step` for the `nth` time. */
export interface Kill {
  readonly step: string;
  readonly nth: number;
}

export class Place {
  readonly daemons: Daemons;
  #apps: SnapshotApp[] = [];
  #running: Daemon[] = [];
  #reports = 0;

  private constructor(daemons: Daemons) {
    this.daemons = daemons;
  }

  /** Makes the build. */
  static async open(): Promise<Place> {
    const flags = ['--steps', '--only=sidecar/cli/main', `--out=${BUILD}`];
    const { status, stderr } = spawnSync(process.execPath, ['esbuild.config.mjs', ...flags], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    return new Place(await Daemons.begin());
  }

  async close(): Promise<void> {
    await this.clear();
    await this.daemons.end();
  }

  /** Between two runs: nothing of the one before, also of one that failed, is in the way of the next. */
  async clear(): Promise<void> {
    await this.closeApps();
    await Promise.all(this.#running.splice(0).map((daemon) => daemon.child.kill()));
  }

  async closeApps(): Promise<void> {
    await Promise.all(this.#apps.splice(0).map((app) => app.close()));
  }

  attach(daemon: Daemon): SnapshotApp {
    const app = new SnapshotApp(daemon.socket);
    this.#apps.push(app);
    return app;
  }

  /** Starts it; `reached` reads which steps it has reached. */
  async launch(
    plan: Plan,
    members: string,
    kill: Kill | undefined,
    flags: readonly string[] = [],
  ): Promise<{ daemon: Daemon; reached: () => string[] }> {
    const { env, reached } = this.#watched(kill);
    const daemon = await this.daemons.launch(plan, members, env, [...FLAGS, ...flags], SCRIPT);
    this.#running.push(daemon);
    return { daemon, reached };
  }

  /** Runs a command of the program to its end: the steps that it reached. Fails where it ended otherwise than it should. */
  command(kill: Kill | undefined, ...args: readonly string[]): string[] {
    const { env, reached } = this.#watched(kill);
    const ran = spawnSync(process.execPath, [SCRIPT, ...args], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    assert.deepEqual(
      [ran.status, ran.signal],
      kill === undefined ? [0, null] : [null, 'SIGKILL'],
      `${args.join(' ')}: ${ran.stderr}`,
    );
    return reached();
  }

  #watched(kill: Kill | undefined): { env: NodeJS.ProcessEnv; reached: () => string[] } {
    const report = join(this.daemons.root, `steps-${++this.#reports}`);
    const env: NodeJS.ProcessEnv = { OUTRIGGER_TEST_STEPS: report };
    if (kill !== undefined) env['OUTRIGGER_TEST_KILL_AT'] = `${kill.nth}:${kill.step}`;
    const reached = (): string[] =>
      existsSync(report) ? readFileSync(report, 'utf8').trimEnd().split('\n') : [];
    return { env, reached };
  }

  /** Starts it again after its end, which must have been the kill, and looks what the kill has left. */
  async again(daemon: Daemon): Promise<Daemon> {
    const { signal, code } = await daemon.child.exited;
    assert.equal(
      signal,
      'SIGKILL',
      `${daemon.id} ended by itself (${code}): ${daemon.stderr.slice(-3).join('\n')}`,
    );
    const back = await this.launch(daemon, daemon.members, undefined);
    const left = snapshotFiles(daemon).filter(
      (name) => name.endsWith('.tmp') && !name.startsWith(`${back.daemon.child.pid}-`),
    );
    assert.deepEqual(left, [], `${daemon.id} began with files of a snapshot that was not finished`);
    return back.daemon;
  }

  /** When nothing is written any more: no file in its folder is anything but a whole snapshot. */
  async tidy(daemon: Daemon): Promise<void> {
    await until(
      `the snapshots of ${daemon.id} are whole`,
      () => snapshotFiles(daemon).every((name) => name.endsWith('.snap')),
      () => snapshotFiles(daemon).join(' '),
    );
  }

  /** Ends it, and proves what is on its disk, to the last byte. */
  async prove(daemon: Daemon): Promise<void> {
    await daemon.child.kill();
    const store = new SqliteStore({ folder: daemon.dir });
    const { proof, firstIndex, lastIndex } = await store.open();
    try {
      assert.deepEqual(proof, { whole: true }, `${daemon.id} is not proven`);
      const { snapshots } = store;
      assert.deepEqual(snapshots.damaged, []);
      for (const snapshot of snapshots.all)
        assert.ok(await snapshots.usable(snapshot), `a snapshot of ${daemon.id} is damaged`);
      let at = firstIndex;
      while (at <= lastIndex) at += (await store.read(at, lastIndex, 1024 * 1024)).length;
    } finally {
      await store.close();
    }
  }

  forget(plan: Plan): void {
    rmSync(plan.dir, { recursive: true, force: true });
  }
}

export function snapshotFiles({ dir }: Plan): string[] {
  const folder = join(dir, 'snapshots');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Has it ended? */
export async function hasEnded(daemon: Daemon): Promise<boolean> {
  const runs = Symbol('runs');
  // Whoever noticed that its connection broke is a moment earlier than the news of its end.
  const moment = new Promise((done) => setImmediate(() => done(runs)));
  return (await Promise.race([daemon.child.exited, moment])) !== runs;
}
