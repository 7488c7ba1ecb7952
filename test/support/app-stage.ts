/**
 * Real daemons with real app processes beside them, and all the ways in which a daemon says how its app stands: for the
 * tests of apps that misbehave.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { AppCondition } from '../../shared/app-conditions.ts';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { RaftEvent } from '../../shared/events.ts';
import type { ExplainCause, Explanation } from '../../shared/explain/types.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { describeExit } from '../../sidecar/cli/cluster/managed-process.ts';
import { AppClient } from './app-client.ts';
import { type ClusterOptions, type Daemon, Daemons } from './daemons.ts';
import { EventReader } from './event-reader.ts';
import { MoodyApp } from './moody-app.ts';

export interface Expected {
  readonly reason: RegExp;
  readonly entry?: number;
  /** What `explain` says. */
  readonly cause?: ExplainCause;
  /** Only events after this one count. */
  readonly after?: number;
}

/** An event that tells of this condition, after the one with that number. */
export const ofApp = (condition: AppCondition, after: number) => (event: RaftEvent) =>
  event.kind === 'APP' && event.condition === condition && event.seq > after;

/** Whether its process is there, and the last it wrote. */
async function lastWords({ child, stderr }: Daemon): Promise<string> {
  const end = child.running ? 'it runs' : describeExit(await child.exited);
  return [end, ...stderr.slice(-3)].join('\n');
}

export class AppStage {
  readonly daemons: Daemons;
  readonly apps: MoodyApp[] = [];
  readonly #readers = new Map<Daemon, EventReader>();
  readonly #clients: AppClient[] = [];
  #asked = 0;

  private constructor(daemons: Daemons) {
    this.daemons = daemons;
  }

  static async begin(): Promise<AppStage> {
    return new AppStage(await Daemons.begin());
  }

  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.apps.map((app) => app.kill()));
    await Promise.all([...this.#readers.values()].map((reader) => reader.cut()));
    await this.daemons.end();
  }

  // ---------------------------------------------------------------- who is there

  async secret(daemon: Daemon): Promise<string> {
    return (await readTokenFile(join(daemon.dir, 'tokens.json')))?.admin ?? '';
  }

  /** An operator's word to that node. */
  async say(daemon: Daemon, path: string, body: object): Promise<Response> {
    return fetch(`http://${daemon.http}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await this.secret(daemon)}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  /** A cluster whose events are all read. */
  async cluster(size: number, flags: readonly string[] = [], more: ClusterOptions = {}): Promise<Daemon[]> {
    const all = await this.daemons.cluster(size, { flags, ...more });
    for (const daemon of all) {
      const token = await this.secret(daemon);
      this.#readers.set(daemon, await EventReader.open(`http://${daemon.http}`, { token }));
    }
    return all;
  }

  async alone(): Promise<Daemon> {
    return (await this.cluster(1))[0] as Daemon;
  }

  /** An app that is let in. */
  async attach(daemon: Daemon, ...flags: string[]): Promise<MoodyApp> {
    const app = await MoodyApp.join(daemon.socket, ...flags);
    this.apps.push(app);
    return app;
  }

  /** One that is not. */
  async knock(daemon: Daemon, ...flags: string[]): Promise<MoodyApp> {
    const app = await MoodyApp.start(daemon.socket, ...flags);
    this.apps.push(app);
    await app.says(/^goodbye/);
    return app;
  }

  async client(daemon: Daemon): Promise<AppClient> {
    const made = await AppClient.greet(daemon.socket, 'json');
    this.#clients.push(made);
    return made;
  }

  nextId(): number {
    return ++this.#asked;
  }

  /** Commits a command through that client; returns its index. */
  async commit(
    through: AppClient,
    command: string,
    wait: 'COMMITTED' | 'APPLIED' = 'COMMITTED',
  ): Promise<number> {
    const id = this.nextId();
    through.send({ type: 'propose', id, command: Buffer.from(command), wait });
    return (await through.next('proposed', (frame) => frame.id === id)).index;
  }

  // ---------------------------------------------------------------- what they say

  reader(daemon: Daemon): EventReader {
    const reader = this.#readers.get(daemon);
    assert.ok(reader, `the events of ${daemon.id} are not read`);
    return reader;
  }

  /** How many events there were; later ones have a higher number. */
  eventsSoFar(daemon: Daemon): number {
    return this.reader(daemon).events.at(-1)?.seq ?? 0;
  }

  async statusOf(daemon: Daemon): Promise<NodeStatus> {
    // Once more: a kept connection may have been closed just when it was used.
    const status = (await this.daemons.status(daemon)) ?? (await this.daemons.status(daemon));
    assert.ok(status, `${daemon.id} does not answer; ${await lastWords(daemon)}`);
    return status;
  }

  async metric(daemon: Daemon, name: string): Promise<number> {
    const text = await (await fetch(`http://${daemon.http}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${name} `));
    assert.ok(line, `${daemon.id} has no metric ${name}`);
    return Number(line.slice(name.length + 1));
  }

  explained(daemon: Daemon, about = 'member'): Promise<Explanation> {
    const id = about === 'leader' ? '' : daemon.id;
    return this.daemons.view<Explanation>(daemon, `/v1/explain?about=${about}&id=${id}`);
  }

  /** The app beside `daemon` is in this condition, by its event, its status, its metrics and its explanation. */
  async sees(daemon: Daemon, condition: AppCondition, expected: Expected): Promise<RaftEvent> {
    const event = await this.reader(daemon).find(ofApp(condition, expected.after ?? 0));
    assert.match(event.reason ?? '', expected.reason);
    assert.equal(event.cause, `APP_${event.state}`);
    if (expected.entry !== undefined) assert.equal(event.entry, expected.entry);
    const { app, now } = await this.statusOf(daemon);
    assert.equal(app.condition, condition);
    assert.equal(app.state, event.state);
    assert.match(app.reason, expected.reason);
    assert.ok(app.since > 0 && app.since <= now + 1, `since ${app.since}, now ${now}`);
    const incident = app.incidents?.find((one) => one.condition === condition);
    assert.match(incident?.reason ?? '', expected.reason);
    assert.equal(await this.metric(daemon, `outrigger_app_condition{condition="${condition}"}`), 1);
    assert.equal(await this.metric(daemon, 'outrigger_app_condition{condition="HEALTHY"}'), 0);
    const times = await this.metric(daemon, `outrigger_app_incidents_total{condition="${condition}"}`);
    assert.equal(times, incident?.count);
    if (expected.cause !== undefined) assert.equal((await this.explained(daemon)).cause, expected.cause);
    return event;
  }

  /** It is well again after that event. */
  async isWell(daemon: Daemon, after: number): Promise<void> {
    await this.reader(daemon).find(ofApp('HEALTHY', after));
    await this.daemons.until(`the app of ${daemon.id} is well`, async () => {
      const { app } = await this.statusOf(daemon);
      return app.condition === 'HEALTHY' && app.fit === true;
    });
    assert.equal(await this.metric(daemon, 'outrigger_app_condition{condition="HEALTHY"}'), 1);
    assert.equal(await this.metric(daemon, 'outrigger_app_fit'), 1);
    const ready = await fetch(`http://${daemon.http}/readyz`);
    const { checks } = (await ready.json()) as { checks?: { name: string; ok: boolean }[] };
    if (ready.status !== 200) assert.ok(checks?.every(({ name, ok }) => ok || name !== 'app'));
  }
}
