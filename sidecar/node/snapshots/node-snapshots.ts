/**
 * The snapshots of one node: when one is taken, what of the log is dropped for it, and how nodes that are far behind get one.
 *
 * MUST: keep the core's view (which snapshots can be offered, where the log begins) that of the disk; never drop entries that no
 * snapshot has.
 */
import type { Logger } from 'pino';
import { type Refusal, refusal } from '../../../shared/codes.ts';
import type { LogPoint } from '../../../shared/entry.ts';
import { LIMITS } from '../../../shared/limits.ts';
import type { SnapshotAsk, SnapshotData } from '../../../shared/messages.ts';
import { addReplies } from '../../machine/session-codec.ts';
import type { SnapshotSample } from '../../record/snapshot-metrics.ts';
import { StoreError } from '../../store/contract.ts';
import type { Snapshot, SnapshotFolder } from '../../store/snapshots/folder.ts';
import type { SnapshotMeta } from '../../store/snapshots/layout.ts';
import type { Node } from '../node.ts';
import { compactionPoint, type Need } from './compactor.ts';
import { type FetchJob, SnapshotFetcher } from './fetcher.ts';
import { SnapshotGiver } from './giver.ts';
import { SnapshotTaker } from './taker.ts';

export interface SnapshotSettings {
  /** A snapshot is due after so many bytes of log (and as many as the last one has), or so many entries. */
  readonly bytes: number;
  readonly entries: number;
  /** Bytes a second that are given to peers, in all. */
  readonly sendBytesPerSecond: number;
}

/** Nodes do not take theirs at the same time: each adds up to this share of the distance, drawn for each snapshot. */
const SPREAD = 0.25;

export class NodeSnapshots {
  readonly folder: SnapshotFolder;
  readonly taker: SnapshotTaker;
  readonly fetcher: SnapshotFetcher;
  readonly giver: SnapshotGiver;
  readonly #node: Node;
  readonly #settings: SnapshotSettings;
  /** What the store had written when the newest snapshot was taken, and when the log began where it does; bytes of records. */
  #writtenAtSnapshot: number;
  #writtenAtBase: number;
  #spread = Math.random() * SPREAD;
  #notBefore = 0;
  /** How often a peer was asked for its newest one. */
  #askedPeers = 0;
  /** How far the own state of the app is durable; undefined where it does not keep any. */
  #durableThrough: number | undefined;
  #tidying = false;
  /** For the record: how they went. */
  readonly counts = { taken: 0, gaveUp: 0, installed: 0 };

  constructor(node: Node, folder: SnapshotFolder, settings: SnapshotSettings, logBytes: number) {
    this.#node = node;
    this.#settings = settings;
    // How much of what a start finds is newer than the newest snapshot is not known: as if all of it were.
    const written = node.options.store.stats().bytesWritten - logBytes;
    this.#writtenAtSnapshot = written;
    this.#writtenAtBase = written;
    this.folder = folder;
    const { options, id, group, firstRequestId } = node;
    const { cluster, transport } = options;
    const fault = (error: Error): void => this.#fault(error);
    this.giver = new SnapshotGiver(folder, {
      bytesPerSecond: settings.sendBytesPerSecond,
      send: (message) => transport.send(message),
      wanted: () => this.wanted(),
      usable: (snapshot) => this.usable(snapshot),
      fault,
    });
    this.fetcher = new SnapshotFetcher(folder, {
      ...{ id, group, cluster, firstRequestId, fault },
      send: (message) => transport.send(message),
      progress: (what, job, reason) => this.#progress(what, job, reason),
      fetched: (snapshot, job) => this.#fetched(snapshot, job),
    });
    this.taker = new SnapshotTaker(folder, {
      cluster,
      id,
      replies: node.sessions.machine.replies,
      ask: (index) => node.options.listener.takeSnapshot(index),
      applied: () => node.app.applied,
      tableAt: (index) => node.tableAt(index),
      pointAt: (index) => this.#pointAt(index),
      configAt: (index) => node.driver.raft.configAt(index),
      taken: (snapshot, ms) => this.#taken(snapshot, ms),
      gaveUp: (reason) => this.#gaveUp(reason),
    });
  }

  get log(): Logger {
    return this.#node.options.log;
  }

  /** The newest one of which the app's bytes are here. */
  get newestIndex(): number {
    return this.folder.newest?.meta.point.index ?? 0;
  }

  /** Consensus begins: what can be offered is told. */
  started(): void {
    this.#tellCore();
    for (const what of this.folder.damaged) this.log.warn({ what }, 'a snapshot was not whole, and is gone');
  }

  stop(): void {
    this.fetcher.stop();
  }

  // ---------------------------------------------------------------- from the node

  /** The app said hello; `external`: it keeps its state itself. */
  attached(external: boolean): void {
    this.#durableThrough = external ? 0 : undefined;
  }

  durable(index: number): void {
    if (this.#durableThrough !== undefined) this.#durableThrough = Math.max(this.#durableThrough, index);
  }

  /** A peer needs a snapshot, and there is none with the app's bytes. */
  wanted(): void {
    const now = performance.now();
    if (now < this.#notBefore) return;
    this.#notBefore = now + LIMITS.snapshotAskAgainMs;
    this.taker.ask(now);
  }

  receive(message: SnapshotAsk | SnapshotData): void {
    if (message.type === 'SnapshotAsk') this.giver.answer(message);
    else this.fetcher.receive(message);
  }

  /**
   * The app lacks what no snapshot here has: any peer may have it, the leader first, then one after the other. One of everything up
   * to `least` is wanted. False where nobody is there to be asked.
   */
  fetchFromPeers(least: number): boolean {
    if (this.fetcher.job !== undefined) return true;
    const { leader } = this.#node.driver.raft;
    const links = this.#node.options.transport.links().filter(({ state }) => state === 'CONNECTED');
    const peers = links.map(({ id }) => id).sort((a, b) => Number(b === leader) - Number(a === leader));
    const from = peers[this.#askedPeers++ % Math.max(peers.length, 1)];
    if (from !== undefined) this.fetcher.fetch(from, 0, 0, least);
    return from !== undefined;
  }

  turn(now: number): void {
    this.taker.turn(now);
    this.fetcher.turn(now);
    if (now >= this.#notBefore) this.#takeWhenDue(now);
    this.#compact();
  }

  get #written(): number {
    return this.#node.options.store.stats().bytesWritten;
  }

  /** Bytes of records in the log, about. */
  get logBytes(): number {
    return this.#written - this.#writtenAtBase;
  }

  sample(): SnapshotSample {
    const { taken, gaveUp: failed, installed } = this.counts;
    const { newestIndex: index, logBytes } = this;
    const [sentBytes, receivedBytes] = [this.giver.sentBytes, this.fetcher.receivedBytes];
    const { bytes } = this.folder;
    return { index, bytes, logBytes, taken, failed, installed, sentBytes, receivedBytes };
  }

  /** The log has outgrown what is kept for the sake of others. */
  get #overBound(): boolean {
    const interval = Math.max(this.#settings.bytes, this.folder.newestFull?.bytes ?? 0);
    return this.logBytes > LIMITS.logKeepIntervals * interval;
  }

  // ---------------------------------------------------------------- taking

  #takeWhenDue(now: number): void {
    if (this.taker.busy || this.#node.app.applied <= this.newestIndex || !this.#isDue()) return;
    if (this.#durableThrough === undefined) {
      // One whose state is wrong is not asked.
      if (this.#node.states.barredAfter === undefined && this.taker.ask(now)) return;
      this.#notBefore = now + LIMITS.snapshotAskAgainMs;
      // No app here could give one, and the log is too long: another node's will do.
      if (this.#overBound) this.fetchFromPeers(this.newestIndex + 1);
      return;
    }
    const index = Math.min(this.#durableThrough, this.#node.app.applied);
    if (index <= this.newestIndex) return;
    this.taker.takeBare(index).catch((error: Error) => this.#fault(error));
  }

  #isDue(): boolean {
    const more = 1 + this.#spread;
    const { bytes, entries } = this.#settings;
    const last = this.folder.newestFull?.bytes ?? 0;
    if (this.#written - this.#writtenAtSnapshot >= Math.max(bytes, last) * more) return true;
    return this.#node.driver.raft.commitIndex - this.newestIndex >= entries * more;
  }

  /** Takes one now, with the app's bytes. */
  take(): Promise<Snapshot | Refusal> {
    const { barredAfter } = this.#node.states;
    if (barredAfter !== undefined)
      return Promise.resolve(
        refusal('UNSUPPORTED', 'the app of this node has another state than others have'),
      );
    return this.taker.take(performance.now());
  }

  /** The state of our app after `after` is wrong: what it gave since is for nobody. */
  condemned(after: number): void {
    const wrong = this.folder.full.filter(({ meta }) => this.#isWrong(meta, after));
    Promise.all(wrong.map((snapshot) => this.folder.strip(snapshot, true))).then(
      () => this.#changed(),
      (error: Error) => this.#fault(error),
    );
    // Not only then: the core is to offer none of them from now on.
    this.#tellCore();
  }

  #isWrong({ node, point }: SnapshotMeta, after: number): boolean {
    return node === this.#node.id && point.index > after;
  }

  async #pointAt(index: number): Promise<LogPoint | undefined> {
    // The log may begin right behind it.
    const known = this.folder.all.find(({ meta }) => meta.point.index === index);
    if (known !== undefined) return known.meta.point;
    const { log } = this.#node.driver.raft;
    const [entry] = await this.#node.entries(index, index, 1, 1);
    const hash = await this.#node.hashAt(index);
    if (entry === undefined || hash === undefined || log.termAt(index) !== entry.term) return undefined;
    return { index, term: entry.term, time: entry.time, hash };
  }

  #taken(snapshot: Snapshot, ms: number): void {
    this.counts.taken++;
    this.#writtenAtSnapshot = this.#written;
    this.#spread = Math.random() * SPREAD;
    const { index, term } = snapshot.meta.point;
    const { bytes } = snapshot;
    this.log.info({ index, term, bytes, ms: Math.round(ms), full: snapshot.meta.full }, 'snapshot taken');
    this.#node.recorder.snapshotTaken(index, bytes, ms);
    const { barredAfter } = this.#node.states;
    // It was begun before that was known.
    if (barredAfter !== undefined && index > barredAfter) this.condemned(barredAfter);
    else this.#changed();
  }

  #gaveUp(reason: string): void {
    this.counts.gaveUp++;
    this.#notBefore = performance.now() + LIMITS.snapshotIdleMs;
    this.log.warn({ reason }, 'no snapshot was taken');
    this.#node.recorder.snapshotFailed(reason);
  }

  // ---------------------------------------------------------------- fetching

  #progress(what: 'BEGUN' | 'RESUMED' | 'GIVEN_UP', job: FetchJob, reason: string): void {
    this.log.info({ ...job, what, reason }, 'fetching a snapshot');
    if (what !== 'GIVEN_UP') this.#node.recorder.snapshotFetching(job.from, job.index, job.size, what);
  }

  #fetched(snapshot: Snapshot, { from, size }: FetchJob): void {
    const { point, config } = snapshot.meta;
    this.log.info({ from, size, index: point.index, term: point.term }, 'snapshot fetched');
    this.#writtenAtSnapshot = this.#written;
    this.#tellCore();
    // step: snapshot to be installed
    this.#node.driver.step({ type: 'install', point: { ...point, config } });
    this.#agrees(snapshot).then(
      () => this.#changed(),
      (error: Error) => this.#fault(error),
    );
  }

  /** Where our log has the snapshot's last entry too, it must be the same log. */
  async #agrees({ meta }: Snapshot): Promise<void> {
    const { index, hash } = meta.point;
    const { log } = this.#node.driver.raft;
    if (index < log.baseIndex || index > log.lastIndex) return;
    const ours = await this.#node.hashAt(index);
    if (ours === hash) return;
    await this.folder.remove({ meta });
    throw new Error(
      `our log up to ${index} is not that of the snapshot of ${meta.node}: the chain hashes differ`,
    );
  }

  /** The core has begun its log behind the snapshot. */
  installed(point: LogPoint): void {
    this.counts.installed++;
    this.#writtenAtSnapshot = this.#written;
    this.#writtenAtBase = this.#written;
    const snapshot = this.folder.all.find(({ meta }) => meta.point.index === point.index);
    this.#node.recorder.snapshotInstalled(point.index, snapshot?.bytes ?? 0);
    // step: snapshot installed
  }

  /** May it be given to an app or a peer? Where it is damaged it is gone, and not offered any more. Throws StoreError. */
  async usable(snapshot: Snapshot): Promise<boolean> {
    if (await this.folder.usable(snapshot)) return true;
    const { index, term } = snapshot.meta.point;
    this.log.error({ index, term }, 'a snapshot is damaged, and is gone: another node has to give one');
    this.#node.recorder.snapshotFailed(`the snapshot of everything up to ${index} is damaged on the disk`);
    this.#tellCore();
    return false;
  }

  /** The replies that a snapshot has are known here too, as far as they were not. */
  async learnReplies(snapshot: Snapshot): Promise<void> {
    addReplies(await this.folder.read(snapshot, 'replies'), this.#node.sessions.machine.replies);
  }

  // ---------------------------------------------------------------- the log and old snapshots

  #changed(): void {
    this.#tellCore();
    this.#compact();
    this.#tidy();
  }

  #tellCore(): void {
    const { barredAfter = Number.POSITIVE_INFINITY } = this.#node.states;
    const points = this.folder.full
      .filter(({ meta }) => !this.#isWrong(meta, barredAfter))
      .map(({ meta }) => meta.point);
    this.#node.driver.step({ type: 'snapshots', points });
  }

  #compact(): void {
    const { driver } = this.#node;
    const { log } = driver.raft;
    const index = compactionPoint({
      snapshots: this.folder.all.map(({ meta }) => meta.point.index),
      base: log.baseIndex,
      needs: this.#needs(),
      overBound: this.#overBound,
    });
    const snapshot = this.folder.all.find(({ meta }) => meta.point.index === index);
    if (
      snapshot === undefined ||
      snapshot.meta.point.index > Math.min(driver.raft.commitIndex, driver.raft.durableIndex)
    )
      return;
    driver.step({ type: 'compact', point: snapshot.meta.point });
    this.#tidy();
  }

  #needs(): Need[] {
    const { raft } = this.#node.driver;
    const needs: Need[] = [];
    if (this.#durableThrough !== undefined) needs.push({ after: this.#durableThrough, must: true });
    if (!this.#node.app.connected && this.#durableThrough === undefined)
      return needs.concat(this.#peerNeeds());
    // What the app has not applied yet it would have to be given as a snapshot.
    needs.push({ after: this.#node.app.applied, must: false });
    return raft.role === 'LEADER' ? needs.concat(this.#peerNeeds()) : needs;
  }

  #peerNeeds(): Need[] {
    return this.#node.driver.raft
      .progress()
      .map((p) => ({ after: p.state === 'SNAPSHOT' && p.snapshot > 0 ? p.snapshot : p.match, must: false }));
  }

  /** The core has forgotten the entries up to `point`: so may the disk. */
  compacted(point: LogPoint): void {
    const relies = this.folder.full.some(({ meta }) => meta.point.index >= point.index);
    // step: log to be compacted
    this.#node.options.store.compact(point, relies);
    // What lies between the snapshot that the log begins behind and the newest one is not known: about one interval.
    this.#writtenAtBase = this.#written - (this.#written - this.#writtenAtSnapshot) - this.#settings.bytes;
    this.#node.recorder.compacted(point.index);
  }

  /** Full ones that nobody needs become bare, and bare ones from before the log go. One after the other, in the background. */
  #tidy(): void {
    if (this.#tidying) return;
    this.#tidying = true;
    this.#tidyOnce()
      .catch((error: unknown) => this.#fault(error instanceof Error ? error : new Error(String(error))))
      .finally(() => {
        this.#tidying = false;
      });
  }

  async #tidyOnce(): Promise<void> {
    const now = performance.now();
    const { raft } = this.#node.driver;
    const offered = new Set(raft.progress().map(({ snapshot }) => snapshot));
    const newestFull = this.folder.newestFull;
    for (const snapshot of [...this.folder.all]) {
      const { index } = snapshot.meta.point;
      if (snapshot === newestFull || offered.has(index) || this.giver.inUse(snapshot, now)) continue;
      if (index < raft.log.baseIndex) await this.folder.remove(snapshot);
      else if (snapshot.meta.full) await this.folder.strip(snapshot);
    }
    this.#tellCore();
  }

  #fault(error: Error): void {
    // A full disk is noticed by the log as well; a snapshot that finds no room is given up.
    if (error instanceof StoreError && error.kind === 'NO_SPACE') {
      this.#gaveUp(error.message);
      return;
    }
    this.#node.broken(error);
  }
}
