/**
 * A client with a session: several commands in flight, in any order and through any node, each tried until its outcome is
 * known. Sometimes it is silent for longer than its session lives.
 *
 * MUST: send a sequence again with the same command, unless every try of it was surely refused.
 */
import type { Refusal } from '../../shared/codes.ts';
import { EntryKind } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { encodeSessionOpen } from '../../shared/wire/session-entries.ts';
import type { ProposalOutcome } from '../../sidecar/routing/port.ts';
import type { SimNode, Surroundings } from './node.ts';
import type { Prng } from './prng.ts';

const REQUEST_MS = 1500;
const RETRY_MS = 60;
const IN_FLIGHT_MAX = 4;

interface Pending {
  readonly sequence: number;
  command: number;
  /** Tries that were not answered yet. */
  open: number;
  /** A try of this command may have been taken. */
  unsure: boolean;
}

export class SessionClient {
  readonly #world: Surroundings;
  readonly #nodes: readonly SimNode[];
  readonly #random: Prng;
  readonly #nextCommand: () => number;
  readonly #inFlight: number;
  #session = 0;
  /** Counts sessions: answers to an earlier one are no news. */
  #generation = 0;
  #next = 1;
  readonly #pending = new Map<number, Pending>();
  #stopped = false;
  #opening = false;

  constructor(world: Surroundings, nodes: readonly SimNode[], random: Prng, nextCommand: () => number) {
    this.#world = world;
    this.#nodes = nodes;
    this.#random = random;
    this.#nextCommand = nextCommand;
    this.#inFlight = 1 + random.int(IN_FLIGHT_MAX);
  }

  start(): void {
    this.#later(10, () => this.#open());
  }

  /** No new commands; what is pending is tried on. */
  stop(): void {
    this.#stopped = true;
  }

  get settled(): boolean {
    return this.#pending.size === 0;
  }

  #later(meanMs: number, run: () => void): void {
    this.#world.schedule.after(this.#random.exponential(meanMs), run);
  }

  #anyNode(): SimNode | undefined {
    const up = this.#nodes.filter(({ id, up }) => up && (!this.#world.healed || this.#world.isMember(id)));
    return up.length === 0 ? undefined : this.#random.pick(up);
  }

  #open(): void {
    if (this.#stopped || this.#opening) return;
    const again = (): void => this.#later(RETRY_MS, () => this.#open());
    const node = this.#anyNode();
    if (node === undefined) return again();
    this.#opening = true;
    const done = (outcome: ProposalOutcome | Refusal): void => {
      this.#opening = false;
      if ('code' in outcome) return again();
      this.#world.trace.count('session opened');
      this.#session = outcome.index;
      this.#generation++;
      this.#next = 1;
      this.#round();
    };
    const request = {
      kind: EntryKind.SESSION_OPEN,
      command: encodeSessionOpen(LIMITS.sessionTtlMsMin),
      expectedTerm: undefined,
      wait: 'APPLIED',
      done,
    } as const;
    node.write(request, REQUEST_MS);
  }

  /** Fills the window, in any order: what comes second may come first. */
  #round(): void {
    if (this.#stopped || this.#session === 0) return;
    const fresh: Pending[] = [];
    while (this.#pending.size < this.#inFlight) {
      const sequence = this.#next++;
      const pending = { sequence, command: this.#nextCommand(), open: 0, unsure: false };
      this.#pending.set(sequence, pending);
      fresh.push(pending);
    }
    this.#random.shuffle(fresh);
    for (const pending of fresh) this.#try(pending);
    const silent = this.#random.chance(0.02);
    const mean = silent ? 3 * LIMITS.sessionTtlMsMin : this.#world.plan.thinkMs;
    const generation = this.#generation;
    this.#later(mean, () => {
      if (generation === this.#generation) this.#round();
    });
  }

  #try(pending: Pending): void {
    this.#send(pending);
    // Impatient: the same command twice, at once or through another node.
    if (this.#random.chance(0.2)) this.#send(pending);
  }

  #send(pending: Pending): void {
    const node = this.#anyNode();
    if (node === undefined) return this.#tryLater(pending);
    const { sequence, command: id } = pending;
    const session = this.#session;
    const command = Buffer.alloc(4 + this.#random.int(20));
    command.writeUInt32BE(id);
    const ackBelow = this.#random.chance(0.5) ? Math.min(...this.#pending.keys()) : 0;
    const wait = this.#random.chance(0.2) ? 'COMMITTED' : 'APPLIED';
    pending.open++;
    const generation = this.#generation;
    const done = (outcome: ProposalOutcome | Refusal): void => {
      pending.open--;
      if (!('code' in outcome)) this.#world.sessions.answered(session, sequence, id, outcome);
      else this.#world.sessions.refused(outcome);
      if (generation === this.#generation) this.#heard(pending, outcome);
    };
    node.write({ command, session, sequence, ackBelow, wait, expectedTerm: undefined, done }, REQUEST_MS);
  }

  #tryLater(pending: Pending): void {
    const generation = this.#generation;
    this.#later(RETRY_MS, () => {
      if (generation !== this.#generation || pending.open > 0 || !this.#isPending(pending)) return;
      this.#send(pending);
    });
  }

  #isPending(pending: Pending): boolean {
    return this.#pending.get(pending.sequence) === pending;
  }

  #heard(pending: Pending, outcome: ProposalOutcome | Refusal): void {
    if (!this.#isPending(pending)) return;
    if (!('code' in outcome)) {
      this.#pending.delete(pending.sequence);
      return;
    }
    if (outcome.code === 'SESSION_UNKNOWN') {
      this.#lost();
      return;
    }
    if (!outcome.definite) pending.unsure = true;
    if (!pending.unsure && pending.open === 0 && this.#random.chance(0.3)) {
      this.#world.sessions.abandoned(pending.command);
      pending.command = this.#nextCommand();
    }
    this.#tryLater(pending);
  }

  /** The session ended: what was pending stays unknown for ever. */
  #lost(): void {
    this.#world.trace.count('session lost');
    this.#session = 0;
    this.#generation++;
    this.#pending.clear();
    this.#open();
  }
}
