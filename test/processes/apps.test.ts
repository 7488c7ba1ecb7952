/**
 * Apps that misbehave, each situation staged with real sidecars and a real app process: the node says in its status, its
 * metrics, its events and its explanation what is wrong, since when and why; and again when it is well.
 *
 * MUST: stage every row of "if the app dies, lags, restarts, or lies". What needs snapshots is not staged here.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Explanation } from '../../shared/explain/types.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import { signalGroup } from '../../sidecar/cli/cluster/managed-process.ts';
import { AppStage, ofApp } from '../support/app-stage.ts';
import type { Daemon } from '../support/daemons.ts';
import type { MoodyApp } from '../support/moody-app.ts';
import { TEST_MS } from '../support/patience.ts';

describe('apps that misbehave', function () {
  this.timeout(TEST_MS);
  let stage: AppStage;

  beforeEach(async () => {
    stage = await AppStage.begin();
  });

  afterEach(() => stage.end());

  // ---------------------------------------------------------------- the rows

  it('absent: the node serves what needs no app, and refuses the rest for certain', async () => {
    const daemon = await stage.alone();
    const { app } = await stage.statusOf(daemon);
    assert.deepEqual([app.state, app.condition, app.fit], ['ABSENT', 'ABSENT', false]);
    assert.match(app.reason, /no app has connected yet/);
    assert.equal((await stage.explained(daemon)).cause, 'APP_ABSENT');
    const through = await stage.client(daemon);
    await stage.commit(through, 'a');
    const [write, read] = [stage.nextId(), stage.nextId()];
    through.send({ type: 'propose', id: write, command: Buffer.from('b') }, { type: 'read', id: read });
    for (const id of [write, read]) {
      const { code, definite } = await through.next('error', (frame) => frame.id === id);
      assert.deepEqual([code, definite], ['APP_ABSENT', true]);
    }
    const ready = await fetch(`http://${daemon.http}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /the app is ABSENT/);
    const before = stage.eventsSoFar(daemon);
    await stage.attach(daemon);
    await stage.isWell(daemon, before);
  });

  it('slow, then stalled, then well; and one that reads nothing', async () => {
    const [first, second] = (await stage.cluster(2)) as [Daemon, Daemon];
    const stalled = await stage.attach(first);
    const deaf = await stage.attach(second);
    await stage.isWell(first, 0);
    await stage.isWell(second, 0);
    stalled.be('stall');
    deaf.be('deaf');
    const through = await stage.client(first);
    const index = await stage.commit(through, 'a');
    for (let size = 0; size < LIMITS.deliveryBytes * 4; size += 64 * 1024)
      await stage.commit(through, 'x'.repeat(64 * 1024));
    const reason = new RegExp(`was given entry ${index} and gave no sign of applying it for`);
    await stage.sees(first, 'LAGGING', { reason, entry: index, cause: 'APP_SLOW' });
    await stage.sees(first, 'STALLED', { reason, entry: index, cause: 'APP_STALLED' });
    await stage.sees(second, 'NOT_READING', { reason: /reads nothing: \d+ bytes/, cause: 'APP_NOT_READING' });
    const [one, two] = [stage.eventsSoFar(first), stage.eventsSoFar(second)];
    stalled.be('go');
    deaf.be('go');
    await stage.isWell(first, one);
    await stage.isWell(second, two);
    assert.equal((await stage.statusOf(second)).appliedIndex, (await stage.statusOf(second)).commitIndex);
  });

  it('crashed in the middle of a batch; restarted with its state, and without', async () => {
    const daemon = await stage.alone();
    const state = join(stage.daemons.root, 'state.json');
    const dying = await stage.attach(daemon, '--state', state);
    await stage.isWell(daemon, 0);
    const through = await stage.client(daemon);
    await stage.commit(through, 'a', 'APPLIED');
    dying.be('die');
    const index = await stage.commit(through, 'b');
    await stage.sees(daemon, 'CRASHED', {
      reason: new RegExp(`entries ${index} to \\d+ were given to it and not acknowledged`),
      entry: index,
      cause: 'APP_CRASHED',
    });
    await stage.commit(through, 'c');

    // It had written its state down before it died: it is not given that entry a second time.
    const crashed = stage.eventsSoFar(daemon);
    const back = await stage.attach(daemon, '--state', state);
    const reader = stage.reader(daemon);
    const restarted = await reader.find(ofApp('RESTARTED_WITH_STATE', crashed));
    assert.match(restarted.reason ?? '', new RegExp(`its state as of entry ${index}`));
    await stage.isWell(daemon, restarted.seq);
    assert.deepEqual(back.lines.slice(0, 2), ['welcome', `given ${index + 1}`]);
    await back.kill();
    await reader.find(ofApp('ABSENT', restarted.seq));

    const gone = stage.eventsSoFar(daemon);
    const empty = await stage.attach(daemon);
    const anew = await reader.find(ofApp('RESTARTED_EMPTY', gone));
    assert.match(anew.reason ?? '', /given the log from entry 1/);
    await stage.isWell(daemon, anew.seq);
    assert.match(await empty.says(/^given/), new RegExp(`given ${index + 1}`));
  });

  it('ahead of the log, and of another log', async () => {
    const daemon = await stage.alone();
    const ahead = await stage.knock(daemon, '--at', '1000000');
    assert.match(await ahead.says(/^error/), /APP_AHEAD the app has applied 1000000/);
    await ahead.says(/^goodbye APP_AHEAD/);
    await stage.sees(daemon, 'AHEAD', {
      reason: /has applied 1000000, but the log of this node ends at \d+/,
      entry: 1_000_000,
      cause: 'APP_AHEAD',
    });
    const other = await stage.knock(daemon, '--at', '1', '--hash', '00'.repeat(32));
    await other.says(/^goodbye APP_DIVERGED/);
    await stage.sees(daemon, 'DIVERGED', {
      reason: /at index 1 the app's hash is not the log's/,
      entry: 1,
      cause: 'APP_DIVERGED',
    });
    const before = stage.eventsSoFar(daemon);
    await stage.attach(daemon);
    await stage.isWell(daemon, before);
  });

  it('answering for an entry that it was not given', async () => {
    const daemon = await stage.alone();
    const liar = await stage.attach(daemon);
    await stage.isWell(daemon, 0);
    liar.be('lie');
    assert.match(
      await liar.says(/^error/),
      /BAD_REQUEST applied.through is \d+, but only entries through \d+ were/,
    );
    await stage.sees(daemon, 'LIED', { reason: /applied.through is \d+/, cause: 'APP_LIED' });
    const before = stage.eventsSoFar(daemon);
    await stage.attach(daemon);
    await stage.isWell(daemon, before);
  });

  it('two at once', async () => {
    const daemon = await stage.alone();
    const reader = stage.reader(daemon);
    const old = await stage.attach(daemon);
    await stage.isWell(daemon, 0);
    for (const takeover of [1, 2]) {
      const before = stage.eventsSoFar(daemon);
      await stage.attach(daemon);
      const event = await reader.find(ofApp('SUPERSEDED', before));
      assert.match(event.reason ?? '', /moody said hello while moody \(epoch \d\) was connected/);
      await stage.isWell(daemon, event.seq);
      const incident = (await stage.statusOf(daemon)).app.incidents?.find(
        (one) => one.condition === 'SUPERSEDED',
      );
      assert.equal(incident?.count, takeover);
    }
    await old.says(/^goodbye SUPERSEDED/);
    assert.equal(await stage.metric(daemon, 'outrigger_app_incidents_total{condition="SUPERSEDED"}'), 2);
    assert.equal((await stage.explained(daemon)).cause, 'APP_CONTENDED');
  });

  it('of another protocol', async () => {
    const daemon = await stage.alone();
    const future = await stage.knock(daemon, '--protocol', '2');
    assert.match(
      await future.says(/^error/),
      /UNSUPPORTED protocol 2 is not spoken here; this sidecar speaks 1/,
    );
    await stage.sees(daemon, 'INCOMPATIBLE', {
      reason: /protocol 2 is not spoken/,
      cause: 'APP_INCOMPATIBLE',
    });
    const before = stage.eventsSoFar(daemon);
    await stage.attach(daemon);
    await stage.isWell(daemon, before);
  });

  it('poison: every app stops there, and it goes on once it is cured, or the entry is skipped', async () => {
    const all = await stage.cluster(3);
    const three = await Promise.all(all.map((daemon) => stage.attach(daemon)));
    for (const daemon of all) await stage.isWell(daemon, 0);
    for (const app of three) app.be('poison arsenic');
    const through = await stage.client(all[0] as Daemon);
    await stage.commit(through, 'water');
    const index = await stage.commit(through, 'arsenic');
    await stage.commit(through, 'bread');
    for (const daemon of all) {
      await stage.sees(daemon, 'FAILED', {
        reason: new RegExp(`failed to apply entry ${index} \\(POISON: this app cannot apply arsenic\\)`),
        entry: index,
        cause: 'APP_FAILED',
      });
      assert.equal((await stage.statusOf(daemon)).appliedIndex, index - 1);
    }
    const entry = await stage.daemons.view<Explanation>(
      all[0] as Daemon,
      `/v1/explain?about=entry&id=${index}`,
    );
    assert.ok(
      entry.evidence.some(({ text }) => /cannot apply it/.test(text)),
      JSON.stringify(entry),
    );

    const [first, second, third] = all as [Daemon, Daemon, Daemon];
    const before = all.map((daemon) => stage.eventsSoFar(daemon));
    three[0]?.be('cure');
    await stage.isWell(first, before[0] ?? 0);
    // One that is upgraded is another process.
    await three[1]?.kill();
    await stage.attach(second);
    await stage.isWell(second, before[1] ?? 0);
    const skipped = await stage.say(first, '/v1/skip', { index, reason: 'poison' });
    // The first has applied it: the operator is told that it is too late to skip it, and cures the last one too.
    assert.equal(skipped.status, 400, await skipped.clone().text());
    three[2]?.be('cure');
    await stage.isWell(third, before[2] ?? 0);
  });

  it('poison that an operator skips', async () => {
    const daemon = await stage.alone();
    const app = await stage.attach(daemon);
    await stage.isWell(daemon, 0);
    app.be('poison arsenic');
    const index = await stage.commit(await stage.client(daemon), 'arsenic');
    await stage.sees(daemon, 'FAILED', { reason: /arsenic/, entry: index, cause: 'APP_FAILED' });
    const answer = await stage.say(daemon, '/v1/skip', { index, reason: 'poison' });
    assert.equal(answer.status, 200, await answer.clone().text());
    await app.says(/^goodbye SKIPPED/);
    const reader = stage.reader(daemon);
    const absent = await reader.find(ofApp('ABSENT', 0));
    assert.match(absent.reason ?? '', /an operator skipped the command/);
    const again = await stage.attach(daemon);
    again.be('poison arsenic');
    await stage.isWell(daemon, absent.seq);
  });

  it('never acknowledging: what is given to it stays within its window, and nobody else notices', async () => {
    const all = await stage.cluster(3);
    const apps = new Map<Daemon, MoodyApp>();
    for (const daemon of all) apps.set(daemon, await stage.attach(daemon));
    for (const daemon of all) await stage.isWell(daemon, 0);
    const leader = (await stage.daemons.leaderOf(all)) as Daemon;
    const sick = all.find((daemon) => daemon !== leader) as Daemon;
    const others = all.filter((daemon) => daemon !== sick);
    const elections = async (): Promise<number> =>
      (await Promise.all(all.map((one) => stage.metric(one, 'outrigger_elections_started_total')))).reduce(
        (sum, one) => sum + one,
      );
    const before = { elections: await elections(), term: (await stage.statusOf(leader)).term };
    apps.get(sick)?.be('stall');

    // Three times what fits into its window, through the leader; and some whose clients wait for the sick app.
    const through = await stage.client(leader);
    const vain = await stage.client(sick);
    const batch = 512;
    for (let sent = 0; sent < 3 * LIMITS.windowEntries; sent += batch) {
      const ids = Array.from({ length: batch }, () => stage.nextId());
      const command = Buffer.alloc(256, 'x');
      through.send(...ids.map((id) => ({ type: 'propose', id, command, wait: 'COMMITTED' }) as const));
      for (const id of ids) await through.next('proposed', (frame) => frame.id === id);
      vain.send({ type: 'propose', id: stage.nextId(), command, timeoutMs: 1 });
      const { deliveredIndex, appliedIndex } = await stage.statusOf(sick);
      assert.ok(deliveredIndex - appliedIndex <= LIMITS.windowEntries, `${deliveredIndex - appliedIndex}`);
    }
    const lagOf = ({ commitIndex, appliedIndex }: NodeStatus): number => commitIndex - appliedIndex;
    await stage.daemons.until('it knows of all commits', async () => {
      return lagOf(await stage.statusOf(sick)) >= 3 * LIMITS.windowEntries;
    });
    await stage.daemons.until('it is missed', async () => (await stage.statusOf(sick)).app.fit === false);
    const { commitIndex, deliveredIndex, appliedIndex } = await stage.statusOf(sick);
    assert.ok(deliveredIndex - appliedIndex > LIMITS.windowEntries / 2, 'its window is closed, not empty');
    for (const daemon of others) {
      await stage.daemons.until(`the app of ${daemon.id} has all`, async () => {
        return (await stage.statusOf(daemon)).appliedIndex >= commitIndex;
      });
      // On a slow machine one may be a second late.
      const { app: its } = await stage.statusOf(daemon);
      assert.ok(
        its.incidents?.every(({ condition }) => condition === 'LAGGING'),
        JSON.stringify(its),
      );
    }
    assert.deepEqual({ elections: await elections(), term: (await stage.statusOf(leader)).term }, before);

    // It wakes up, and gets all that it missed, from the disk.
    apps.get(sick)?.be('go');
    await stage.daemons.until('it has caught up', async () => {
      const now = await stage.statusOf(sick);
      return now.appliedIndex >= commitIndex && now.app.condition === 'HEALTHY';
    });
  });

  it('stopped: clients are told to stop, and what would wait for it in vain is refused for certain', async () => {
    const [daemon] = (await stage.cluster(1, ['--app-grace-ms', '300'])) as [Daemon];
    const app = await stage.attach(daemon);
    await stage.isWell(daemon, 0);
    const through = await stage.client(daemon);
    const before = await stage.commit(through, 'water', 'APPLIED');
    app.be('poison arsenic');
    const index = await stage.commit(through, 'arsenic');
    await stage.sees(daemon, 'FAILED', { reason: /arsenic/, entry: index });
    assert.equal((await through.next('pressure')).level, 'STOP');
    await stage.daemons.until('it is refused', async () => {
      const id = stage.nextId();
      through.send({ type: 'propose', id, command: Buffer.from('bread'), timeoutMs: 50 });
      const { code, definite, retryAfterMs } = await through.next('error', (frame) => frame.id === id);
      if (code === 'TIMEOUT') return false;
      assert.deepEqual([code, definite, retryAfterMs], ['OVERLOADED', true, 1_000]);
      return true;
    });
    const reads = [stage.nextId(), stage.nextId(), stage.nextId()] as const;
    through.send(
      { type: 'read', id: reads[0] },
      { type: 'read', id: reads[1], consistency: 'STALE' },
      { type: 'read', id: reads[2], consistency: 'AT_LEAST', index: before },
    );
    assert.equal((await through.next('error', (frame) => frame.id === reads[0])).code, 'OVERLOADED');
    for (const id of reads.slice(1)) await through.next('readReady', (frame) => frame.id === id);
    await stage.commit(through, 'salt');
    app.be('cure');
    await stage.isWell(daemon, stage.eventsSoFar(daemon) - 1);
    assert.equal((await through.next('pressure')).level, 'OK');
    await stage.commit(through, 'bread', 'APPLIED');
  });

  it('a crowd on other connections: who asks now and then is not served behind all that it asked before', async () => {
    const daemon = await stage.alone();
    await stage.attach(daemon);
    await stage.isWell(daemon, 0);
    const crowd = await Promise.all(Array.from({ length: 32 }, () => stage.client(daemon)));
    const polite = await stage.client(daemon);
    const command = Buffer.alloc(64, 'x');
    const each = LIMITS.requestsPerConnection / 4;
    const first = (await stage.statusOf(daemon)).commitIndex;
    // It stands still until all have asked, so that it finds the crowd's commands before the one.
    signalGroup(daemon.child.pid, 'SIGSTOP');
    for (const client of crowd) {
      const ids = Array.from({ length: each }, (_, i) => i + 1);
      client.send(...ids.map((id) => ({ type: 'propose', id, command, wait: 'COMMITTED' }) as const));
    }
    const asked = stage.commit(polite, 'me too');
    signalGroup(daemon.child.pid, 'SIGCONT');
    const before = (await asked) - first;
    // Two windows: the one that is full when it asks, and what the crowd gets before its turn comes.
    assert.ok(before <= 2 * LIMITS.proposalWindow, `${before} commands were served before one`);
    for (const client of crowd) {
      for (let id = 1; id <= each; id++) await client.next('proposed', (frame) => frame.id === id);
    }
    assert.ok((await stage.statusOf(daemon)).commitIndex >= first + crowd.length * each);
  });

  // ---------------------------------------------------------------- who leads

  const GRACE_MS = 400;
  const GRACE = ['--app-grace-ms', String(GRACE_MS)];

  it('a leader whose app is gone hands over to the node whose app is healthy, and is not asked back', async () => {
    const all = await stage.cluster(3, GRACE);
    const leader = (await stage.daemons.leaderOf(all)) as Daemon;
    const [healthy, without] = all.filter((daemon) => daemon !== leader) as [Daemon, Daemon];
    const app = await stage.attach(leader);
    await stage.isWell(leader, 0);
    await stage.attach(healthy);
    await stage.isWell(healthy, 0);
    await stage.daemons.until('it leads with a healthy app', async () =>
      [leader, healthy].includes((await stage.daemons.leaderOf(all)) as Daemon),
    );
    const now = (await stage.daemons.leaderOf(all)) as Daemon;
    const other = now === leader ? healthy : leader;
    await (now === leader ? app : (stage.apps[1] as MoodyApp)).kill();
    await stage.daemons.until(`${other.id} leads`, async () => (await stage.daemons.leaderOf(all)) === other);
    const started = await stage
      .reader(now)
      .find(
        ({ kind, cause, peer }) =>
          kind === 'TRANSFER_STARTED' && cause === 'APP_UNHEALTHY' && peer === other.id,
      );
    const fell = await stage
      .reader(now)
      .find(({ kind, was, seq }) => kind === 'ROLE' && was === 'LEADER' && seq > started.seq);
    assert.equal(fell.cause, 'TRANSFERRED');
    assert.equal((await stage.explained(now, 'leader')).cause, 'LEADER_APP_UNHEALTHY');
    // Each tells its new leader what its app is like.
    await stage.daemons.until('it knows of both that they are not fit', async () => {
      const { progress } = await stage.statusOf(other);
      const unfit = progress.filter(({ fit }) => !fit).map(({ id }) => id);
      return unfit.sort().join() === [now.id, without.id].sort().join();
    });
    const { term } = await stage.statusOf(other);

    // When its app is back, nothing changes: leadership is handed over for a reason only.
    const before = stage.eventsSoFar(now);
    await stage.attach(now);
    await stage.isWell(now, before);
    const through = await stage.client(now);
    for (let i = 0; i < 20; i++) await stage.commit(through, 'a');
    assert.equal((await stage.statusOf(other)).term, term);
    assert.equal(await stage.daemons.leaderOf(all), other);
  });

  it('a node without an app does not take over while another can', async () => {
    const all = await stage.cluster(3, GRACE);
    for (const daemon of all.slice(0, 2)) await stage.attach(daemon);
    for (const daemon of all.slice(0, 2)) await stage.isWell(daemon, 0);
    await stage.daemons.until('one with an app leads', async () =>
      all.slice(0, 2).includes((await stage.daemons.leaderOf(all)) as Daemon),
    );
    const leader = (await stage.daemons.leaderOf(all)) as Daemon;
    const heir = all.slice(0, 2).find((daemon) => daemon !== leader) as Daemon;
    await stage.daemons.until('it knows who is fit', async () =>
      (await stage.statusOf(leader)).progress.every(({ id, fit }) => fit === (id === heir.id)),
    );
    await leader.child.kill();
    await stage.daemons.until('the heir leads', async () => (await stage.daemons.leaderOf(all)) === heir);
  });

  it('without any app the cluster has a leader that stays, and commits', async () => {
    const all = await stage.cluster(3, GRACE);
    const leader = (await stage.daemons.leaderOf(all)) as Daemon;
    const { term } = await stage.statusOf(leader);
    const through = await stage.client(all.find((daemon) => daemon !== leader) as Daemon);
    // That nothing happens can only be seen in time: four grace periods.
    const end = performance.now() + 4 * GRACE_MS;
    while (performance.now() < end) await stage.commit(through, 'a');
    assert.equal((await stage.statusOf(leader)).term, term);
    assert.equal(await stage.daemons.leaderOf(all), leader);
    assert.ok(!stage.reader(leader).events.some(({ kind }) => kind === 'TRANSFER_STARTED'));
    // And another one, when that is gone: nobody waits for an app that does not exist.
    const { commitIndex } = await stage.statusOf(leader);
    await leader.child.kill();
    await stage.daemons.until('another leads and commits', async () => {
      const next = await stage.daemons.leaderOf(all);
      return next !== undefined && (await stage.statusOf(next)).commitIndex > commitIndex;
    });
  });
});
