/**
 * Upgrades: of apps to a newer meaning of their commands, which begins at one entry of the log for all of them; and of
 * sidecars, one after the other, which use nothing that an older one of the cluster does not know.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { RaftEvent } from '../../shared/events.ts';
import { AppClient } from '../support/app-client.ts';
import { AppStage } from '../support/app-stage.ts';
import type { Daemon } from '../support/daemons.ts';
import { EchoMachine } from '../support/echo-machine.ts';
import { TEST_MS } from '../support/patience.ts';

const OLD = 'before-app-versions';
const OLD_DIR = 'dist-mutants/old-sidecar';

async function setVersion(stage: AppStage, daemon: Daemon, body: object) {
  const answer = await stage.say(daemon, '/v1/app-version', { reason: 'amounts are in cents', ...body });
  return (await answer.json()) as { code?: string; message?: string; version?: number; at?: number };
}

describe('an upgrade of the app that changes what commands mean', function () {
  this.timeout(TEST_MS);
  let stage: AppStage;
  beforeEach(async () => {
    stage = await AppStage.begin();
  });
  afterEach(() => stage.end());

  it('counts from one entry on: an app that does not know it stops there, and a newer one goes on', async () => {
    const all = await stage.cluster(3);
    const [first, , third] = all as [Daemon, Daemon, Daemon];
    assert.equal((await setVersion(stage, first, { version: 1, force: true })).code, 'APP_ABSENT');
    const knowing = await Promise.all(
      all.slice(0, 2).map((daemon) => stage.attach(daemon, '--version', '1')),
    );
    const old = await stage.attach(third);
    for (const daemon of all) await stage.isWell(daemon, 0);
    const through = await stage.client(first);
    await stage.commit(through, 'old');

    const refused = await setVersion(stage, first, { version: 1 });
    assert.equal(refused.code, 'UNSUPPORTED');
    assert.match(
      refused.message ?? '',
      /not every app is known to know version 1: the app of n3 knows 0 at most$/,
    );
    const { version, at = 0 } = await setVersion(stage, first, { version: 1, force: true });
    assert.deepEqual([version, at > 0], [1, true]);

    const index = await stage.commit(through, 'new');
    for (const app of knowing) {
      await app.says(/^version 0 through \d+ commands 1/);
      await app.says(/^version 1 through \d+ commands 1/);
    }
    const begun = await stage.reader(first).find(({ kind }: RaftEvent) => kind === 'APP_VERSION');
    assert.deepEqual([begun.index, begun.version, begun.cause], [at, 1, 'OPERATOR']);
    const outdated = await stage.sees(third, 'OUTDATED', {
      reason: new RegExp(`from entry ${index} on commands are of version 1, and the app knows 0 at most`),
      entry: index,
      cause: 'APP_OUTDATED',
    });
    await old.says(/^error UNSUPPORTED from entry/);
    const status = await stage.statusOf(third);
    assert.ok(status.appliedIndex < index && status.commitIndex >= index, JSON.stringify(status));
    assert.equal(await stage.metric(first, 'outrigger_app_version'), 1);
    assert.equal(await stage.metric(third, 'outrigger_app_version_known'), 0);
    assert.equal((await setVersion(stage, first, { version: 1 })).code, 'BAD_REQUEST', 'it only rises');

    // The upgraded one starts from nothing: it is given what is old as old, and what is new as new.
    await old.kill();
    const newer = await stage.attach(third, '--version', '1');
    await newer.says(/^version 0 through \d+ commands 1/);
    await newer.says(/^version 1 through \d+ commands 1/);
    await stage.isWell(third, outdated.seq);

    // Back to the old one: it would undo nothing, and is not let go on.
    const before = stage.eventsSoFar(third);
    await newer.kill();
    const { seq } = await stage.reader(third).find((event) => event.seq > before && event.state === 'ABSENT');
    await stage.attach(third, '--at', String((await stage.statusOf(third)).appliedIndex));
    await stage.sees(third, 'OUTDATED', { reason: /the app knows 0 at most/, after: seq });
  });
});

describe('an upgrade of sidecars, one after the other', function () {
  this.timeout(TEST_MS);
  let stage: AppStage;
  const apps: EchoMachine[] = [];
  beforeEach(async () => {
    stage = await AppStage.begin();
  });
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()));
    await stage.end();
  });

  it('loses nothing, and uses what is new only once every member knows it', async () => {
    const flags = ['--only=sidecar/cli/main', `--out=${OLD_DIR}`, `--mutant=${OLD}`];
    const { status, stderr } = spawnSync(process.execPath, ['esbuild.config.mjs', ...flags], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    const all = await stage.daemons.cluster(3, { script: `${OLD_DIR}/sidecar/main.mjs` });
    for (const { socket } of all) apps.push(await EchoMachine.attach(socket, 0, 1));
    const wanted: string[] = [];

    for (const at of all.keys()) {
      const before = all[at] as Daemon;
      await commit(all, wanted);
      await apps[at]?.close();
      await before.child.stop(10_000);
      const after = await stage.daemons.launch(before, before.members);
      all[at] = after;
      apps[at] = await EchoMachine.attach(after.socket, 0, 1);
      await commit(all, wanted);
      const old = all.slice(at + 1).map(({ id }) => id);
      await stage.daemons.until('it has met the others', async () => {
        const { code, message = '', version } = await setVersion(stage, after, { version: 1 });
        // In force already where the answer to an earlier try was lost.
        if (old.length === 0) return version === 1 || message.startsWith('version 1 is in force');
        assert.equal(code, 'UNSUPPORTED', message);
        return message.endsWith(
          `not every sidecar of this cluster is known to know versions of apps: ${old.join(' and ')} must be upgraded first`,
        );
      });
    }
    await commit(all, wanted);
    for (const app of apps) {
      await app.count(wanted.length);
      assert.deepEqual(app.commands, wanted);
    }
  });

  /** Through each node in turn, until one takes it. Nobody leads for a moment after a leader was stopped. */
  async function commit(all: readonly Daemon[], wanted: string[]): Promise<void> {
    const command = `c${wanted.length}`;
    await stage.daemons.until('all know the leader', async () => {
      const told = await Promise.all(all.map((daemon) => stage.daemons.status(daemon)));
      const leads = told.find((status) => status?.role === 'LEADER')?.node;
      return leads !== undefined && told.every((status) => status?.leader === leads);
    });
    await stage.daemons.until(`${command} is committed`, async () => {
      for (const { socket } of all) {
        const client = await AppClient.greet(socket, 'json');
        const id = stage.nextId();
        client.send({ type: 'propose', id, command: Buffer.from(command) });
        const told = await Promise.race([
          client.next('proposed', (frame) => frame.id === id),
          client.next('error', (frame) => frame.id === id),
        ]);
        await client.close();
        if (told.type === 'proposed') return true;
        assert.equal(told.definite, true, `whether ${command} took effect is not known: ${told.message}`);
      }
      return false;
    });
    wanted.push(command);
  }
});
