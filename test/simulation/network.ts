/**
 * The network between the nodes: loses, delays, reorders and repeats messages, and is cut in two or more ways, each
 * direction of a link by itself.
 *
 * MUST: carry a message as the wire does: what the receiver gets shares no sealed field with the sender.
 */
import type { Entry } from '../../shared/entry.ts';
import type { PeerMessage } from '../../shared/messages.ts';
import { ELECTION_MAX_MS, type FaultPlan } from './faults.ts';
import type { Prng } from './prng.ts';
import type { Schedule } from './schedule.ts';
import type { Trace } from './trace.ts';

const NEAR_MS = 0.2;
const FAR_MS = 3;

export class SimNetwork {
  readonly #schedule: Schedule;
  readonly #plan: FaultPlan;
  readonly #random: Prng;
  readonly #trace: Trace;
  readonly #deliver: (message: PeerMessage) => void;
  /** Directed links "from>to" that carry nothing; a link may be cut more than once. */
  readonly #cuts = new Map<string, number>();
  /** Directed links that hold back what they are given, and what they hold. */
  readonly #clogs = new Map<string, { count: number; readonly held: PeerMessage[] }>();
  /** How often a node came again with another disk. */
  readonly #endings = new Map<string, number>();
  #healed = false;
  /** Messages sent before the faults stopped do not arrive afterwards. */
  #era = 0;

  constructor(
    schedule: Schedule,
    plan: FaultPlan,
    random: Prng,
    trace: Trace,
    deliver: (message: PeerMessage) => void,
  ) {
    this.#schedule = schedule;
    this.#plan = plan;
    this.#random = random;
    this.#trace = trace;
    this.#deliver = deliver;
  }

  send(message: PeerMessage): void {
    const random = this.#random;
    if (this.#healed) {
      this.#carry(message, random.between(NEAR_MS, FAR_MS));
      return;
    }
    const { loss, late, duplicate } = this.#plan;
    if (this.#cuts.size > 0 && this.#cuts.has(`${message.from}>${message.to}`)) return;
    if (random.chance(loss)) return;
    const clog = this.#clogs.size > 0 ? this.#clogs.get(`${message.from}>${message.to}`) : undefined;
    if (clog !== undefined) {
      clog.held.push(message);
      return;
    }
    // One connection carries what routing says: it may be lost or late, but does not come twice.
    if (random.chance(duplicate) && 'term' in message && message.type !== 'ForwardProposed') {
      this.#trace.count('message repeated');
      this.#carry(message, random.between(0, random.chance(0.3) ? 10 * ELECTION_MAX_MS : FAR_MS));
    }
    const isLate = random.chance(late);
    if (isLate) this.#trace.count('message late');
    this.#carry(message, isLate ? random.between(0, 2 * ELECTION_MAX_MS) : random.between(NEAR_MS, FAR_MS));
  }

  #carry(message: PeerMessage, delay: number): void {
    const era = this.#era;
    const { from, to } = message;
    const [sender, receiver] = [this.#ended(from), this.#ended(to)];
    this.#schedule.after(delay, () => {
      if (era !== this.#era || sender !== this.#ended(from) || receiver !== this.#ended(to)) return;
      this.#deliver(asDecoded(message));
    });
  }

  #ended(node: string): number {
    return this.#endings.get(node) ?? 0;
  }

  /** What is on its way from and to `node` never arrives: connections are between disks (peers/disks.ts). */
  forget(node: string): void {
    this.#endings.set(node, this.#ended(node) + 1);
    for (const [link, { held }] of this.#clogs) if (link.split('>').includes(node)) held.length = 0;
  }

  /** Does nothing from `from` reach `to` now? */
  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  cut(links: readonly string[]): void {
    for (const link of links) this.#cuts.set(link, (this.#cuts.get(link) ?? 0) + 1);
  }

  mend(links: readonly string[]): void {
    for (const link of links) {
      const left = (this.#cuts.get(link) ?? 0) - 1;
      if (left > 0) this.#cuts.set(link, left);
      else this.#cuts.delete(link);
    }
  }

  /** Like a connection that stands still: everything arrives when it goes on. */
  clog(links: readonly string[]): void {
    for (const link of links) {
      const clog = this.#clogs.get(link);
      if (clog === undefined) this.#clogs.set(link, { count: 1, held: [] });
      else clog.count++;
    }
  }

  unclog(links: readonly string[]): void {
    for (const link of links) {
      const clog = this.#clogs.get(link);
      if (clog === undefined || --clog.count > 0) continue;
      this.#clogs.delete(link);
      for (const message of clog.held) this.#carry(message, this.#random.between(0, FAR_MS));
    }
  }

  /** No more faults; what was on its way is gone. */
  heal(): void {
    this.#healed = true;
    this.#era++;
    this.#cuts.clear();
    this.#clogs.clear();
  }
}

function asDecoded(message: PeerMessage): PeerMessage {
  if (message.type !== 'Append' || message.entries.length === 0) return message;
  return { ...message, entries: message.entries.map(unsealed) };
}

function unsealed(entry: Entry): Entry {
  const { hash: _, ...copy } = entry;
  return copy;
}

/** The links to cut for one partition, of a random shape. */
export function drawPartition(nodes: readonly string[], leader: string, random: Prng): string[] {
  const links: string[] = [];
  const both = (a: string, b: string): void => {
    links.push(`${a}>${b}`, `${b}>${a}`);
  };
  const shape = random.int(6);
  const target = leader !== '' && random.chance(0.8) ? leader : random.pick(nodes);
  const others = nodes.filter((id) => id !== target);
  if (others.length === 0) return links;
  switch (shape) {
    case 0: // One node is alone.
      for (const id of others) both(target, id);
      break;
    case 1: // One node can speak but not hear, or hear but not speak.
      for (const id of others) links.push(random.chance(0.5) ? `${target}>${id}` : `${id}>${target}`);
      break;
    case 2: {
      // It hears nothing at all, or nobody hears it.
      const deaf = random.chance(0.5);
      for (const id of others) links.push(deaf ? `${id}>${target}` : `${target}>${id}`);
      break;
    }
    case 3: {
      // Two sides.
      const side = new Set(nodes.filter(() => random.chance(0.5)));
      for (const a of nodes) for (const b of nodes) if (side.has(a) && !side.has(b)) both(a, b);
      break;
    }
    case 4: {
      // A bridge: two sides that both reach one node.
      const side = new Set(others.filter(() => random.chance(0.5)));
      for (const a of others) for (const b of others) if (side.has(a) && !side.has(b)) both(a, b);
      break;
    }
    default: // Some single directions.
      for (const a of nodes)
        for (const b of nodes) if (a !== b && random.chance(0.3)) links.push(`${a}>${b}`);
  }
  return links;
}
