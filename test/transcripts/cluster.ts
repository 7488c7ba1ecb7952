/**
 * The stage of a transcript: nodes, the messages between them, and a printed line for everything that happens.
 *
 * MUST: do nothing by itself except finish the disk work of nodes whose disk is `auto`; be deterministic.
 */
import type { RaftMessage } from '../../shared/messages.ts';
import { describeEffect, describeMessage } from '../../sidecar/raft/describe.ts';
import type { Effect, Input, RaftConfig } from '../../sidecar/raft/types.ts';
import { Invariants } from './invariants.ts';
import { ScriptNode } from './node.ts';
import { ScriptError } from './script.ts';

/** A run that does not come to rest by then never will. */
const DELIVERIES_MAX = 5_000;

export type MessageFilter = (message: RaftMessage) => boolean;

export class Cluster {
  readonly nodes = new Map<string, ScriptNode>();
  /** In the order sent. */
  wire: RaftMessage[] = [];
  /** Taken off the wire until `release`. */
  held: RaftMessage[] = [];
  /** Groups that hear each other; everybody when empty. Cuts act when a message is sent. */
  islands: ReadonlySet<string>[] = [];
  proposals = 0;
  changes = 0;
  #lines: string[] = [];
  readonly #invariants = new Invariants(this.nodes);

  addNode(config: RaftConfig, electionMs: number): ScriptNode {
    const node = new ScriptNode(config, electionMs);
    this.nodes.set(node.id, node);
    return node;
  }

  start(node: ScriptNode, mustReach?: number, tail?: number): void {
    node.start(mustReach, tail);
    this.#invariants.restarted(node);
    this.#invariants.afterStep(node);
  }

  node(id: string): ScriptNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new ScriptError(`no node is called ${id}`);
    return node;
  }

  print(line: string): void {
    this.#lines.push(line);
  }

  /** Everything printed since the last call. */
  takeLines(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  /** One input to one core, and all that follows from it at once. */
  step(node: ScriptNode, input: Input): void {
    if (node.raft === undefined) throw new ScriptError(`${node.id} is down`);
    if (input.type === 'read' || input.type === 'leaseRead') this.#invariants.readBegins(node.id, input.ref);
    for (const effect of node.raft.step(input, node.clock)) {
      // Notes are for the record; a transcript shows what they are about.
      if (effect.type === 'note') continue;
      this.#execute(node, effect);
      this.#invariants.effect(node, effect);
    }
    this.#invariants.afterStep(node);
    while (node.autoDisk && node.jobs.length > 0) this.finishDiskJob(node);
  }

  #execute(node: ScriptNode, effect: Effect): void {
    let note = '';
    if (effect.type === 'persist') node.write(effect, this.#invariants.committed);
    if (effect.type === 'compact') node.base = effect.point;
    if (effect.type === 'fetchSnapshot') node.wanted = effect;
    if (effect.type === 'fetch') node.jobs.push(effect);
    if (effect.type === 'send') {
      if (this.#hears(node.id, effect.message.to)) this.wire.push(effect.message);
      else note = '   ✗ cut off';
    }
    this.print(`  ${node.id} ${describeEffect(effect)}${note}`);
  }

  #hears(from: string, to: string): boolean {
    return this.islands.length === 0 || this.islands.some((island) => island.has(from) && island.has(to));
  }

  /** The oldest write or read of its disk comes back. */
  finishDiskJob(node: ScriptNode): void {
    const job = node.jobs.shift();
    if (job === undefined) throw new ScriptError(`the disk of ${node.id} has nothing to do`);
    if (job.type === 'persist') {
      node.store(job);
      this.print(`${node.id} disk: #${job.sequence} done`);
      this.step(node, { type: 'durable', sequence: job.sequence });
      return;
    }
    const gone = job.from <= node.base.index;
    const entries = gone ? [] : node.log.slice(job.from - 1, job.through);
    let bytes = 0;
    const fitting = entries.filter((entry, i) => {
      bytes += entry.command.length;
      return i === 0 || bytes <= job.maxBytes;
    });
    this.print(`${node.id} disk: ${fitting.length} entries read for ${job.to}`);
    this.step(node, { type: 'fetched', to: job.to, from: job.from, entries: fitting });
  }

  /** All writes under way become durable by one sync, and the core hears of it once. */
  finishWritesTogether(node: ScriptNode): void {
    let sequence = 0;
    for (const job of node.jobs.splice(0)) {
      if (job.type !== 'persist') throw new ScriptError(`${node.id} is reading from its disk`);
      node.store(job);
      sequence = job.sequence;
    }
    this.print(`${node.id} disk: all through #${sequence} done`);
    this.step(node, { type: 'durable', sequence });
  }

  /** Takes messages off the wire, oldest first. */
  take(filter: MessageFilter, count = Number.POSITIVE_INFINITY): RaftMessage[] {
    const taken: RaftMessage[] = [];
    this.wire = this.wire.filter((message) => {
      const wanted = taken.length < count && filter(message);
      if (wanted) taken.push(message);
      return !wanted;
    });
    return taken;
  }

  deliver(message: RaftMessage): void {
    const to = this.node(message.to);
    this.print(`${describeMessage(message)}${to.raft === undefined ? `   ✗ ${to.id} is down` : ''}`);
    if (to.raft !== undefined) this.step(to, { type: 'message', message });
  }

  /** Delivers what is on the wire, and what that causes, until nothing matches any more. */
  stabilize(filter: MessageFilter): void {
    for (let i = 0; i < DELIVERIES_MAX; i++) {
      const [message] = this.take(filter, 1);
      if (message === undefined) return;
      this.deliver(message);
    }
    throw new Error(`the cluster does not come to rest in ${DELIVERIES_MAX} deliveries`);
  }

  /** Lets time pass on these nodes, in slices as a driver would. */
  tick(nodes: readonly ScriptNode[], ms: number, afterSlice: () => void = () => undefined): void {
    for (let left = ms; left > 0; ) {
      const slice = Math.min(left, (nodes[0]?.config.heartbeatMs ?? left) / 2);
      left -= slice;
      for (const node of nodes) {
        node.now += slice * node.rate;
        if (node.raft !== undefined) this.step(node, { type: 'tick' });
      }
      afterSlice();
    }
  }

  /** The node did not run for so long; then it does. */
  stall(node: ScriptNode, ms: number): void {
    node.now += ms;
    this.step(node, { type: 'tick' });
  }
}
