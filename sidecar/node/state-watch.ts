/**
 * Finds apps that do not do the same: each node tells its leader what its app said of its state at which index, and the
 * leader compares.
 *
 * MUST: keep a bounded number of hashes, the newest; tell of each finding once, and the node that it is about again as long
 * as it lasts, since messages may be lost; forget what an app said when another life of it begins.
 */
import { LIMITS } from '../../shared/limits.ts';
import type { AppHashes, AppVerdict } from '../../shared/messages.ts';
import { type Account, type Comparison, compare, type Finding } from './divergence.ts';

export interface StatePort {
  readonly id: string;
  readonly group: string;
  voters(): readonly string[];
  send(message: AppHashes | AppVerdict): void;
  /** A number that no other life of an app on this node has had. */
  newLife(): number;
  /** Apps differ. Once for each finding. */
  alarm(finding: Finding): void;
  /** Our own app is the one that is wrong. */
  condemned(finding: Finding): void;
}

/** What one life of an app said, ascending by index. */
class Told {
  readonly life: number;
  readonly hashes = new Map<number, string>();
  last = 0;

  constructor(life: number) {
    this.life = life;
  }

  add(index: number, hash: string): void {
    if (index <= this.last) return;
    this.last = index;
    this.hashes.set(index, hash);
    if (this.hashes.size <= LIMITS.stateHashes) return;
    for (const oldest of this.hashes.keys()) {
      this.hashes.delete(oldest);
      return;
    }
  }
}

const NOTHING: Comparison = { findings: [], equalAt: 0 };

export class StateWatch {
  readonly #port: StatePort;
  #own: Told;
  // -- while we follow
  #toldLeader = '';
  /** Our leader was told everything up to this index of this life. */
  #toldLife = 0;
  #toldThrough = 0;
  #tellAgainAt = 0;
  /** What our own app was judged for last. */
  #judgedAs = '';
  // -- while we lead
  #leads = false;
  #table = new Map<string, Told>();
  #dirty = false;
  #comparison = NOTHING;
  /** Findings: when they were first seen, and when they were told of last (undefined: not yet). */
  #seen = new Map<string, { readonly at: number; told: number | undefined }>();
  /** What our own app was condemned for: its state after that is not let in again. */
  #barredAfter: number | undefined;
  #barredThrough = 0;

  constructor(port: StatePort) {
    this.#port = port;
    this.#own = new Told(port.newLife());
  }

  /** A new life of our own app begins. */
  attached(): void {
    this.#own = new Told(this.#port.newLife());
    this.#dirty = true;
  }

  /** Our own app told the hash of its state at `index`. */
  told(index: number, hash: string): void {
    this.#own.add(index, hash);
    this.#dirty = true;
    // It went past what an earlier life was condemned for: if that happens again, it is found again.
    if (index >= this.#barredThrough) this.#barredAfter = undefined;
  }

  /** The last index up to which a state of our app may be trusted; undefined where nothing is held against it. */
  get barredAfter(): number | undefined {
    return this.#barredAfter;
  }

  /** On the leader: what is found and was told of. */
  get findings(): readonly Finding[] {
    return this.#comparison.findings.filter(
      (finding) => this.#seen.get(this.#keyOf(finding))?.told !== undefined,
    );
  }

  /** On the leader: the highest index at which the apps were compared and equal. */
  get equalAt(): number {
    return this.#comparison.equalAt;
  }

  /** Call regularly. */
  turn(now: number, leads: boolean, leader: string): void {
    if (leads !== this.#leads) this.#change(leads);
    if (!leads) return this.#tellLeader(now, leader);
    if (this.#dirty) this.#compare();
    if (this.#comparison.findings.length > 0 || this.#seen.size > 0) this.#settle(now);
  }

  #change(leads: boolean): void {
    this.#leads = leads;
    this.#table.clear();
    this.#seen.clear();
    this.#comparison = NOTHING;
    this.#dirty = leads;
    this.#toldLeader = '';
  }

  // ---------------------------------------------------------------- while we follow

  #tellLeader(now: number, leader: string): void {
    if (leader === '') return;
    const { life, last, hashes } = this.#own;
    const anew = leader !== this.#toldLeader || life !== this.#toldLife;
    const again = now >= this.#tellAgainAt;
    if (!anew && !again && last <= this.#toldThrough) return;
    // An app that never tells a hash costs nothing.
    if (last === 0 && this.#toldThrough === 0) return;
    const from = anew || again ? 0 : this.#toldThrough;
    const { id, group } = this.#port;
    const news = [...hashes].filter(([index]) => index > from).slice(-LIMITS.stateHashesSent);
    const sent = news.map(([index, hash]) => ({ index, hash: Buffer.from(hash, 'latin1') }));
    this.#port.send({ type: 'AppHashes', group, from: id, to: leader, id: life, hashes: sent });
    this.#toldLeader = leader;
    this.#toldLife = life;
    this.#toldThrough = last;
    this.#tellAgainAt = now + LIMITS.stateHashesAgainMs;
  }

  /** The leader has found something about us. */
  receiveVerdict({ id: life, nodes, after, through, undecided }: AppVerdict): void {
    if (life !== this.#own.life || !nodes.includes(this.#port.id)) return;
    const finding: Finding = { verdict: undecided ? 'UNDECIDED' : 'MINORITY', nodes, after, through };
    this.#judged(finding);
  }

  /** About our own app: told of once in each life, and once more when what could not be decided is. */
  #judged(finding: Finding): void {
    const key = `${finding.verdict} ${this.#own.life}`;
    if (this.#judgedAs === key) return;
    this.#judgedAs = key;
    this.#port.alarm(finding);
    if (finding.verdict === 'UNDECIDED') return;
    this.#barredAfter = finding.after;
    this.#barredThrough = finding.through;
    this.#port.condemned(finding);
  }
  // ---------------------------------------------------------------- while we lead

  receiveHashes({ from, id: life, hashes }: AppHashes): void {
    if (!this.#leads) return;
    let told = this.#table.get(from);
    if (told?.life !== life) {
      told = new Told(life);
      this.#table.set(from, told);
    }
    for (const { index, hash } of hashes) told.add(index, Buffer.from(hash).toString('latin1'));
    this.#dirty = true;
  }

  #compare(): void {
    this.#dirty = false;
    const accounts: Account[] = [...this.#table].map(([node, { hashes }]) => ({ node, hashes }));
    accounts.push({ node: this.#port.id, hashes: this.#own.hashes });
    this.#comparison = compare(accounts, this.#port.voters());
  }

  #lifeOf(node: string): number {
    return (node === this.#port.id ? this.#own : this.#table.get(node))?.life ?? 0;
  }

  /** The same apps, in the same lives, found again is the same finding. */
  #keyOf({ verdict, nodes }: Finding): string {
    return `${verdict} ${nodes.map((node) => `${node}:${this.#lifeOf(node)}`).join(' ')}`;
  }

  #settle(now: number): void {
    const current = new Set<string>();
    for (const finding of this.#comparison.findings) {
      const key = this.#keyOf(finding);
      current.add(key);
      const seen = this.#seen.get(key) ?? { at: now, told: undefined };
      this.#seen.set(key, seen);
      // Those that said nothing yet may decide it.
      if (finding.verdict === 'UNDECIDED' && now - seen.at < LIMITS.undecidedMs) continue;
      if (seen.told !== undefined && now - seen.told < LIMITS.stateHashesAgainMs) continue;
      const first = seen.told === undefined;
      seen.told = now;
      this.#tell(finding, first);
    }
    for (const key of this.#seen.keys()) if (!current.has(key)) this.#seen.delete(key);
  }

  #tell(finding: Finding, first: boolean): void {
    const { id, group } = this.#port;
    const { verdict, nodes, after, through } = finding;
    if (first && !nodes.includes(id)) this.#port.alarm(finding);
    for (const to of nodes) {
      if (to === id) continue;
      const undecided = verdict === 'UNDECIDED';
      const life = this.#lifeOf(to);
      this.#port.send({
        type: 'AppVerdict',
        group,
        from: id,
        to,
        id: life,
        nodes,
        after,
        through,
        undecided,
      });
    }
    if (nodes.includes(id)) this.#judged(finding);
  }
}
