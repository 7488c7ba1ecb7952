/** What a check works with: copies of the app, a log for them, and the judgement of what they did with it. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AppFacts, Failed, type SuiteOptions, type Workload } from './contract.ts';
import { Instance } from './play/instance.ts';
import { PlayedLog } from './play/log.ts';
import type { Snapshot } from './play/snapshot.ts';

export class AppBench {
  readonly options: SuiteOptions;
  /** Absent for the first check, which finds them out. */
  readonly #facts: AppFacts | undefined;
  readonly workload: Workload;
  readonly instances: Instance[] = [];
  readonly #folder: string;

  constructor(options: SuiteOptions, facts: AppFacts | undefined, folder: string) {
    this.options = options;
    this.#facts = facts;
    this.#folder = folder;
    this.workload = options.workload();
  }

  get facts(): AppFacts {
    if (this.#facts === undefined) throw new Error('no app was met yet');
    return this.#facts;
  }

  get kv(): boolean {
    return this.workload.kind === 'kv';
  }

  /** A copy that is not started yet. */
  async copy(log: PlayedLog = new PlayedLog()): Promise<Instance> {
    const number = this.instances.length + 1;
    const folder = join(this.#folder, String(number));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { launch, tcp, waitMs } = this.options;
    const instance = new Instance({ launch, folder, node: `n${number}`, tcp, waitMs, log });
    this.instances.push(instance);
    return instance;
  }

  /** A copy that runs, and that nobody has said anything to yet. */
  async started(log?: PlayedLog): Promise<Instance> {
    const instance = await this.copy(log);
    await instance.start();
    return instance;
  }

  /** A copy that was let in. */
  async joined(log?: PlayedLog): Promise<Instance> {
    const instance = await this.started(log);
    await instance.join();
    return instance;
  }

  /** `count` more commands at the end of the log. The last index. */
  grow(log: PlayedLog, count: number): number {
    for (let at = 0; at < count; at += 1) log.append(this.workload.next());
    return log.last;
  }

  /** The app's state as it is after `through`, as bytes. Asks for a snapshot: everything through it is acknowledged. */
  async snapshotOf(instance: Instance, through: number): Promise<Snapshot> {
    instance.snapshots.ask(through);
    return instance.snapshots.taken();
  }

  /** Ends every copy. The first thing wrong with one that nobody has looked at since, if any. */
  async end(): Promise<string | undefined> {
    const wrong = this.instances.map((instance) => instance.wrong()).find((why) => why !== undefined);
    await Promise.all(this.instances.map((instance) => instance.end()));
    return wrong;
  }

  /** Throws `Failed` unless both hold. */
  equal(what: string, left: string | Buffer, right: string | Buffer): void {
    const [a, b] = [Buffer.from(left), Buffer.from(right)];
    if (a.equals(b)) return;
    let at = 0;
    while (at < a.length && a[at] === b[at]) at += 1;
    throw new Failed(`${what}: ${excerpt(a, at)} and ${excerpt(b, at)} (from byte ${at} on)`);
  }
}

const SHOWN = 40;

/** A few characters from there on, for a sentence. */
export function excerpt(bytes: Buffer, from = 0): string {
  const text = bytes.subarray(from, from + SHOWN).toString('utf8');
  return `${JSON.stringify(text)}${from + SHOWN < bytes.length ? '…' : ''}`;
}
