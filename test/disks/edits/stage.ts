/**
 * Three real daemons under load, with an app each that has nothing but what its sidecar gives it. One of them can be stopped,
 * its folder edited, and started again; each app's state and each log is then compared with those of the others.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readTokenFile } from '../../../shared/endpoint-files.ts';
import type { RaftEvent } from '../../../shared/events.ts';
import type { LogPage, NodeStatus } from '../../../shared/inspect.ts';
import type { Exit } from '../../../sidecar/cli/cluster/managed-process.ts';
import { type Daemon, Daemons } from '../../support/daemons.ts';
import { EventReader } from '../../support/event-reader.ts';
import { SnapshotApp } from '../../support/snapshot-app.ts';
import { Load } from '../load.ts';

/** A snapshot every 300 entries or so: folders hold some, and logs that begin behind them. */
export const FLAGS = [
  ...['--snapshot-entries', '300', '--snapshot-bytes', String(96 * 1024)],
  ...['--election-min-ms', '150', '--election-max-ms', '300'],
];
const STOP_MS = 20_000;
const PAGE = 5_000;
/** Where the guard's two slots have what (sidecar/store/guard.ts). */
const GUARD_SLOTS = [0, 4096] as const;

/** What a node had promised when it was stopped. */
export interface Promised {
  /** Reported durable, at the least. */
  readonly index: number;
  /** What the guard file says of that. */
  readonly guardIndex: number;
  readonly term: number;
  readonly vote: string;
}

export class Stage {
  readonly daemons: Daemons;
  readonly load: Load;
  readonly #nodes = new Map<string, Daemon>();
  readonly #apps = new Map<string, SnapshotApp>();
  /** Those that clients may write to. */
  readonly #up = new Set<string>();

  private constructor(daemons: Daemons, nodes: readonly Daemon[]) {
    this.daemons = daemons;
    for (const node of nodes) this.#open(node);
    this.load = new Load(() => [...this.#up].map((id) => this.node(id)));
  }

  static async begin(): Promise<Stage> {
    const daemons = await Daemons.begin();
    const stage = new Stage(daemons, await daemons.cluster(3, { flags: FLAGS }));
    stage.load.start();
    await stage.load.more(400);
    for (const id of stage.ids) await stage.stop(id, true);
    for (const id of stage.ids) cpSync(stage.node(id).dir, stage.earlier(id), { recursive: true });
    for (const id of stage.ids) await stage.start(id);
    await stage.load.more(400);
    return stage;
  }

  async end(): Promise<void> {
    await this.load.cut();
    await Promise.all([...this.#apps.values()].map((app) => app.close()));
    await this.daemons.end();
  }

  get ids(): string[] {
    return [...this.#nodes.keys()];
  }

  node(id: string): Daemon {
    return this.#nodes.get(id) ?? assert.fail(`there is no ${id}`);
  }

  app(id: string): SnapshotApp {
    return this.#apps.get(id) ?? assert.fail(`${id} has no app`);
  }

  others(id: string): string[] {
    return this.ids.filter((other) => other !== id);
  }

  /** Copies of a node's folder: of an earlier stop, and of the last one. */
  earlier(id: string): string {
    return join(this.daemons.root, `earlier-${id}`);
  }

  untouched(id: string): string {
    return join(this.daemons.root, `untouched-${id}`);
  }

  status(id: string): Promise<NodeStatus | undefined> {
    return this.daemons.status(this.node(id));
  }

  async leader(ids: readonly string[] = this.ids): Promise<string | undefined> {
    return (await this.daemons.leaderOf(ids.map((id) => this.node(id))))?.id;
  }

  /** Stops a node and its app, and keeps a copy of its folder as `untouched`. */
  async stop(id: string, hard: boolean): Promise<Promised> {
    const { child, dir } = this.node(id);
    const status = await this.status(id);
    this.#up.delete(id);
    await (hard ? child.kill() : child.stop(STOP_MS));
    await this.#closeApp(id);
    rmSync(this.untouched(id), { recursive: true, force: true });
    cpSync(dir, this.untouched(id), { recursive: true });
    return { index: status?.durableIndex ?? 0, ...readGuard(dir) };
  }

  /** Starts it, with an app that has nothing. Its exit when it does not serve. */
  async start(id: string): Promise<Exit | undefined> {
    const { members, ...plan } = this.node(id);
    const daemon = await this.daemons.launch(plan, members, {}, FLAGS);
    const served = Symbol('served');
    const exit = await Promise.race([daemon.child.exited, Promise.resolve(served)]);
    if (typeof exit === 'object') {
      this.#nodes.set(id, daemon);
      return exit;
    }
    this.#open(daemon);
    return undefined;
  }

  /** Puts the folder back as it was when the node was stopped. */
  restore(id: string): void {
    const { dir } = this.node(id);
    rmSync(dir, { recursive: true, force: true });
    cpSync(this.untouched(id), dir, { recursive: true });
  }

  /** The last stop becomes the earlier one. */
  age(id: string): void {
    rmSync(this.earlier(id), { recursive: true, force: true });
    cpSync(this.untouched(id), this.earlier(id), { recursive: true });
  }

  async events(id: string): Promise<EventReader> {
    const { dir, http } = this.node(id);
    const tokens = await readTokenFile(join(dir, 'tokens.json'));
    return EventReader.open(`http://${http}`, { token: tokens?.view ?? '', since: '0' });
  }

  /** Resolves when it holds, or with the node's exit if it ends before. */
  async unlessItEnds(id: string, what: string, holds: () => Promise<boolean>): Promise<Exit | undefined> {
    let exit: Exit | undefined;
    void this.node(id).child.exited.then((ended) => {
      exit = ended;
    });
    await this.daemons.until(`${id}: ${what}`, async () => exit !== undefined || (await holds()));
    return exit;
  }

  /** With nothing on its way: what differs between the nodes, or from what clients were told. One sentence each. */
  async differences(id: string): Promise<string[]> {
    const problems = this.load.missing(this.app(id).state.values).map((one) => `the app of ${id}: ${one}`);
    for (const other of this.others(id)) {
      if (this.app(other).dump !== this.app(id).dump)
        problems.push(`the apps of ${id} and ${other} hold different things`);
      problems.push(...(await this.#differingEntries(id, other)));
    }
    return problems;
  }

  async #differingEntries(id: string, other: string): Promise<string[]> {
    const [ours, theirs] = await Promise.all([this.#log(id), this.#log(other)]);
    let common = 0;
    for (const [index, hash] of ours) {
      const theirHash = theirs.get(index);
      if (theirHash === undefined) continue;
      if (theirHash !== hash) return [`entry ${index} of ${id} is not that of ${other}`];
      common++;
    }
    return common > 0 ? [] : [`the logs of ${id} and ${other} have nothing in common to compare`];
  }

  /** Chain hashes of what is committed. */
  async #log(id: string): Promise<Map<number, string>> {
    const status = (await this.status(id)) ?? assert.fail(`${id} does not answer`);
    const hashes = new Map<number, string>();
    for (let from = status.firstIndex; from <= status.commitIndex; ) {
      const to = Math.min(status.commitIndex, from + PAGE - 1);
      const { entries } = await this.daemons.view<LogPage>(this.node(id), `/v1/log?from=${from}&to=${to}`);
      for (const { index, hash } of entries) hashes.set(index, hash);
      const last = entries.at(-1)?.index ?? to;
      from = last + 1;
    }
    return hashes;
  }

  #open(daemon: Daemon): void {
    this.#nodes.set(daemon.id, daemon);
    this.#apps.set(daemon.id, new SnapshotApp(daemon.socket));
    this.#up.add(daemon.id);
  }

  async #closeApp(id: string): Promise<void> {
    await this.#apps.get(id)?.close();
    this.#apps.delete(id);
  }

  /** It has ended by itself. */
  async ended(id: string): Promise<void> {
    this.#up.delete(id);
    await this.#closeApp(id);
  }
}

/** Term, vote and watermark of the newest slot. */
function readGuard(folder: string): { guardIndex: number; term: number; vote: string } {
  const path = join(folder, 'guard');
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const slots = GUARD_SLOTS.filter((at) => bytes.length >= at + 512 && bytes.readBigUInt64LE(at + 8) > 0n)
    .map((at) => bytes.subarray(at, at + 512))
    .sort((a, b) => Number(b.readBigUInt64LE(8) - a.readBigUInt64LE(8)));
  const [newest] = slots;
  if (newest === undefined) return { guardIndex: 0, term: 0, vote: '' };
  const number = (at: number): number => Number(newest.readBigUInt64LE(at));
  const vote = newest.toString('utf8', 100, 100 + (newest[65] ?? 0));
  return { guardIndex: number(40), term: number(32), vote };
}

/** Has it said yes to anybody before it was whole? */
export function votedUnproven(events: readonly RaftEvent[]): boolean {
  const whole = events.findIndex(({ kind }) => kind === 'WHOLE');
  const before = whole === -1 ? events : events.slice(0, whole);
  return before.some(({ kind, granted }) => kind === 'VOTE_GIVEN' && granted === true);
}
