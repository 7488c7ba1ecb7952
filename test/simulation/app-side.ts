/**
 * The app of one simulated node: a process of its own that outlives its sidecar, or dies beside it. It counts what it
 * applies; its result of a command is that count, so whoever applied something else gives another answer.
 *
 * MUST: take only what its sidecar decided for it, in order; say hello where it stands.
 * MAY: crash at any time, also between applying and saying so; keep its state over a crash, or lose it.
 */
import type { Entry } from '../../shared/entry.ts';
import {
  addReplies,
  decodeSessions,
  encodeReplies,
  encodeSessions,
} from '../../sidecar/machine/session-codec.ts';
import { concernsSessions, SessionTable } from '../../sidecar/machine/session-table.ts';
import type { Front } from './front.ts';
import type { SimNode, Surroundings } from './node.ts';
import type { Prng } from './prng.ts';

/** How long a crashed app is away at most, ms. */
const AWAY_MS = 400;
/** One delivery has at most so many entries. */
const DELIVERY_MAX = 40;

/** The connection to one life of the sidecar. */
interface Link {
  readonly front: Front;
  /** Everything through this index was decided. */
  decided: number;
  /** What was decided and not applied. */
  readonly batches: { readonly entries: readonly Entry[]; readonly through: number }[];
  deciding: boolean;
  applying: boolean;
}

export class AppSide {
  readonly #node: SimNode;
  readonly #world: Surroundings;
  readonly #random: Prng;
  /** Its state survives a crash. */
  readonly #durable: boolean;
  #front: Front | undefined;
  #link: Link | undefined;
  #up = true;
  /** It works, and says that it does not do well: its node should not lead. */
  #sick = false;
  #applied = 0;
  /** Commands applied in all: the state. */
  #effects = 0;

  constructor(node: SimNode, world: Surroundings, random: Prng) {
    this.#node = node;
    this.#world = world;
    this.#random = random;
    this.#durable = random.chance(0.5);
  }

  get applied(): number {
    return this.#applied;
  }

  get attached(): boolean {
    return this.#link !== undefined;
  }

  /** Good enough for its node to lead. */
  get fit(): boolean {
    return this.attached && !this.#sick;
  }

  toggleHealth(): void {
    this.#sick = !this.#sick;
    if (this.#sick) this.#world.trace.count('app sick');
  }

  // ---------------------------------------------------------------- lives

  sidecarStarted(front: Front): void {
    this.#front = front;
  }

  sidecarCrashed(): void {
    this.#front = undefined;
    this.#link = undefined;
    if (this.#random.chance(0.5)) this.#die();
  }

  /** The app alone dies. */
  crash(): void {
    if (!this.#up) return;
    this.#world.trace.count(this.#durable ? 'app crash, state kept' : 'app crash, state lost');
    this.#link = undefined;
    this.#die();
    const away = this.#world.healed ? 0 : this.#random.between(0, AWAY_MS);
    this.#up = false;
    this.#world.schedule.after(away, () => {
      this.#up = true;
      this.committed();
    });
  }

  /** Its sidecar has an empty disk, and so has it. */
  replace(): void {
    this.#applied = 0;
    this.#effects = 0;
  }

  #die(): void {
    if (this.#durable) return;
    this.#applied = 0;
    this.#effects = 0;
  }

  /** Says hello as soon as its sidecar knows everything it has applied to be committed. */
  #attach(): void {
    const front = this.#front;
    if (front === undefined || !this.#up || this.#applied > this.#node.commit) return;
    const table = this.#tableAt(front) ?? this.#restore(front);
    if (table === undefined) return;
    this.#world.checker.attached(this.#node.id, this.#applied);
    this.#link = { front, decided: this.#applied, batches: [], deciding: false, applying: false };
    front.attached(table);
  }

  /** As `tableAt` of the daemon: its own table where the app goes on from there, or that of a snapshot, and then the log. */
  #tableAt(front: Front): SessionTable | undefined {
    const known = front.machine.table;
    const { disk } = this.#node;
    const snapshot = disk.snapshots.findLast(({ point }) => point.index <= this.#applied);
    let table = known.position <= this.#applied ? known.clone() : new SessionTable();
    if (snapshot !== undefined && snapshot.point.index > table.position)
      table = decodeSessions(snapshot.sessions);
    if (table.position < disk.base.index) return undefined;
    for (const entry of disk.read(table.position + 1, this.#applied))
      if (concernsSessions(entry)) table.apply(entry);
    table.passTo(this.#applied);
    return table;
  }

  // ---------------------------------------------------------------- snapshots

  /** The log does not reach back to where it stands: it begins where the newest snapshot is of. */
  #restore(front: Front): SessionTable | undefined {
    const snapshot = this.#node.disk.snapshots.at(-1);
    if (snapshot === undefined || snapshot.point.index > this.#node.commit) return undefined;
    this.#world.trace.count('app restored');
    this.#world.sessions.restored(this.#node.id, snapshot, this.#world.checker.committed);
    this.#applied = snapshot.point.index;
    this.#effects = snapshot.effects;
    addReplies(snapshot.replies, front.machine.replies);
    return decodeSessions(snapshot.sessions);
  }

  /** Gives its state as it is now, with the sessions as its sidecar has them. */
  takeSnapshot(): void {
    const front = this.#link?.front;
    if (front === undefined || this.#applied === 0 || front.machine.table.position !== this.#applied) return;
    const { index, term, time, hash = '' } = this.#node.disk.written[this.#applied - 1] as Entry;
    const { table, replies } = front.machine;
    const own = { sessions: encodeSessions(table), replies: encodeReplies(replies) };
    this.#node.snapshotTaken({ point: { index, term, time, hash }, ...own, effects: this.#effects });
  }

  /** The log of its sidecar begins behind `index`. */
  outrun(index: number): void {
    if (this.#link !== undefined && this.#link.decided < index) this.#link = undefined;
  }

  // ---------------------------------------------------------------- the log

  /** The commit index of its sidecar advanced, or something else may go on. */
  committed(): void {
    if (this.#link === undefined) this.#attach();
    const link = this.#link;
    if (link === undefined || link.deciding || link.decided >= this.#node.commit) return;
    link.deciding = true;
    this.#later(link, 0.2, () => {
      link.deciding = false;
      this.#decide(link);
    });
  }

  #later(link: Link, maxMs: number, run: () => void): void {
    const ms = this.#world.healed ? 0.1 : this.#random.between(0, maxMs);
    this.#node.whileAlive(ms, () => {
      if (this.#link === link) run();
    });
  }

  #decide(link: Link): void {
    const { checker } = this.#world;
    const through = Math.min(this.#node.commit, link.decided + 1 + this.#random.int(DELIVERY_MAX));
    // Compacted while it waited: it comes back, for a snapshot.
    if (link.decided < this.#node.disk.base.index) {
      this.#link = undefined;
      return this.committed();
    }
    const stretch = this.#node.disk.read(link.decided + 1, through);
    link.decided = through;
    const entries = link.front.decide(stretch, through, (given) => {
      const delivered = new Set(given);
      for (const entry of stretch) {
        checker.applies(this.#node.id, entry);
        this.#world.sessions.decided(this.#node.id, entry, delivered.has(entry));
      }
    });
    link.batches.push({ entries, through });
    this.#applySoon(link);
    this.committed();
  }

  #applySoon(link: Link): void {
    if (link.applying || link.batches.length === 0) return;
    link.applying = true;
    this.#later(link, this.#world.plan.applyMs, () => {
      link.applying = false;
      this.#apply(link);
    });
  }

  #apply(link: Link): void {
    const batch = link.batches.shift();
    if (batch === undefined) return;
    const results = batch.entries.map((entry) => {
      this.#effects++;
      this.#world.sessions.applied(this.#node.id, entry, this.#effects);
      const result = Buffer.alloc(4);
      result.writeUInt32BE(this.#effects);
      return { index: entry.index, result };
    });
    this.#applied = batch.through;
    if (this.#random.chance(this.#world.healed ? 0 : this.#world.plan.appCrashAtAck)) {
      this.#world.trace.count('app crash between applying and saying so');
      this.crash();
      return;
    }
    link.front.applied(batch.through, results);
    this.#applySoon(link);
  }
}
