/**
 * One seed, from an empty cluster to the verdict. First the safety phase: anything may fail, nothing may be wrong. Then
 * the liveness phase: nothing fails any more, and the cluster must come to one leader, serve, and agree.
 *
 * MUST: give the same result, hash included, whenever it is given the same seed and options.
 */
import { allMembers } from '../../sidecar/raft/quorum.ts';
import { Chaos } from './chaos.ts';
import { Checker, Violation } from './checker.ts';
import { SimClient } from './client.ts';
import { drawPlan, ELECTION_MAX_MS, type FaultPlan, HAND_OVER_MS } from './faults.ts';
import { SimNetwork } from './network.ts';
import { SimNode, type Surroundings } from './node.ts';
import { Prng } from './prng.ts';
import { Schedule } from './schedule.ts';
import { SessionClient } from './session-client.ts';
import { SessionJudge } from './session-judge.ts';
import { Trace } from './trace.ts';

export interface RunOptions {
  /** Inputs stepped into cores before the faults stop. */
  readonly steps: number;
  /** Prints every step, for a replay. */
  readonly print?: (line: string) => void;
  /** Plants a fault that must be reported: disks that say durable and are not. */
  readonly lyingDisks?: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly nodes: number;
  /** Of every step, effect and fault. */
  readonly hash: string;
  readonly steps: number;
  /** Milliseconds of virtual time. */
  readonly virtualMs: number;
  readonly counts: ReadonlyMap<string, number>;
  /** undefined when every promise held. */
  readonly violation: { readonly invariant: string; readonly message: string } | undefined;
}

/** Streams of luck, one for each part of the world. */
const STREAM = { plan: 0, network: 1, chaos: 2, node: 10, client: 100, session: 200 };

/** Clients with a session in the runs that have some. */
const SESSION_CLIENTS = 2;

/** One leader within ten election timeouts of faultless time; slow clocks count slower. */
const LEADER_MS = 10 * ELECTION_MAX_MS * 1.1;
/** A leader that is not fit hands over, and not twice: also to one that crashed and came back meanwhile. */
const FIT_LEADER_MS = 3 * HAND_OVER_MS + LEADER_MS;
/** So long nothing may change once all is well. */
const CALM_MS = 4 * HAND_OVER_MS;
const SERVE_MS = 5_000;
/** For each entry that the shortest log lacks: windows may be of one entry. */
const CATCH_UP_MS = 15;

export function runSeed(seed: number, options: RunOptions): RunResult {
  const run = new Run(seed, options);
  let violation: RunResult['violation'];
  try {
    run.safetyPhase(options.steps);
    run.livenessPhase();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = { invariant: error.invariant, message: error.message };
    run.trace.say(run.schedule.now, () => `VIOLATION ${error.message}`);
  }
  const { trace, schedule, world } = run;
  const nodes = world.plan.nodes;
  const { hash, counts } = trace;
  return { seed, nodes, hash, steps: world.steps, virtualMs: schedule.now, counts, violation };
}

class Run {
  readonly schedule = new Schedule();
  readonly trace: Trace;
  readonly world: Surroundings;
  readonly #nodes: readonly SimNode[];
  readonly #clients: readonly SimClient[];
  readonly #sessionClients: readonly SessionClient[];
  readonly #chaos: Chaos;
  #commands = 0;

  constructor(seed: number, options: RunOptions) {
    this.trace = new Trace(options.print);
    const plan = drawPlan(new Prng(seed, STREAM.plan));
    this.trace.say(0, () => JSON.stringify(plan));
    const voters = Array.from({ length: plan.nodes }, (_, i) => `n${i + 1}`);
    this.world = this.#surroundings(seed, plan, voters, options.lyingDisks ?? false);
    const spares = Array.from({ length: plan.spares }, (_, i) => `n${plan.nodes + i + 1}`);
    this.#nodes = [...voters, ...spares].map(
      (id, i) => new SimNode(id, this.world, new Prng(seed, STREAM.node + i)),
    );
    this.#chaos = new Chaos(this.world, this.#nodes, new Prng(seed, STREAM.chaos), {
      burst: (node) => this.#clients[0]?.burst(node),
      readByLease: (node) => this.#clients[0]?.readByLease(node, () => undefined),
    });
    const next = (): number => ++this.#commands;
    this.#clients = Array.from(
      { length: plan.clients },
      (_, i) => new SimClient(this.world, this.#nodes, new Prng(seed, STREAM.client + i), next),
    );
    this.#sessionClients = Array.from(
      { length: this.#withSessions(seed) ? SESSION_CLIENTS : 0 },
      (_, i) => new SessionClient(this.world, this.#nodes, new Prng(seed, STREAM.session + i), next),
    );
  }

  /** Half of the runs have none: sessions must not hide what happens without them. */
  #withSessions(seed: number): boolean {
    return seed % 2 === 0;
  }

  #surroundings(seed: number, plan: FaultPlan, voters: string[], lyingDisks: boolean): Surroundings {
    const { schedule, trace } = this;
    const network = new SimNetwork(schedule, plan, new Prng(seed, STREAM.network), trace, (message) =>
      this.#nodes.find((node) => node.id === message.to)?.receive(message),
    );
    const membership = { voters, outgoing: [], learners: [] };
    const checker = new Checker(trace, membership);
    const sessions = new SessionJudge(trace);
    return {
      schedule,
      trace,
      checker,
      sessions,
      plan,
      network,
      membership,
      isMember: (id) => allMembers(checker.membership).includes(id),
      diskOf: (id) => this.#nodes.find((node) => node.id === id && node.up)?.disk,
      lyingDisks,
      healed: false,
      steps: 0,
    };
  }

  safetyPhase(steps: number): void {
    for (const node of this.#nodes) node.start();
    for (const client of [...this.#clients, ...this.#sessionClients]) client.start();
    this.#chaos.start();
    while (this.world.steps < steps && this.schedule.runNext());
  }

  livenessPhase(): void {
    this.trace.say(this.schedule.now, () => 'HEALED');
    for (const client of [...this.#clients, ...this.#sessionClients]) client.stop();
    this.#chaos.heal();
    const slowest = 1 - this.world.plan.drift;
    // A change that is under way ends once those have caught up that it makes voters.
    const behind = this.#nodes.map(({ disk }) => disk.written.length);
    const catchUpMs = CATCH_UP_MS * (Math.max(...behind) - Math.min(...behind));
    this.#until('one leader', LEADER_MS / slowest + catchUpMs, () => this.#oneLeader());
    const lengths = this.#members.map(({ disk }) => disk.written.length);
    const limitMs =
      SERVE_MS +
      CATCH_UP_MS * (Math.max(...lengths) - Math.min(...lengths, this.world.checker.committed.length));
    this.#serve(limitMs);
    this.#serveByLease();
    this.#until('every command of a session settled', limitMs, () =>
      this.#sessionClients.every((client) => client.settled),
    );
    this.#until('all logs equal', limitMs, () => this.#agreed());
    this.#until('led by a node whose app is well', FIT_LEADER_MS / slowest, () => this.#ledWell());
    this.#staysLed();
    // A leader may have written by itself meanwhile.
    this.#until('all logs equal in the end', limitMs, () => this.#agreed());
    this.#lastWords();
  }

  /** Lets time pass until `test` holds; broken liveness when it takes longer than `limitMs`. */
  #until(what: string, limitMs: number, test: () => boolean): void {
    const limit = this.schedule.now + limitMs;
    while (!test()) {
      if (this.schedule.now > limit || !this.schedule.runNext()) {
        throw new Violation(
          'Liveness',
          `not ${what} within ${limitMs} ms after the faults stopped: ${this.#state()}`,
        );
      }
    }
  }

  #state(): string {
    return this.#nodes
      .map(({ id, core, disk }) => {
        if (core === undefined) return `${id} down`;
        const { role, term, leader, commitIndex, log, whole } = core;
        const proven = whole ? '' : ` must reach ${disk.mustReach}`;
        return `${id} ${role} term ${term} leader ${leader} commit ${commitIndex} last ${log.lastIndex}${proven}`;
      })
      .join('; ');
  }

  /** Who is in the cluster by now. */
  get #members(): readonly SimNode[] {
    const ids = allMembers(this.world.checker.membership);
    return this.#nodes.filter(({ id }) => ids.includes(id));
  }

  #oneLeader(): boolean {
    const leader = this.#members.find(({ core }) => core?.role === 'LEADER')?.core;
    if (leader === undefined || leader.changing) return false;
    return this.#members.every(({ core }) => core?.leader === leader.id);
  }

  /** A node that is fit leads, where there is one, and of these one of the highest priority. */
  #ledWell(): boolean {
    if (!this.#oneLeader() || this.#members.some(({ core }) => core?.transferTarget !== undefined))
      return false;
    const { voters, book = [] } = this.world.checker.membership;
    const priority = (id: string): number => book.find((member) => member.id === id)?.priority ?? 0;
    const fit = this.#members.filter(({ app, id }) => app.fit && voters.includes(id));
    const highest = Math.max(...fit.map(({ id }) => priority(id)));
    return (
      fit.length === 0 || fit.some(({ id, core }) => core?.role === 'LEADER' && priority(id) === highest)
    );
  }

  /** Whoever leads now leads on: also where nobody is fit, and where some are and some are not. */
  #staysLed(): void {
    const leader = this.#members.find(({ core }) => core?.role === 'LEADER');
    const term = leader?.core?.term;
    if (leader?.app.fit === false) this.trace.count('leader unfit at the end: nobody is fit');
    const end = this.schedule.now + CALM_MS;
    while (this.schedule.now < end && this.schedule.runNext());
    if (leader?.core?.role === 'LEADER' && leader.core.term === term && this.#oneLeader()) return;
    throw new Violation('Liveness', `${leader?.id} led term ${term} and does not any more: ${this.#state()}`);
  }

  /** A new write and a new read succeed at every node. */
  #serve(limitMs: number): void {
    const client = this.#clients[0] as SimClient;
    let served = 0;
    for (const node of this.#members) {
      const ask = (): void => client.write(node, (done) => (done ? read() : retry(ask)));
      const read = (): void => client.read(node, (done) => (done ? served++ : retry(read)));
      const retry = (again: () => void): void => this.schedule.after(10, again);
      ask();
    }
    this.#until('a write and a read at every node', limitMs, () => served === this.#members.length);
  }

  /** Where all clocks keep within the bound a leader comes to its lease, unless it tried to hand over in its term. */
  #serveByLease(): void {
    const { raft, drift } = this.world.plan;
    const { lease } = raft;
    if (lease === undefined || (1 - drift) / (1 + drift) < 1 - lease.clockBound) return;
    const client = this.#clients[0] as SimClient;
    let served = false;
    const ask = (): void => {
      const leader = this.#members.find(({ core }) => core?.role === 'LEADER') ?? (this.#nodes[0] as SimNode);
      client.readByLease(leader, (refused) => {
        served = refused === undefined || refused === 'LEASE_TRANSFER';
        if (!served) this.schedule.after(10, ask);
      });
    };
    ask();
    this.#until('a read by lease', SERVE_MS, () => served);
  }

  #agreed(): boolean {
    const { committed } = this.world.checker;
    return this.#members.every(
      (node) => node.app.applied === committed.length && node.disk.synced.length === committed.length,
    );
  }

  /** What was ever committed is on every disk. */
  #lastWords(): void {
    const last = this.world.checker.committed.at(-1);
    for (const { id, disk } of this.#members) {
      if (disk.synced.at(-1)?.hash === last?.hash) continue;
      throw new Violation('State Machine Safety', `${id} ends with another log than was committed`);
    }
  }
}
