/**
 * One simulated sidecar: the real core on a model disk, driven as `sidecar/node/driver.ts` drives it.
 *
 * MUST: execute the effects of a step in order and before the next step; take each step at the top of an event.
 * MAY: crash before any effect.
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { LogPoint, Membership } from '../../shared/entry.ts';
import type { PeerMessage, RaftMessage } from '../../shared/messages.ts';
import { compactionPoint } from '../../sidecar/node/snapshots/compactor.ts';
import { NOBODY } from '../../sidecar/raft/quorum.ts';
import { Raft } from '../../sidecar/raft/raft.ts';
import type { Effect, Input, NoteEffect, PersistEffect, RoleEffect } from '../../sidecar/raft/types.ts';
import { AppSide } from './app-side.ts';
import { type Checker, Violation } from './checker.ts';
import { SimDisk, type SimSnapshot } from './disk.ts';
import { ELECTION_MAX_MS, type FaultPlan, HEARTBEAT_MS } from './faults.ts';
import { Front, type FrontHost, type LeaseReadRequest, type WriteRequest } from './front.ts';
import type { SimNetwork } from './network.ts';
import type { Prng } from './prng.ts';
import type { Schedule } from './schedule.ts';
import type { SessionJudge } from './session-judge.ts';
import type { Trace } from './trace.ts';

/** What the nodes of one world share. */
export interface Surroundings {
  readonly schedule: Schedule;
  readonly trace: Trace;
  readonly checker: Checker;
  readonly sessions: SessionJudge;
  readonly plan: FaultPlan;
  readonly network: SimNetwork;
  readonly membership: Membership;
  /** Set once the faults have stopped. */
  healed: boolean;
  steps: number;
  /** Is it in the cluster, by everything that is committed? */
  isMember(node: string): boolean;
  diskOf(node: string): SimDisk | undefined;
  /** The planted fault: disks that lie. */
  readonly lyingDisks: boolean;
}

const TICK_MS = HEARTBEAT_MS / 2;
const WAKE_MS = 0.01;
const WALL_BASE = 1_700_000_000_000;

/** Found by a process that stood still. */
interface Waiting {
  readonly ofClient: boolean;
  readonly run: () => void;
}

/** One life of the process: all of it is gone after a crash. */
interface Life {
  readonly core: Raft;
  readonly front: Front;
  commit: number;
  flushing: boolean;
  fetching?: boolean;
}

export class SimNode {
  readonly id: string;
  readonly group = '';
  readonly disk: SimDisk;
  readonly app: AppSide;
  readonly #world: Surroundings;
  readonly #random: Prng;
  readonly #rate: number;
  #life: Life | undefined;
  #lives = 0;
  /** While the process stands still: what it will find when it goes on. */
  #paused: Waiting[] | undefined;
  #wallJump = 0;
  /** For how long its machine has slept, and since when it does, of true time. */
  #slept = 0;
  #asleepSince: number | undefined;
  /** Called when the process is gone. */
  onCrash: (cause: string) => void = () => undefined;
  /** Called when this node becomes leader. */
  onElected: () => void = () => undefined;

  constructor(id: string, world: Surroundings, random: Prng) {
    this.id = id;
    this.#world = world;
    this.#random = random;
    this.#rate = 1 + random.between(-1, 1) * world.plan.drift;
    const listener = {
      written: (batch: PersistEffect) => world.checker.written(id, batch),
      synced: (batch: PersistEffect) => world.checker.synced(id, batch),
      durable: (sequence: number) =>
        this.#whenRunning(() => {
          this.#step({ type: 'durable', sequence });
          this.#tellDurable();
        }),
    };
    this.disk = new SimDisk(
      world.schedule,
      { flushMs: () => this.#flushMs(), lies: world.lyingDisks },
      listener,
      () => world.checker.committed,
    );
    world.checker.watch(id, this.disk);
    this.app = new AppSide(this, world, random);
  }

  #flushMs(): number {
    const { flushMs, stuckFlush } = this.#world.plan;
    if (this.#world.healed) return this.#random.between(0.1, 2);
    if (!this.#random.chance(stuckFlush)) return this.#random.exponential(flushMs);
    this.#world.trace.count('stuck flush');
    return this.#random.between(0, 20 * ELECTION_MAX_MS);
  }

  get up(): boolean {
    return this.#life !== undefined;
  }
  get core(): Raft | undefined {
    return this.#life?.core;
  }
  /** Highest index known here to be committed. */
  get commit(): number {
    return this.#life?.commit ?? 0;
  }
  /** This node's monotonic clock, ms. */
  get clock(): number {
    return ((this.#asleepSince ?? this.#world.schedule.now) - this.#slept) * this.#rate;
  }

  /** As memberships name it. */
  get diskName(): string {
    return `${this.id}-${this.disk.generation}`;
  }

  // ---------------------------------------------------------------- life and death

  start(): void {
    const { plan, trace, schedule } = this.#world;
    const founder = this.#world.membership.voters.includes(this.id) && this.disk.generation === 1;
    const membership = founder ? this.#world.membership : NOBODY;
    const random = (): number => this.#random.float();
    const disk = this.disk.generation === 1 ? undefined : this.diskName;
    const config = { ...plan.raft, id: this.id, group: this.group, membership, random, disk };
    const start = this.disk.start(plan.startTail, membership);
    trace.say(schedule.now, () => `${this.id} starts with ${this.disk.synced.length} entries`);
    const core = new Raft(config, start, { now: this.clock, wall: this.#wall() });
    this.#lives++;
    const front = new Front(this.#frontHost(this.#lives), core, this.#lives);
    const life: Life = { core, front, commit: start.committed, flushing: false };
    this.#life = life;
    if (start.committed > 0) this.#world.checker.commits(this.id, start.committed);
    this.app.sidecarStarted(front);
    this.#tellSnapshots();
    this.#step({ type: 'fitness', fit: false });
    this.#tickLater(life);
  }

  crash(cause: string): void {
    const life = this.#life;
    if (life === undefined) return;
    const { trace, checker, schedule } = this.#world;
    this.#life = undefined;
    this.#paused = undefined;
    this.#awake();
    const left = this.disk.crash(this.#random);
    trace.count('crash');
    trace.count(`crash: ${cause}`);
    trace.count(`crash with writes under way: ${left}`);
    trace.say(schedule.now, () => `${this.id} CRASHES (${cause}), writes under way: ${left}`);
    trace.mixText(`crash${this.id}`);
    checker.crashed(this.id);
    this.app.sidecarCrashed();
    life.front.crashed();
    this.onCrash(cause);
  }

  /** It comes again with an empty disk, and an app that knows nothing. */
  replaceDisk(): void {
    const { trace, network, checker, schedule } = this.#world;
    this.crash('disk replaced');
    this.disk.replace();
    this.app.replace();
    network.forget(this.id);
    checker.replaced(this.id);
    trace.count('disk replaced');
    trace.say(schedule.now, () => `${this.id} has the empty disk ${this.diskName}`);
  }

  /** It stands still: what it is given waits. */
  get paused(): boolean {
    return this.#paused !== undefined;
  }

  pause(ms: number): void {
    if (this.#life === undefined || this.#paused !== undefined) return;
    const life = this.#life;
    this.#paused = [];
    this.#world.trace.count('pause');
    this.#world.schedule.after(ms, () => {
      if (this.#life === life) this.resume();
    });
  }

  /**
   * What came while the process stood still is found in any order, since each connection and timer is read by itself: as it
   * came, mixed, or what clients want first of all.
   */
  resume(): void {
    const found = this.#paused ?? [];
    this.#paused = undefined;
    this.#awake();
    const order = this.#random.int(3);
    if (order === 0) this.#random.shuffle(found);
    if (order === 1) found.sort((a, b) => Number(b.ofClient) - Number(a.ofClient));
    for (const { run } of found) run();
  }

  /** As a pause, but the monotonic clock stands still as well. */
  suspend(ms: number): void {
    if (this.#life === undefined || this.#paused !== undefined) return;
    this.#world.trace.count('suspend');
    this.#asleepSince = this.#world.schedule.now;
    this.pause(ms);
  }

  #awake(): void {
    if (this.#asleepSince === undefined) return;
    this.#slept += this.#world.schedule.now - this.#asleepSince;
    this.#asleepSince = undefined;
  }

  jumpWallClock(): void {
    this.#wallJump = this.#random.between(-3_600_000, 3_600_000);
  }

  /** For one life: a process that crashed in the middle of something does nothing any more. */
  #frontHost(life: number): FrontHost {
    const { trace, network } = this.#world;
    const clock = (): number => this.clock;
    const alive = (): boolean => this.#life !== undefined && life === this.#lives;
    return {
      id: this.id,
      get clock() {
        return clock();
      },
      step: (input) => (alive() ? this.#step(input) : []),
      send: (message) => {
        if (!alive()) return;
        trace.count(message.type);
        network.send(message);
      },
      wake: () => this.#wake(),
      whenRunning: (run) => {
        if (alive()) this.#whenRunning(run, true);
      },
      count: (name) => trace.count(name),
    };
  }

  /** Gathers what comes now into one batch for the leader. */
  #wake(): void {
    const life = this.#life;
    if (life === undefined || life.flushing) return;
    life.flushing = true;
    this.#later(WAKE_MS, life, () => {
      life.flushing = false;
      life.front.flush();
    });
  }

  #wall(): number {
    return WALL_BASE + this.#world.schedule.now * this.#rate + this.#wallJump;
  }

  /** Runs now, or when the process goes on; never in another life. */
  #whenRunning(run: () => void, ofClient = false): void {
    const life = this.#life;
    if (life === undefined) return;
    if (this.#paused === undefined) run();
    else this.#paused.push({ ofClient, run: () => (this.#life === life ? run() : undefined) });
  }

  #later(ms: number, life: Life, run: () => void): void {
    this.#world.schedule.after(ms, () => {
      if (this.#life === life) this.#whenRunning(run);
    });
  }

  /** Runs later, while this life lasts and runs. */
  whileAlive(ms: number, run: () => void): void {
    if (this.#life !== undefined) this.#later(ms, this.#life, run);
  }

  #tickLater(life: Life): void {
    this.#later(TICK_MS / this.#rate, life, () => {
      this.#tickLater(life);
      this.#step({ type: 'applied', index: this.app.applied });
      this.#step({ type: 'fitness', fit: this.app.fit });
      this.#step({ type: 'tick' });
      if (this.#life !== life) return;
      if (life.core.role === 'LEADER' && this.disk.oldestWriteMs > 2 * ELECTION_MAX_MS)
        this.#step({ type: 'stepDown', cause: 'DISK_STUCK' });
      if (this.#life !== life) return;
      life.front.tick(this.#wall());
      this.app.committed();
    });
  }

  // ---------------------------------------------------------------- the core

  input(input: Input): void {
    this.#whenRunning(() => this.#step(input));
  }

  #step(input: Input): readonly Effect[] {
    const life = this.#life;
    if (life === undefined) return [];
    const { schedule, trace } = this.#world;
    this.#world.steps++;
    trace.step(schedule.now, this.id, input);
    let effects: Effect[];
    try {
      effects = life.core.step(input, { now: this.clock, wall: this.#wall() });
    } catch (error) {
      throw new Violation(
        'The core stopped',
        `${this.id}: ${error instanceof Error ? error.message : error}`,
      );
    }
    for (const effect of effects) {
      // Nothing follows from a note.
      if (effect.type === 'note') {
        this.#count(effect);
        continue;
      }
      if (this.#crashesBefore(effect)) {
        this.crash('in the middle of a step');
        return [];
      }
      trace.effect(schedule.now, this.id, effect);
      this.#execute(life, effect);
    }
    return effects;
  }

  /** The leader's disk is farther: sometimes it says so, as the daemon does to a follower whose clients wait. */
  #tellDurable(): void {
    const core = this.#life?.core;
    if (core?.role !== 'LEADER') return;
    for (const { id } of core.progress()) {
      if (this.#random.chance(0.5)) continue;
      this.#world.trace.count('leader told of its disk');
      this.#step({ type: 'tellDurable', to: id });
    }
  }

  #count(note: NoteEffect): void {
    const { trace } = this.#world;
    if (note.about === 'CAMPAIGN_POSTPONED') trace.count('campaign left to others');
    if (note.about === 'TRANSFER_STARTED' && note.cause === 'UNFIT') trace.count('handed over, unfit');
    if (note.about === 'TRANSFER_STARTED' && note.cause === 'PRIORITY') trace.count('handed over, priority');
  }

  #crashesBefore(effect: Effect): boolean {
    if (this.#world.healed) return false;
    const { crashAtEffect } = this.#world.plan;
    return this.#random.chance(effect.type === 'persist' ? 5 * crashAtEffect : crashAtEffect);
  }

  #execute(life: Life, effect: Effect): void {
    const { trace } = this.#world;
    switch (effect.type) {
      case 'persist':
        return this.#persist(effect);
      case 'send':
        return this.#send(effect.message);
      case 'commit':
        return this.#committed(life, effect.index);
      case 'role':
        return this.#roleChanged(life, effect);
      case 'fetch':
        return this.#fetch(life, effect);
      case 'installed':
        return this.#installed(life, effect.point);
      case 'compact':
        trace.count('compaction');
        return this.disk.compact(effect.point);
      case 'changeRefused':
        trace.count(`change refused: ${effect.reason}`);
        return;
      case 'membership':
        trace.count(effect.membership.outgoing.length > 0 ? 'joint membership' : 'membership');
        return;
      case 'snapshotWanted':
        return this.app.takeSnapshot();
      case 'fetchSnapshot':
        return this.#fetchSnapshot(life, effect);
      case 'readReady':
        trace.count('read index found');
        return life.front.readIndex(effect.ref, effect.index);
      case 'readRefused':
        trace.count('read index refused');
        return life.front.readIndex(effect.ref, undefined);
      case 'whole':
        trace.count('log proven whole again');
        this.disk.markWhole();
        return;
      case 'proposalRefused':
        trace.count(`proposal refused: ${effect.reason}`);
        return;
      case 'transferFailed':
        trace.count('transfer failed');
        return;
    }
  }

  #persist(effect: PersistEffect): void {
    const hash = this.disk.write(effect);
    if (effect.expectedHash === '') return;
    this.#world.trace.count('chain hash compared');
    if (effect.expectedHash !== hash)
      throw new Violation('Log Matching', `the chain hash of ${this.id} is not its leader's`);
  }

  #send(message: RaftMessage): void {
    const last = message.type === 'Append' ? message.entries.at(-1) : undefined;
    const sealed =
      message.type === 'Append' && last?.hash !== undefined ? { ...message, lastHash: last.hash } : message;
    this.#world.checker.sent(sealed);
    this.#world.network.send(sealed);
  }

  #fetch(life: Life, { to, from, through, maxBytes }: Extract<Effect, { type: 'fetch' }>): void {
    this.#world.trace.count('fetch');
    const late = this.#world.healed ? 1 : this.#random.exponential(this.#world.plan.flushMs);
    this.#later(late, life, () => {
      const failed = !this.#world.healed && this.#random.chance(0.05);
      const entries = failed
        ? []
        : this.disk.read(from, Math.min(through, from + (maxBytes < 1000 ? 1 : 19)));
      this.#step({ type: 'fetched', to, from, entries });
    });
  }

  // ---------------------------------------------------------------- snapshots

  /** Its own disk has a snapshot more, or less. */
  #tellSnapshots(): void {
    this.#step({ type: 'snapshots', points: this.disk.snapshots.map(({ point }) => point) });
  }

  /** The app gave its state; it is on the disk after a while, if nothing happens before. */
  snapshotTaken(snapshot: SimSnapshot): void {
    this.whileAlive(this.#world.healed ? 1 : this.#random.exponential(this.#world.plan.flushMs), () => {
      this.#world.trace.count('snapshot taken');
      this.disk.keep(snapshot);
      this.#tellSnapshots();
    });
  }

  /** The log may begin behind the last snapshot but one, or, since that must not be wrong either, behind any. */
  compact(): void {
    const { core, disk } = this;
    if (core === undefined || disk.snapshots.length === 0) return;
    const snapshots = disk.snapshots.map(({ point }) => point.index);
    const needs = [{ after: this.app.applied, must: false }];
    const careful = compactionPoint({ snapshots, base: core.log.baseIndex, needs, overBound: false });
    const index = this.#random.chance(0.5) ? careful : this.#random.pick(snapshots);
    const point = disk.snapshots.find((snapshot) => snapshot.point.index === index)?.point;
    if (point === undefined || point.index > Math.min(core.commitIndex, core.durableIndex)) return;
    this.input({ type: 'compact', point });
    this.whileAlive(0, () => this.#tellSnapshots());
  }

  /** All of it comes at once, if both are there then, and hear each other. */
  #fetchSnapshot(life: Life, { from, index, term }: { from: string; index: number; term: number }): void {
    if (life.fetching) return;
    life.fetching = true;
    const ms = this.#world.healed ? 1 : this.#random.exponential(ELECTION_MAX_MS);
    this.#later(ms, life, () => {
      life.fetching = false;
      const snapshot = this.#world
        .diskOf(from)
        ?.snapshots.find(({ point }) => point.index === index && point.term === term);
      if (snapshot === undefined || this.#world.network.isCut(from, this.id)) return;
      this.#world.trace.count('snapshot fetched');
      this.disk.keep(snapshot);
      if (!this.#world.healed && this.#random.chance(0.05)) {
        this.#world.trace.count('crash between fetching and installing');
        this.crash('snapshot fetched');
        return;
      }
      const config = this.#world
        .diskOf(from)
        ?.configs(NOBODY)
        .findLast((one) => one.index <= index);
      const known = config === undefined || config.index === 0 ? this.#world.membership : config.membership;
      const point = { ...snapshot.point, config: { index: config?.index ?? 0, membership: known } };
      this.#step({ type: 'install', point });
      this.#tellSnapshots();
    });
  }

  #installed(life: Life, point: LogPoint): void {
    this.#world.trace.count('snapshot installed');
    this.#world.checker.installs(this.id, point);
    const before = life.commit;
    life.commit = point.index;
    this.app.outrun(point.index);
    life.front.committed(before, point.index);
    this.app.committed();
  }

  #roleChanged(life: Life, effect: RoleEffect): void {
    const { checker, trace } = this.#world;
    trace.count(`role ${effect.role}: ${effect.cause}`);
    if (effect.role === 'LEADER') {
      checker.elected(this.id, effect.term);
      this.onElected();
    } else checker.steppedDown(this.id);
    life.front.roleChanged(effect.role === 'LEADER');
    this.#wake();
  }

  // ---------------------------------------------------------------- the app

  #committed(life: Life, index: number): void {
    const before = life.commit;
    this.#world.checker.commits(this.id, index);
    if (index > life.core.durableIndex) this.#world.trace.count('commit ahead of the own disk');
    life.commit = index;
    life.front.committed(before, index);
    this.app.committed();
  }

  // ---------------------------------------------------------------- clients and other nodes

  receive(message: PeerMessage): void {
    this.#whenRunning(() => {
      switch (message.type) {
        // Nobody asks for transfers, lost replies or versions through another node here, and apps tell nothing of their state.
        case 'ForwardTransfer':
        case 'AskReply':
        case 'TellReply':
        case 'AskVersion':
        case 'TellVersion':
        case 'AppHashes':
        case 'AppVerdict':
        case 'SnapshotAsk':
        case 'SnapshotData':
        case 'ForwardChange':
        case 'ForwardChanged':
          return;
      }
      if ('id' in message) this.#life?.front.receive(message);
      else this.#step({ type: 'message', message });
    });
  }

  /** The connection to `peer` broke. */
  linkLost(peer: string): void {
    this.#whenRunning(() => this.#life?.front.linkLost(peer));
  }

  /** Takes a command of a client; answers once. Only while the node is up. */
  write(request: WriteRequest, timeoutMs: number): void {
    const needsApp = request.wait === 'APPLIED' || (request.session ?? 0) !== 0;
    if (needsApp && !this.app.attached) request.done(refusal('APP_ABSENT', 'there is no app'));
    else this.#life?.front.write(request, timeoutMs);
  }

  /** Takes a linearizable read of a client; answers once. Only while the node is up. */
  read(done: (outcome: { readonly index: number } | Refusal) => void, timeoutMs: number): void {
    this.#life?.front.read(done, timeoutMs);
  }

  /** The same by lease. */
  leaseRead(request: LeaseReadRequest, timeoutMs: number): void {
    this.#life?.front.leaseRead(request, timeoutMs);
  }
}
