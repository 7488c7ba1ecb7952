/**
 * Apps that misbehave, each situation staged with real sidecars and a real app process: the node says in its status, its
 * metrics, its events and its explanation what is wrong, since when and why; and again when it is well.
 *
 * MUST: stage every row of "if the app dies, lags, restarts, or lies". What needs snapshots is not staged here.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { AppCondition } from '../../shared/app-conditions.ts';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { RaftEvent } from '../../shared/events.ts';
import type { ExplainCause, Explanation } from '../../shared/explain/types.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { EventReader } from '../support/event-reader.ts';
import { MoodyApp } from '../support/moody-app.ts';

describe('apps that misbehave', function () {
  this.timeout(90_000);
  let daemons: Daemons;
  let readers: Map<Daemon, EventReader>;
  let apps: MoodyApp[];
  let clients: AppClient[];
  /** Numbers of requests. */
  let asked = 0;

  beforeEach(async () => {
    daemons = await Daemons.begin();
    readers = new Map();
    apps = [];
    clients = [];
  });

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(apps.map((app) => app.kill()));
    await Promise.all([...readers.values()].map((reader) => reader.cut()));
    await daemons.end();
  });

  // ---------------------------------------------------------------- the stage

  async function secret(daemon: Daemon): Promise<string> {
    return (await readTokenFile(join(daemon.dir, 'tokens.json')))?.admin ?? '';
  }

  async function watch(daemon: Daemon): Promise<EventReader> {
    const reader = await EventReader.open(`http://${daemon.http}`, { token: await secret(daemon) });
    readers.set(daemon, reader);
    return reader;
  }

  async function cluster(size: number, ...flags: string[]): Promise<Daemon[]> {
    const all = await daemons.cluster(size, { flags });
    for (const daemon of all) await watch(daemon);
    return all;
  }

  /** A cluster of one, with the events read. */
  async function alone(): Promise<Daemon> {
    return (await cluster(1))[0] as Daemon;
  }

  async function attach(daemon: Daemon, ...flags: string[]): Promise<MoodyApp> {
    const app = await MoodyApp.join(daemon.socket, ...flags);
    apps.push(app);
    return app;
  }

  /** One that is not expected to be let in. */
  async function knock(daemon: Daemon, ...flags: string[]): Promise<MoodyApp> {
    const app = await MoodyApp.start(daemon.socket, ...flags);
    apps.push(app);
    await app.says(/^goodbye/);
    return app;
  }

  async function client(daemon: Daemon): Promise<AppClient> {
    const made = await AppClient.greet(daemon.socket, 'json');
    clients.push(made);
    return made;
  }

  /** Commits a command through that client; returns its index. */
  async function commit(
    through: AppClient,
    command: string,
    wait: 'COMMITTED' | 'APPLIED' = 'COMMITTED',
  ): Promise<number> {
    const id = ++asked;
    through.send({ type: 'propose', id, command: Buffer.from(command), wait });
    return (await through.next('proposed', (frame) => frame.id === id)).index;
  }

  const statusOf = async (daemon: Daemon): Promise<NodeStatus> => {
    const status = await daemons.status(daemon);
    assert.ok(status, `${daemon.id} does not answer`);
    return status;
  };

  async function metric(daemon: Daemon, name: string): Promise<number> {
    const text = await (await fetch(`http://${daemon.http}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${name} `));
    assert.ok(line, `${daemon.id} has no metric ${name}`);
    return Number(line.slice(name.length + 1));
  }

  const ofApp = (condition: AppCondition, after: number) => (event: RaftEvent) =>
    event.kind === 'APP' && event.condition === condition && event.seq > after;

  /** How many events there were; later ones have a higher number. */
  const eventsSoFar = (daemon: Daemon): number => readers.get(daemon)?.events.at(-1)?.seq ?? 0;

  interface Expected {
    readonly reason: RegExp;
    readonly entry?: number;
    /** What `explain` says; undefined where all is well by then. */
    readonly cause?: ExplainCause;
    /** Only events after this one count. */
    readonly after?: number;
  }

  /** The app beside `daemon` is in this condition, by its event, its status, its metrics and its explanation. */
  async function sees(daemon: Daemon, condition: AppCondition, expected: Expected): Promise<RaftEvent> {
    const event = await (readers.get(daemon) as EventReader).find(ofApp(condition, expected.after ?? 0));
    assert.match(event.reason ?? '', expected.reason);
    assert.equal(event.cause, `APP_${event.state}`);
    if (expected.entry !== undefined) assert.equal(event.entry, expected.entry);
    const { app, now } = await statusOf(daemon);
    assert.equal(app.condition, condition);
    assert.equal(app.state, event.state);
    assert.match(app.reason, expected.reason);
    assert.ok(app.since > 0 && app.since <= now + 1, `since ${app.since}, now ${now}`);
    const incident = app.incidents?.find((one) => one.condition === condition);
    assert.match(incident?.reason ?? '', expected.reason);
    assert.equal(await metric(daemon, `outrigger_app_condition{condition="${condition}"}`), 1);
    assert.equal(await metric(daemon, 'outrigger_app_condition{condition="HEALTHY"}'), 0);
    const times = await metric(daemon, `outrigger_app_incidents_total{condition="${condition}"}`);
    assert.equal(times, incident?.count);
    if (expected.cause !== undefined) assert.equal((await explained(daemon)).cause, expected.cause);
    return event;
  }

  /** It is well again after that event. */
  async function isWell(daemon: Daemon, after: number): Promise<void> {
    await (readers.get(daemon) as EventReader).find(ofApp('HEALTHY', after));
    await daemons.until(`the app of ${daemon.id} is well`, async () => {
      const { app } = await statusOf(daemon);
      return app.condition === 'HEALTHY' && app.fit === true;
    });
    assert.equal(await metric(daemon, 'outrigger_app_condition{condition="HEALTHY"}'), 1);
    assert.equal(await metric(daemon, 'outrigger_app_fit'), 1);
    const ready = await fetch(`http://${daemon.http}/readyz`);
    const { checks } = (await ready.json()) as { checks?: { name: string; ok: boolean }[] };
    if (ready.status !== 200) assert.ok(checks?.every(({ name, ok }) => ok || name !== 'app'));
  }

  const explained = (daemon: Daemon, about = 'member'): Promise<Explanation> =>
    daemons.view<Explanation>(daemon, `/v1/explain?about=${about}&id=${about === 'leader' ? '' : daemon.id}`);

  // ---------------------------------------------------------------- the rows

  it('absent: the node serves what needs no app, and refuses the rest for certain', async () => {
    const daemon = await alone();
    const { app } = await statusOf(daemon);
    assert.deepEqual([app.state, app.condition, app.fit], ['ABSENT', 'ABSENT', false]);
    assert.match(app.reason, /no app has connected yet/);
    assert.equal((await explained(daemon)).cause, 'APP_ABSENT');
    const through = await client(daemon);
    await commit(through, 'a');
    through.send({ type: 'propose', id: ++asked, command: Buffer.from('b') }, { type: 'read', id: ++asked });
    for (const id of [asked - 1, asked]) {
      const { code, definite } = await through.next('error', (frame) => frame.id === id);
      assert.deepEqual([code, definite], ['APP_ABSENT', true]);
    }
    const ready = await fetch(`http://${daemon.http}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /the app is ABSENT/);
    const before = eventsSoFar(daemon);
    await attach(daemon);
    await isWell(daemon, before);
  });

  it('slow, then stalled, then well; and one that reads nothing', async () => {
    const [first, second] = (await cluster(2)) as [Daemon, Daemon];
    const stalled = await attach(first);
    const deaf = await attach(second);
    await isWell(first, 0);
    await isWell(second, 0);
    stalled.be('stall');
    deaf.be('deaf');
    const through = await client(first);
    const index = await commit(through, 'a');
    for (let size = 0; size < LIMITS.deliveryBytes * 4; size += 64 * 1024)
      await commit(through, 'x'.repeat(64 * 1024));
    const reason = new RegExp(`was given entry ${index} and gave no sign of applying it for`);
    await sees(first, 'LAGGING', { reason, entry: index, cause: 'APP_SLOW' });
    await sees(first, 'STALLED', { reason, entry: index, cause: 'APP_STALLED' });
    await sees(second, 'NOT_READING', { reason: /reads nothing: \d+ bytes/, cause: 'APP_NOT_READING' });
    const [one, two] = [eventsSoFar(first), eventsSoFar(second)];
    stalled.be('go');
    deaf.be('go');
    await isWell(first, one);
    await isWell(second, two);
    assert.equal((await statusOf(second)).appliedIndex, (await statusOf(second)).commitIndex);
  });

  it('crashed in the middle of a batch; restarted with its state, and without', async () => {
    const daemon = await alone();
    const state = join(daemons.root, 'state.json');
    const dying = await attach(daemon, '--state', state);
    await isWell(daemon, 0);
    const through = await client(daemon);
    await commit(through, 'a', 'APPLIED');
    dying.be('die');
    const index = await commit(through, 'b');
    await sees(daemon, 'CRASHED', {
      reason: new RegExp(`entries ${index} to \\d+ were given to it and not acknowledged`),
      entry: index,
      cause: 'APP_CRASHED',
    });
    await commit(through, 'c');

    // It had written its state down before it died: it is not given that entry a second time.
    const crashed = eventsSoFar(daemon);
    const back = await attach(daemon, '--state', state);
    const reader = readers.get(daemon) as EventReader;
    const restarted = await reader.find(ofApp('RESTARTED_WITH_STATE', crashed));
    assert.match(restarted.reason ?? '', new RegExp(`its state as of entry ${index}`));
    await isWell(daemon, restarted.seq);
    assert.deepEqual(back.lines.slice(0, 2), ['welcome', `given ${index + 1}`]);
    await back.kill();
    await reader.find(ofApp('ABSENT', restarted.seq));

    const gone = eventsSoFar(daemon);
    const empty = await attach(daemon);
    const anew = await reader.find(ofApp('RESTARTED_EMPTY', gone));
    assert.match(anew.reason ?? '', /given the log from entry 1/);
    await isWell(daemon, anew.seq);
    assert.match(await empty.says(/^given/), new RegExp(`given ${index + 1}`));
  });

  it('ahead of the log, and of another log', async () => {
    const daemon = await alone();
    const ahead = await knock(daemon, '--at', '1000000');
    assert.match(await ahead.says(/^error/), /APP_AHEAD the app has applied 1000000/);
    await ahead.says(/^goodbye APP_AHEAD/);
    await sees(daemon, 'AHEAD', {
      reason: /has applied 1000000, but the log of this node ends at \d+/,
      entry: 1_000_000,
      cause: 'APP_AHEAD',
    });
    const other = await knock(daemon, '--at', '1', '--hash', '00'.repeat(32));
    await other.says(/^goodbye APP_DIVERGED/);
    await sees(daemon, 'DIVERGED', {
      reason: /at index 1 the app's hash is not the log's/,
      entry: 1,
      cause: 'APP_DIVERGED',
    });
    const before = eventsSoFar(daemon);
    await attach(daemon);
    await isWell(daemon, before);
  });

  it('answering for an entry that it was not given', async () => {
    const daemon = await alone();
    const liar = await attach(daemon);
    await isWell(daemon, 0);
    liar.be('lie');
    assert.match(
      await liar.says(/^error/),
      /BAD_REQUEST applied.through is \d+, but only entries through \d+ were/,
    );
    await sees(daemon, 'LIED', { reason: /applied.through is \d+/, cause: 'APP_LIED' });
    const before = eventsSoFar(daemon);
    await attach(daemon);
    await isWell(daemon, before);
  });

  it('two at once', async () => {
    const daemon = await alone();
    const reader = readers.get(daemon) as EventReader;
    const old = await attach(daemon);
    await isWell(daemon, 0);
    for (const takeover of [1, 2]) {
      const before = eventsSoFar(daemon);
      await attach(daemon);
      const event = await reader.find(ofApp('SUPERSEDED', before));
      assert.match(event.reason ?? '', /moody said hello while moody \(epoch \d\) was connected/);
      await isWell(daemon, event.seq);
      const incident = (await statusOf(daemon)).app.incidents?.find((one) => one.condition === 'SUPERSEDED');
      assert.equal(incident?.count, takeover);
    }
    await old.says(/^goodbye SUPERSEDED/);
    assert.equal(await metric(daemon, 'outrigger_app_incidents_total{condition="SUPERSEDED"}'), 2);
    assert.equal((await explained(daemon)).cause, 'APP_CONTENDED');
  });

  it('of another protocol', async () => {
    const daemon = await alone();
    const future = await knock(daemon, '--protocol', '2');
    assert.match(
      await future.says(/^error/),
      /UNSUPPORTED protocol 2 is not spoken here; this sidecar speaks 1/,
    );
    await sees(daemon, 'INCOMPATIBLE', { reason: /protocol 2 is not spoken/, cause: 'APP_INCOMPATIBLE' });
    const before = eventsSoFar(daemon);
    await attach(daemon);
    await isWell(daemon, before);
  });

  it('poison: every app stops there, and it goes on once it is cured, or the entry is skipped', async () => {
    const all = await cluster(3);
    const three = await Promise.all(all.map((daemon) => attach(daemon)));
    for (const daemon of all) await isWell(daemon, 0);
    for (const app of three) app.be('poison arsenic');
    const through = await client(all[0] as Daemon);
    await commit(through, 'water');
    const index = await commit(through, 'arsenic');
    await commit(through, 'bread');
    for (const daemon of all) {
      await sees(daemon, 'FAILED', {
        reason: new RegExp(`failed to apply entry ${index} \\(POISON: this app cannot apply arsenic\\)`),
        entry: index,
        cause: 'APP_FAILED',
      });
      assert.equal((await statusOf(daemon)).appliedIndex, index - 1);
    }
    const entry = await daemons.view<Explanation>(all[0] as Daemon, `/v1/explain?about=entry&id=${index}`);
    assert.ok(
      entry.evidence.some(({ text }) => /cannot apply it/.test(text)),
      JSON.stringify(entry),
    );

    const [first, second, third] = all as [Daemon, Daemon, Daemon];
    const before = all.map(eventsSoFar);
    three[0]?.be('cure');
    await isWell(first, before[0] ?? 0);
    // One that is upgraded is another process.
    await three[1]?.kill();
    await attach(second);
    await isWell(second, before[1] ?? 0);
    const skipped = await fetch(`http://${first.http}/v1/skip`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await secret(first)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ index, reason: 'poison' }),
    });
    // The first has applied it: the operator is told that it is too late to skip it, and cures the last one too.
    assert.equal(skipped.status, 400, await skipped.clone().text());
    three[2]?.be('cure');
    await isWell(third, before[2] ?? 0);
  });

  it('poison that an operator skips', async () => {
    const daemon = await alone();
    const app = await attach(daemon);
    await isWell(daemon, 0);
    app.be('poison arsenic');
    const index = await commit(await client(daemon), 'arsenic');
    await sees(daemon, 'FAILED', { reason: /arsenic/, entry: index, cause: 'APP_FAILED' });
    const answer = await fetch(`http://${daemon.http}/v1/skip`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await secret(daemon)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ index, reason: 'poison' }),
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    await app.says(/^goodbye SKIPPED/);
    const reader = readers.get(daemon) as EventReader;
    const absent = await reader.find(ofApp('ABSENT', 0));
    assert.match(absent.reason ?? '', /an operator skipped the command/);
    const again = await attach(daemon);
    again.be('poison arsenic');
    await isWell(daemon, absent.seq);
  });

  // ---------------------------------------------------------------- who leads

  const GRACE_MS = 400;
  const GRACE = ['--app-grace-ms', String(GRACE_MS)];

  it('a leader whose app is gone hands over to the node whose app is healthy, and is not asked back', async () => {
    const all = await cluster(3, ...GRACE);
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const [healthy, without] = all.filter((daemon) => daemon !== leader) as [Daemon, Daemon];
    const app = await attach(leader);
    await isWell(leader, 0);
    await attach(healthy);
    await isWell(healthy, 0);
    await daemons.until('it leads with a healthy app', async () =>
      [leader, healthy].includes((await daemons.leaderOf(all)) as Daemon),
    );
    const now = (await daemons.leaderOf(all)) as Daemon;
    const other = now === leader ? healthy : leader;
    await (now === leader ? app : (apps[1] as MoodyApp)).kill();
    await daemons.until(`${other.id} leads`, async () => (await daemons.leaderOf(all)) === other);
    const started = await (readers.get(now) as EventReader).find(
      ({ kind, cause, peer }) =>
        kind === 'TRANSFER_STARTED' && cause === 'APP_UNHEALTHY' && peer === other.id,
    );
    const fell = await (readers.get(now) as EventReader).find(
      ({ kind, was, seq }) => kind === 'ROLE' && was === 'LEADER' && seq > started.seq,
    );
    assert.equal(fell.cause, 'TRANSFERRED');
    assert.equal((await explained(now, 'leader')).cause, 'LEADER_APP_UNHEALTHY');
    const { term, progress } = await statusOf(other);
    assert.deepEqual(
      progress.map(({ id, fit }) => [id, fit]),
      [now.id, without.id].sort().map((id) => [id, false]),
    );

    // When its app is back, nothing changes: leadership is handed over for a reason only.
    const before = eventsSoFar(now);
    await attach(now);
    await isWell(now, before);
    const through = await client(now);
    for (let i = 0; i < 20; i++) await commit(through, 'a');
    assert.equal((await statusOf(other)).term, term);
    assert.equal(await daemons.leaderOf(all), other);
  });

  it('a node without an app does not take over while another can', async () => {
    const all = await cluster(3, ...GRACE);
    for (const daemon of all.slice(0, 2)) await attach(daemon);
    for (const daemon of all.slice(0, 2)) await isWell(daemon, 0);
    await daemons.until('one with an app leads', async () =>
      all.slice(0, 2).includes((await daemons.leaderOf(all)) as Daemon),
    );
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const heir = all.slice(0, 2).find((daemon) => daemon !== leader) as Daemon;
    await daemons.until('it knows who is fit', async () =>
      (await statusOf(leader)).progress.every(({ id, fit }) => fit === (id === heir.id)),
    );
    await leader.child.kill();
    await daemons.until('the heir leads', async () => (await daemons.leaderOf(all)) === heir);
  });

  it('without any app the cluster has a leader that stays, and commits', async () => {
    const all = await cluster(3, ...GRACE);
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const { term } = await statusOf(leader);
    const through = await client(all.find((daemon) => daemon !== leader) as Daemon);
    // That nothing happens can only be seen in time: four grace periods.
    const end = performance.now() + 4 * GRACE_MS;
    while (performance.now() < end) await commit(through, 'a');
    assert.equal((await statusOf(leader)).term, term);
    assert.equal(await daemons.leaderOf(all), leader);
    assert.ok(!readers.get(leader)?.events.some(({ kind }) => kind === 'TRANSFER_STARTED'));
    // And another one, when that is gone: nobody waits for an app that does not exist.
    const { commitIndex } = await statusOf(leader);
    await leader.child.kill();
    await daemons.until('another leads and commits', async () => {
      const next = await daemons.leaderOf(all);
      return next !== undefined && (await statusOf(next)).commitIndex > commitIndex;
    });
  });
});
