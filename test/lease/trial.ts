/**
 * Real sidecars with leases on, their leader stopped (SIGSTOP) again and again while clients read from it by lease: is any read
 * older than what was acknowledged before it began?
 *
 * Every node is read from all the time, a stopped one too: what is sent to it waits in its sockets, and is the first that it
 * finds when it goes on. Meanwhile the others elect another leader and acknowledge writes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { signalGroup } from '../../sidecar/cli/cluster/managed-process.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { EchoMachine } from '../support/echo-machine.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { type Answer, Connection } from './connection.ts';

const FLAGS = ['--lease-reads'];
const READ_EVERY_MS = 3;
const READ_MS = 5_000;
const WRITE_MS = 500;
const WRITE_EVERY_MS = 5;
/** How long a leader that is replaced stays stopped for that, at most. */
const REPLACED_MS = PATIENCE_MS;
/** Reads at a stopped leader that make a pause worth something. */
const DANGEROUS_MIN = 20;
/** Requests that one connection leaves open: below what a sidecar takes. */
const OPEN_MAX = 3_500;

export interface Tally {
  pauses: number;
  /** After how many of them somebody else led, and had acknowledged a write, before the old leader went on. */
  replaced: number;
  acknowledged: number;
  served: number;
  /** By code. */
  readonly refused: Map<string, number>;
  /** Reads that began at a stopped leader after a write that it cannot know of was acknowledged. */
  dangerous: number;
  /** What was wrong, one sentence each. */
  readonly stale: string[];
}

/** Reads from one node by lease, without end. */
class Reader {
  readonly #connection: Connection;
  readonly #trial: Trial;
  readonly #daemon: Daemon;
  #timer: NodeJS.Timeout | undefined;

  constructor(trial: Trial, daemon: Daemon, connection: Connection) {
    this.#trial = trial;
    this.#daemon = daemon;
    this.#connection = connection;
  }

  start(): void {
    this.#timer = setInterval(() => this.read(), READ_EVERY_MS);
  }

  read(): void {
    if (this.#connection.open >= OPEN_MAX) return;
    const judge = this.#trial.readBegins(this.#daemon);
    this.#connection.read('LEASE', READ_MS, judge);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#connection.close();
  }
}

export class Trial {
  readonly tally: Tally = {
    pauses: 0,
    replaced: 0,
    acknowledged: 0,
    served: 0,
    refused: new Map(),
    dangerous: 0,
    stale: [],
  };
  readonly #daemons: Daemons;
  readonly #all: readonly Daemon[];
  readonly #apps: EchoMachine[] = [];
  readonly #readers: Reader[] = [];
  readonly #writers: Connection[] = [];
  /** The highest index that was acknowledged to anybody. */
  #floor = 0;
  /** Who is stopped, and the floor from which on it cannot know what was acknowledged. */
  #stopped: { readonly daemon: Daemon; dangerousFrom: number } | undefined;
  #ended = false;

  private constructor(daemons: Daemons, all: readonly Daemon[]) {
    this.#daemons = daemons;
    this.#all = all;
  }

  /** `script`: a build of its own, with a planted bug. `flags`: of `outrigger run`. */
  static async begin({
    script,
    flags = [],
  }: {
    script?: string;
    flags?: readonly string[];
  } = {}): Promise<Trial> {
    const daemons = await Daemons.begin();
    try {
      const options = { flags: [...FLAGS, ...flags], ...(script === undefined ? {} : { script }) };
      const all = await daemons.cluster(3, options);
      const trial = new Trial(daemons, all);
      for (const daemon of all) await trial.#join(daemon);
      return trial;
    } catch (error) {
      await daemons.end();
      throw error;
    }
  }

  async #join(daemon: Daemon): Promise<void> {
    this.#apps.push(await EchoMachine.attach(daemon.socket));
    const reader = new Reader(this, daemon, await Connection.open(daemon.socket));
    reader.start();
    this.#readers.push(reader);
    const writer = await Connection.open(daemon.socket);
    this.#writers.push(writer);
    this.#write(writer);
  }

  /** One write after the other. */
  #write(writer: Connection): void {
    if (this.#ended) return;
    writer.propose('w', WRITE_MS, (answer) => {
      if (answer === 'CLOSED') return;
      if (typeof answer === 'number') this.#acknowledged(answer);
      setTimeout(() => this.#write(writer), WRITE_EVERY_MS);
    });
  }

  #acknowledged(index: number): void {
    this.tally.acknowledged++;
    this.#floor = Math.max(this.#floor, index);
  }

  /** A read begins now; whoever has its answer calls what this returns. */
  readBegins(daemon: Daemon): (answer: Answer) => void {
    const floor = this.#floor;
    const stopped = this.#stopped;
    if (stopped?.daemon === daemon && floor > stopped.dangerousFrom) this.tally.dangerous++;
    return (answer) => {
      if (typeof answer === 'string') {
        this.tally.refused.set(answer, (this.tally.refused.get(answer) ?? 0) + 1);
        return;
      }
      this.tally.served++;
      if (answer >= floor) return;
      this.tally.stale.push(
        `${daemon.id} served a LEASE read from ${answer}, though ${floor} was acknowledged before it began`,
      );
    };
  }

  /**
   * Waits for a leader with a lease, stops it for `ms`, and waits until its queue is answered. With `replaced` it stays stopped
   * until another node has led, and has acknowledged a write, and reads have come that could be served without it.
   */
  async pause(ms: number, { replaced = false } = {}): Promise<void> {
    const daemon = await this.#leaderWithLease();
    const stopped = { daemon, dangerousFrom: Number.POSITIVE_INFINITY };
    const began = performance.now();
    signalGroup(daemon.child.pid, 'SIGSTOP');
    try {
      // The first to be readable is the first to be read when it goes on: before anything that other nodes say.
      this.#stopped = stopped;
      this.#readers[this.#all.indexOf(daemon)]?.read();
      const last = began + ms + (replaced ? REPLACED_MS : 0);
      stopped.dangerousFrom = await this.#replacedBy(daemon, last);
      if (stopped.dangerousFrom < Number.POSITIVE_INFINITY) this.tally.replaced++;
      const enough = this.tally.dangerous + DANGEROUS_MIN;
      if (replaced)
        await this.#daemons.until('reads are in danger', async () => this.tally.dangerous >= enough);
      await sleep(Math.max(0, began + ms - performance.now()));
    } finally {
      this.#stopped = undefined;
      signalGroup(daemon.child.pid, 'SIGCONT');
    }
    this.tally.pauses++;
    await this.#answered(daemon);
  }

  /** What was acknowledged before another node led and acknowledged more; Infinity where `end` comes first. */
  async #replacedBy(old: Daemon, end: number): Promise<number> {
    const others = this.#all.filter((daemon) => daemon !== old);
    while (performance.now() < end) {
      const leader = await this.#daemons.leaderOf(others);
      if (leader === undefined) continue;
      // What was acknowledged up to now may be of the old leader's time.
      const before = this.#floor;
      while (performance.now() < end && this.#floor === before) await sleep(1);
      if (this.#floor > before) return before;
    }
    return Number.POSITIVE_INFINITY;
  }

  #leaderWithLease(): Promise<Daemon> {
    let found: Daemon | undefined;
    return this.#daemons
      .until('a leader serves reads by lease', async () => {
        const leader = await this.#daemons.leaderOf(this.#all);
        if (leader === undefined) return false;
        const connection = await Connection.open(leader.socket);
        const answer = await new Promise<Answer>((done) => connection.read('LEASE', READ_MS, done));
        await connection.close();
        if (typeof answer === 'number') found = leader;
        return found !== undefined;
      })
      .then(() => found as Daemon);
  }

  /** Everything sent so far to that node has its answer. */
  async #answered(daemon: Daemon): Promise<void> {
    let done = false;
    const connection = this.#writers[this.#all.indexOf(daemon)];
    connection?.read('STALE', READ_MS, () => {
      done = true;
    });
    await this.#daemons.until(`${daemon.id} answers`, async () => done);
  }

  async end(): Promise<void> {
    this.#ended = true;
    for (const reader of this.#readers) await reader.stop();
    for (const connection of this.#writers) await connection.close();
    for (const app of this.#apps) await app.close();
    await this.#daemons.end();
  }
}

export function describeTally(tally: Tally): string {
  const refused = [...tally.refused].sort().map(([code, count]) => `${count} ${code}`);
  return (
    `${tally.pauses} pauses, after ${tally.replaced} of which another node led; ${tally.acknowledged} writes acknowledged; ` +
    `${tally.served} LEASE reads served, refused: ${refused.join(', ') || 'none'}; ` +
    `${tally.dangerous} of them began at a stopped leader after writes it could not know of; ${tally.stale.length} stale`
  );
}
