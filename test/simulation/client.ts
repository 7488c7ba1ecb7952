/**
 * A client of the simulated cluster: one round of requests at a time, at any node, each command with a number of its own.
 * What it is told goes to the judge: acknowledged, surely refused, or unknown.
 *
 * MUST: treat an answer as unknown unless its code promises more; never try again.
 */
import type { Refusal } from '../../shared/codes.ts';
import type { ProposalOutcome } from '../../sidecar/routing/port.ts';
import type { SimNode, Surroundings } from './node.ts';
import type { Prng } from './prng.ts';

/** How long a request may wait, ms: longer than most elections, shorter than the longest faults. */
const REQUEST_MS = 1500;

/** Open requests of one client that does not wait for answers. */
const OPEN_MAX = 30;

export class SimClient {
  readonly #world: Surroundings;
  readonly #nodes: readonly SimNode[];
  readonly #random: Prng;
  readonly #nextCommand: () => number;
  /** Stays at one node, even where nobody answers: or nobody would ask a leader that was cut off. */
  readonly #pinned: boolean;
  /** Share of its requests that are reads. Some only read: their reads do not wait behind writes that hang. */
  readonly #readShare: number;
  #node: SimNode;
  #stopped = false;
  #open = 0;

  constructor(world: Surroundings, nodes: readonly SimNode[], random: Prng, nextCommand: () => number) {
    this.#world = world;
    this.#nodes = nodes;
    this.#random = random;
    this.#nextCommand = nextCommand;
    this.#node = random.pick(nodes);
    this.#pinned = random.chance(0.5);
    this.#readShare = random.pick([0.2, 0.3, 1]);
  }

  start(): void {
    this.#think();
  }

  stop(): void {
    this.#stopped = true;
  }

  #think(): void {
    if (this.#stopped) return;
    this.#world.schedule.after(this.#random.exponential(this.#world.plan.thinkMs) + 0.1, () => this.#round());
  }

  #round(): void {
    const random = this.#random;
    if (!this.#pinned && (random.chance(0.2) || !this.#node.up)) this.#node = this.#anotherNode();
    const node = this.#node;
    if (!node.up || this.#open > OPEN_MAX) {
      this.#think();
      return;
    }
    this.#open++;
    if (random.chance(this.#readShare)) this.#readFrom(node);
    else for (let left = 1 + random.int(3); left > 0 && node.up; left--) this.#writeTo(node);
    this.#closed();
    if (this.#world.plan.openLoop) this.#think();
  }

  /** Some writes at once: for a leader that was just cut off, so that logs part. */
  burst(node: SimNode): void {
    if (!node.up || this.#open > OPEN_MAX || this.#stopped) return;
    for (let left = 1 + this.#random.int(8); left > 0 && node.up; left--) this.write(node, () => undefined);
  }

  /** The leader half of the time: else too little is committed to be interesting. */
  #anotherNode(): SimNode {
    const leader = this.#nodes.find((node) => node.core?.role === 'LEADER');
    return leader !== undefined && this.#random.chance(0.5) ? leader : this.#random.pick(this.#nodes);
  }

  #closed(): void {
    this.#open--;
    if (this.#open === 0 && !this.#world.plan.openLoop) this.#think();
  }

  #readFrom(node: SimNode): void {
    this.#open++;
    const byLease = this.#world.plan.raft.lease !== undefined && this.#random.chance(0.7);
    if (byLease) this.readByLease(node, () => this.#closed());
    else this.read(node, () => this.#closed());
  }

  #writeTo(node: SimNode): void {
    this.#open++;
    this.write(node, () => this.#closed());
  }

  /** Reads at `node`; `done` says whether it was served. */
  read(node: SimNode, done: (served: boolean) => void): void {
    const { checker, trace } = this.#world;
    const floor = checker.committed.length;
    node.read((outcome) => {
      const served = 'index' in outcome;
      if (served) checker.read(floor, outcome.index);
      trace.count(served ? 'read' : `read refused: ${outcome.code}`);
      done(served);
    }, REQUEST_MS);
  }

  /** The same by lease: the judge asks as much of it. `done` says why it was refused, if it was. */
  readByLease(node: SimNode, done: (refused: string | undefined) => void): void {
    const { checker, trace } = this.#world;
    const floor = checker.committed.length;
    node.leaseRead(
      {
        found: (index) => checker.readIndex(floor, index),
        done: (outcome) => {
          const served = 'index' in outcome;
          if (served) checker.read(floor, outcome.index);
          trace.count(served ? 'read by lease' : `read by lease refused: ${outcome.message}`);
          done(served ? undefined : outcome.message);
        },
      },
      REQUEST_MS,
    );
  }

  /** Writes one new command at `node`; `done` says whether it was acknowledged. */
  write(node: SimNode, done: (acknowledged: boolean) => void): void {
    const { checker, trace } = this.#world;
    const random = this.#random;
    const id = this.#nextCommand();
    const command = Buffer.alloc(4 + random.int(40));
    command.writeUInt32BE(id);
    const answer = (outcome: ProposalOutcome | Refusal): void => {
      if ('index' in outcome) checker.acknowledged(id, outcome.index, outcome.term);
      else if (outcome.definite) checker.refused(id);
      trace.count('index' in outcome ? 'write' : `write refused: ${outcome.code}`);
      done('index' in outcome);
    };
    const wait = random.chance(0.3) ? 'COMMITTED' : 'APPLIED';
    const expectedTerm = random.chance(0.1) ? node.core?.term : undefined;
    node.write({ command, wait, expectedTerm, done: answer }, REQUEST_MS);
  }
}
