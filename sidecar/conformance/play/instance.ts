/**
 * One copy of the app under test: its process, the sidecar's end of its socket, and the log that it is given.
 *
 * MUST: fail at once, with one sentence, when the app ends, breaks its connection or says what no sidecar would take; never
 * wait longer than it was told.
 */
import { mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { AppFrame, HelloFrame, SidecarFrame, WelcomeFrame } from '../../../shared/app-frames.ts';
import { HASH_BYTES } from '../../../shared/entry.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { type Exit, Failed, type Launcher } from '../contract.ts';
import { Connection } from './connection.ts';
import type { Disguise } from './disguise.ts';
import { Exchange } from './exchange.ts';
import { type Answer, Ledger, type StateSum } from './ledger.ts';
import type { PlayedLog } from './log.ts';
import { Post } from './post.ts';
import { Process } from './process.ts';
import type { Snapshot } from './snapshot.ts';
import { Watch } from './watch.ts';

export interface InstanceOptions {
  readonly launch: Launcher;
  readonly folder: string;
  readonly node: string;
  readonly tcp: boolean;
  readonly waitMs: number;
  readonly log: PlayedLog;
}

/** A request of the app that waits for an answer, and the connection it came on. */
export interface Asked<T extends 'propose' | 'read' = 'propose' | 'read'> {
  readonly frame: Extract<AppFrame, { type: T }>;
  readonly connection: Connection;
}

export const TOKEN = 'conformance-token';
const LISTENING = /\blistening on (http:\/\/127\.0\.0\.1:\d+)/;
/** A process that ends closes its connection first: that it has ended is the better reason, and comes so much later. */
const END_MS = 400;

export class Instance {
  readonly log: PlayedLog;
  readonly watch = new Watch();
  /** The connection that it serves as a state machine; undefined before the first hello. */
  ledger: Ledger | undefined;
  /** Ledgers of connections that ended. */
  readonly past: Ledger[] = [];
  /** Hellos of state machines that came, and those that nobody has taken yet. */
  hellos = 0;
  readonly #fresh: Ledger[] = [];
  readonly asked: Asked[] = [];
  readonly snapshots: Exchange;
  disguise: Disguise = 'plain';
  split = false;
  readonly #options: InstanceOptions;
  readonly #connections = new Set<Connection>();
  #post: Post | undefined;
  readonly #process: Process;
  #wrong: string | undefined;
  #mayEnd = false;
  /** The highest index that it may have applied, on whatever connection. */
  #reached = 0;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.log = options.log;
    this.#process = new Process(options.launch, this.watch);
    this.snapshots = new Exchange({
      connection: () => this.#machine().connection,
      acknowledged: () => this.#machine().acknowledged,
      term: options.log.term,
      until: (late, look) => this.until(late, look),
    });
  }

  // ---------------------------------------------------------------- the process

  /** Starts the program; with `away`, nobody listens yet. */
  async start({ away = false } = {}): Promise<void> {
    const { folder, tcp } = this.#options;
    await mkdir(this.#data, { recursive: true });
    this.#post ??= await Post.at(folder, tcp, (socket) => this.#accept(socket));
    if (!away) await this.#post.listen();
    await this.#launch();
  }

  get #data(): string {
    return join(this.#options.folder, 'data');
  }

  async #launch(): Promise<void> {
    const { node, tcp } = this.#options;
    await this.#process.start({
      OUTRIGGER_SOCKET: this.#post?.address ?? '',
      OUTRIGGER_NODE: node,
      OUTRIGGER_DATA: this.#data,
      // For the apps of examples/: two copies must be able to run at a time.
      KV_PORT: '0',
      ...(tcp ? { OUTRIGGER_TOKEN: TOKEN } : {}),
    });
  }

  get exit(): Exit | undefined {
    return this.#process.exit;
  }

  /** Where it listens for HTTP, once it said so. */
  get http(): string | undefined {
    return this.#process.printed.map((text) => LISTENING.exec(text)?.[1]).find((url) => url !== undefined);
  }

  /** `kill -9`, and another process with the same folder for its data. */
  async killAndStart(): Promise<void> {
    await this.#ending(() => this.#process.kill());
    await this.#launch();
  }

  /** Ends the process and forgets everything about it. */
  async end(): Promise<void> {
    await this.#ending(() => this.#process.kill());
    await this.#post?.close();
  }

  async #ending(end: () => Promise<void>): Promise<void> {
    this.#mayEnd = true;
    for (const connection of this.#connections) connection.cutByUs = true;
    await end();
    this.#mayEnd = false;
  }

  /** From now on its end is no failure. */
  mayEnd(): void {
    this.#mayEnd = true;
  }

  // ---------------------------------------------------------------- the sidecar's side

  /** As when the sidecar ends: nobody listens, and every connection breaks. */
  async sidecarEnds(): Promise<void> {
    for (const connection of this.#connections) connection.cutByUs = true;
    await this.#post?.close();
  }

  async sidecarStarts(): Promise<void> {
    await this.#post?.listen();
  }

  /** Waits for `look`, while the app must stay as it should be. */
  until<T>(late: () => string, look: () => T | undefined, ms = this.#options.waitMs): Promise<T> {
    return this.watch.until(ms, late, () => {
      const found = look();
      if (found !== undefined) return found;
      const wrong = this.wrong();
      if (wrong !== undefined) throw new Failed(wrong);
      return undefined;
    });
  }

  /** What is wrong with it now, or undefined. */
  wrong(): string | undefined {
    if (this.#wrong !== undefined) return this.#wrong;
    const failed = this.ledger?.failed;
    if (failed !== undefined) {
      return `it cannot apply entry ${failed.index}: applyFailed ${failed.code}, ${failed.message}`;
    }
    if (this.#process.end !== undefined && !this.#mayEnd) {
      return `the app ended ${this.#process.end}`;
    }
    const { ledger } = this;
    if (ledger?.connection.missed === true && !this.#mayEnd) {
      return `it closed its connection when nobody asked it to, after it had acknowledged ${ledger.acknowledged} of ${ledger.delivered}${this.#process.lastWords}`;
    }
    return undefined;
  }

  /** The next hello of a state machine, read and found possible; it is not answered yet. */
  async meet(): Promise<Ledger> {
    const ledger = await this.#nextHello();
    this.#take(ledger);
    this.#judgePosition(ledger);
    return ledger;
  }

  #take(ledger: Ledger): void {
    if (this.ledger !== undefined) this.past.push(this.ledger);
    this.ledger = ledger;
    this.snapshots.reset();
  }

  #nextHello(): Promise<Ledger> {
    const before = this.hellos;
    return this.until(
      () => (before === 0 ? 'no hello came' : 'it did not come again with a hello'),
      () => {
        // One that broke its connection before it was let in will say it again.
        while (this.#fresh[0]?.connection.closed === true) this.#fresh.shift();
        return this.#fresh.shift();
      },
    );
  }

  /** The oldest hello that nobody has taken, without waiting for one and without judging it. */
  fresh(): Ledger | undefined {
    return this.#fresh.shift();
  }

  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  /** Waits until it came again, whatever it says of itself, and lets it in. */
  async returns(): Promise<void> {
    const ledger = await this.#nextHello();
    this.#take(ledger);
    this.admit();
  }

  /** Lets in whoever said hello, to be given what it lacks, or a snapshot of that index first. */
  admit(snapshotIndex?: number): void {
    const { connection, machine } = this.#machine();
    const plan = snapshotIndex === undefined ? { replayFrom: machine.appliedIndex + 1 } : { snapshotIndex };
    connection.send(this.#welcome(1, plan, snapshotIndex));
  }

  /** Hello and welcome. */
  async join(): Promise<Ledger> {
    const ledger = await this.meet();
    this.admit();
    return ledger;
  }

  /**
   * The next stretch of the log, through `through`, in frames of so many indexes: in one write as far as its window has room,
   * the rest as it acknowledges.
   */
  async deliver(through: number, size: number = LIMITS.deliveryEntries): Promise<void> {
    const ledger = this.#machine();
    this.#reached = Math.max(this.#reached, through);
    while (ledger.delivered < through) {
      const frames: SidecarFrame[] = [];
      for (let next = ledger.next(this.log, through, size); next !== undefined && ledger.hasRoom(next); ) {
        ledger.gave(next);
        frames.push(next);
        next = ledger.next(this.log, through, size);
      }
      if (frames.length > 0) ledger.connection.send(...frames);
      else await this.#room(ledger, through, size);
    }
  }

  async #room(ledger: Ledger, through: number, size: number): Promise<void> {
    await this.until(
      () =>
        `its window is full: entries through ${ledger.delivered} were delivered, and it acknowledged ${ledger.acknowledged}`,
      () => {
        const next = ledger.next(this.log, through, size);
        return next === undefined || ledger.hasRoom(next) ? true : undefined;
      },
    );
  }

  /** Waits until all that it was given is acknowledged. */
  async acknowledges(through = this.#machine().delivered): Promise<void> {
    const ledger = this.#machine();
    await this.until(
      () =>
        `entries through ${through} were delivered, and what it acknowledged is ${ledger.acknowledged}: there was no applied {through ${through}}`,
      () => (ledger.acknowledged >= through ? true : undefined),
    );
  }

  async delivers(through: number, size?: number): Promise<void> {
    await this.deliver(through, size);
    await this.acknowledges(through);
  }

  /** Cuts the connection, and waits for the next hello. */
  async cutAndMeet(): Promise<Ledger> {
    await this.#machine().connection.cut();
    return this.meet();
  }

  /** Says goodbye as a sidecar does: then the connection ends. */
  async goodbye(reason: string, error?: SidecarFrame): Promise<void> {
    const { connection } = this.#machine();
    connection.send(...(error === undefined ? [] : [error]), { type: 'goodbye', reason });
    await connection.end();
  }

  send(...frames: SidecarFrame[]): void {
    this.#machine().connection.send(...frames);
  }

  /** The oldest request of that kind that nobody took; waits for it. */
  next<T extends 'propose' | 'read'>(type: T): Promise<Asked<T>> {
    return this.until(
      () => `no ${type} came`,
      () => {
        const at = this.asked.findIndex(({ frame }) => frame.type === type);
        return at === -1 ? undefined : (this.asked.splice(at, 1)[0] as unknown as Asked<T>);
      },
    );
  }

  /** Gives it a good snapshot, which it must take. */
  async restores(snapshot: Snapshot): Promise<void> {
    await this.snapshots.give(snapshot);
    const answer = await this.snapshots.answered();
    if ('refused' in answer) throw new Failed(`it refused a good snapshot: ${answer.refused}`);
    if (answer.restored !== snapshot.index) {
      throw new Failed(
        `it said restored {index ${answer.restored}}, and the snapshot is of ${snapshot.index}`,
      );
    }
    this.#reached = Math.max(this.#reached, snapshot.index);
    this.#machine().restored(snapshot.index);
  }

  /** Every answer that it gave, on every connection, in order. */
  get answers(): Answer[] {
    return this.#ledgers().flatMap(({ answers }) => answers);
  }

  get sums(): StateSum[] {
    return this.#ledgers().flatMap(({ sums }) => sums);
  }

  #ledgers(): Ledger[] {
    return this.ledger === undefined ? this.past : [...this.past, this.ledger];
  }

  #machine(): Ledger {
    if (this.ledger === undefined) throw new Error('no app said hello yet');
    return this.ledger;
  }

  // ---------------------------------------------------------------- what comes

  #accept(socket: Socket): void {
    const connection = new Connection(socket, {
      frame: (from, frame) => {
        this.#frame(from, frame);
        this.watch.changed();
      },
      wrong: (_, why) => this.#fail(why),
      closed: (from) => {
        this.#connections.delete(from);
        this.watch.changed();
        setTimeout(() => {
          from.missed = !from.cutByUs;
          this.watch.changed();
        }, END_MS).unref();
      },
    });
    connection.disguise = this.disguise;
    connection.split = this.split;
    this.#connections.add(connection);
  }

  #fail(why: string | undefined): void {
    this.#wrong ??= why;
    this.watch.changed();
  }

  #frame(connection: Connection, frame: AppFrame): void {
    // What an app said before it noticed that the connection is gone.
    if (connection.cutByUs && frame.type !== 'applied') return;
    if (frame.type === 'hello') return this.#hello(connection, frame);
    const ledger = this.ledger?.connection === connection ? this.ledger : undefined;
    switch (frame.type) {
      case 'propose':
      case 'read':
        this.asked.push({ frame, connection });
        return;
      case 'applied':
        return this.#fail(ledger?.applied(frame));
      case 'applyFailed':
        return this.#fail(ledger?.applyFailed(frame));
      case 'snapshotBegin':
      case 'snapshotChunk':
      case 'snapshotEnd':
      case 'restored':
      case 'restoreRefused':
        return this.#fail(this.snapshots.frame(frame));
      default:
        // Sessions are not judged here.
        return;
    }
  }

  #hello(connection: Connection, hello: HelloFrame): void {
    const { tcp } = this.#options;
    if (hello.protocol !== 1) return this.#fail(`its hello says protocol ${hello.protocol}, and not 1`);
    if (hello.group !== '') return this.#fail(`its hello names the group ${JSON.stringify(hello.group)}`);
    if (tcp && hello.token !== TOKEN) {
      return this.#fail('its hello does not have the token of OUTRIGGER_TOKEN, which TCP sockets want');
    }
    if (hello.stateMachine === undefined) {
      // A second connection that only proposes and reads.
      connection.send(this.#welcome(0, undefined, undefined));
      return;
    }
    this.hellos += 1;
    this.#fresh.push(new Ledger(connection, hello, hello.stateMachine));
  }

  /** It can only have applied what it was given, and only know the hash of that. */
  #judgePosition({ machine: { appliedIndex, appliedHash } }: Ledger): void {
    if (appliedIndex > this.#reached) {
      throw new Failed(
        `its hello says appliedIndex ${appliedIndex}, and it was never given more than ${this.#reached}`,
      );
    }
    if (appliedHash === undefined || appliedHash.length === 0) return;
    const right = this.log.hashAt(appliedIndex);
    if (appliedHash.length !== HASH_BYTES || right?.equals(appliedHash) !== true) {
      throw new Failed(
        `its hello says appliedIndex ${appliedIndex} with an appliedHash that is not the hash of the log there`,
      );
    }
  }

  #welcome(epoch: number, plan: WelcomeFrame['plan'], snapshotIndex: number | undefined): WelcomeFrame {
    const { log } = this;
    return {
      type: 'welcome',
      protocol: 1,
      cluster: 'conformance',
      node: this.#options.node,
      group: '',
      epoch,
      role: 'FOLLOWER',
      term: log.term,
      leader: 'n9',
      commitIndex: log.last,
      firstIndex: snapshotIndex === undefined ? 1 : snapshotIndex + 1,
      limits: {
        frameBytes: LIMITS.appFrameBytes,
        commandBytes: LIMITS.commandBytes,
        inFlight: LIMITS.requestsPerConnection,
      },
      plan,
    };
  }
}
