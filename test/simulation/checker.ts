/**
 * The independent judge: recomputes Raft's promises (paper, figure 3) from disks and messages after each of them changed.
 *
 * MUST: believe no node. A commit index, a role or an acknowledgement is a claim, to be proven from what the disks hold
 * (those of crashed nodes too). Throws Violation at the first broken promise.
 * MAY: be incremental: every entry carries the chain hash of all entries before it, so equal hashes mean equal logs.
 */
import {
  type ChainHash,
  type Entry,
  EntryKind,
  type HardState,
  type LogPoint,
  type Membership,
} from '../../shared/entry.ts';
import type { AppendReply, PeerMessage, VoteReply, VoteRequest } from '../../shared/messages.ts';
import { decodeMembership } from '../../shared/wire/membership-entry.ts';
import type { PersistEffect } from '../../sidecar/raft/types.ts';
import type { SimDisk } from './disk.ts';
import type { Trace } from './trace.ts';

/** A promise was broken. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

/** Whoever led a term, and its log: only ever longer. */
interface Leadership {
  readonly node: string;
  readonly hashes: ChainHash[];
}

/** What the judge keeps of one node, across its crashes. */
interface Witness {
  readonly disk: SimDisk;
  hardState: HardState;
  /** Votes that were ever durable here: term → for whom. */
  readonly votes: Map<number, string>;
  /** The term this process leads, 0 for none. */
  leads: number;
  commit: number;
  applied: number;
}

/** Number of the command that a client gave, unique in a run; 0 for entries that are none, and in sessions (session-judge.ts). */
export function commandId(entry: Entry): number {
  if (entry.kind !== EntryKind.COMMAND || entry.session !== 0) return 0;
  const { command } = entry;
  return new DataView(command.buffer, command.byteOffset, command.byteLength).getUint32(0);
}

export class Checker {
  readonly #trace: Trace;
  readonly #witnesses = new Map<string, Witness>();
  readonly #leaders = new Map<number, Leadership>();
  #highestTerm = 0;
  /** By index and term: the one hash that log may have there. */
  readonly #logs = new Map<number, ChainHash>();
  /** Everything ever committed: index i at i - 1. */
  readonly committed: Entry[] = [];
  /** The term in which each of them was committed. */
  readonly #committedIn: number[] = [];
  readonly #commandAt = new Map<number, number>();
  /** Commands that clients were told never happened. */
  readonly #refused = new Set<number>();

  /** Who is in the cluster at its beginning. */
  readonly #first: Membership;

  constructor(trace: Trace, first: Membership) {
    this.#trace = trace;
    this.#first = first;
  }

  /** The membership of everything that is committed. */
  get membership(): Membership {
    return this.#membershipOf(this.committed);
  }

  watch(node: string, disk: SimDisk): void {
    this.#witnesses.set(node, {
      disk,
      hardState: disk.hardState,
      votes: new Map(),
      leads: 0,
      commit: 0,
      applied: 0,
    });
  }

  #witness(node: string): Witness {
    const witness = this.#witnesses.get(node);
    if (witness === undefined) throw new Error(`nobody watches ${node}`);
    return witness;
  }

  /** True when this holds on a majority of the members, of both sets in a joint membership: as the log of that node says. */
  #onQuorum({ disk }: Witness, test: (witness: Witness) => boolean): boolean {
    const { voters, outgoing } = this.#membershipOf(disk.written);
    const onMajority = (ids: readonly string[]): boolean => {
      const holders = ids.filter((id) => test(this.#witness(id)));
      return ids.length === 0 || holders.length * 2 > ids.length;
    };
    return onMajority(voters) && onMajority(outgoing);
  }

  #membershipOf(log: readonly Entry[]): Membership {
    const newest = log.findLast(({ kind }) => kind === EntryKind.CONFIG);
    return newest === undefined ? this.#first : decodeMembership(newest.command);
  }

  crashed(node: string): void {
    const witness = this.#witness(node);
    witness.leads = 0;
    witness.commit = 0;
    witness.applied = 0;
  }

  /** Another disk is in the place of the node's. Called while it is down. */
  replaced(node: string): void {
    const witness = this.#witness(node);
    witness.hardState = witness.disk.hardState;
    witness.votes.clear();
  }

  // ---------------------------------------------------------------- disks

  written(node: string, batch: PersistEffect): void {
    const witness = this.#witness(node);
    // Its role is told after this write: a higher term ends a leadership.
    if ((batch.hardState?.term ?? 0) > witness.leads) witness.leads = 0;
    const { leads } = witness;
    if (batch.truncateFrom !== undefined) {
      this.#trace.count('truncation');
      if (leads > 0) throw new Violation('Leader Append-Only', `${node} truncates in term ${leads} it leads`);
    }
    let before = witness.disk.written[witness.disk.written.length - batch.entries.length - 1];
    for (const entry of batch.entries) {
      this.#logMatching(node, entry);
      if (before !== undefined && (entry.time < before.time || entry.term < before.term)) {
        const what = `${entry.index}@${entry.term} at ${entry.time} after ${before.term} at ${before.time}`;
        throw new Violation('Order along the log', `term or cluster time of ${node} goes back: ${what}`);
      }
      before = entry;
      if (leads > 0) this.#leaders.get(leads)?.hashes.push(entry.hash as ChainHash);
    }
  }

  #logMatching(node: string, entry: Entry): void {
    const key = entry.index * 0x10_0000 + entry.term;
    const known = this.#logs.get(key);
    if (known === undefined) this.#logs.set(key, entry.hash as ChainHash);
    else if (known !== entry.hash) {
      throw new Violation('Log Matching', `${node} has another log up to ${entry.index}@${entry.term}`);
    }
  }

  synced(node: string, batch: PersistEffect): void {
    if (batch.hardState === undefined) return;
    const witness = this.#witness(node);
    const { hardState: before } = witness;
    const { term, vote } = batch.hardState;
    const revoted = term === before.term && before.vote !== '' && before.vote !== vote;
    if (term < before.term || revoted) {
      const what = `from ${before.term}/${before.vote} to ${term}/${vote}`;
      throw new Violation('Hard State', `term or vote on the disk of ${node} went ${what}`);
    }
    witness.hardState = batch.hardState;
    if (vote !== '') witness.votes.set(term, vote);
  }

  // ---------------------------------------------------------------- messages

  sent(m: PeerMessage): void {
    const witness = this.#witness(m.from);
    switch (m.type) {
      case 'VoteRequest':
        return this.#voteRequest(m, witness);
      case 'VoteReply':
        return this.#voteReply(m, witness);
      case 'AppendReply':
        return this.#appendReply(m, witness);
      case 'Append':
      case 'Heartbeat':
      case 'TimeoutNow':
        this.#termIsDurable(m.from, m.term, witness);
        if (this.#leaders.get(m.term)?.node !== m.from) {
          throw new Violation('Election Safety', `${m.from} acts as leader of ${m.term}, which it is not`);
        }
        return;
      case 'HeartbeatReply':
        return this.#termIsDurable(m.from, m.term, witness);
    }
  }

  #termIsDurable(node: string, term: number, witness: Witness): void {
    if (witness.disk.hardState.term >= term) return;
    throw new Violation('Durable before sent', `${node} speaks in term ${term}, its disk does not know it`);
  }

  #voteRequest(m: VoteRequest, witness: Witness): void {
    if (m.preVote) return;
    this.#trace.count('vote request');
    if (witness.votes.get(m.term) === m.from) return;
    throw new Violation(
      'Durable before sent',
      `${m.from} asks for votes in ${m.term}, its own is not durable`,
    );
  }

  #voteReply(m: VoteReply, witness: Witness): void {
    if (!m.granted) {
      this.#trace.count(`vote refused: ${m.reason}`);
      this.#termIsDurable(m.from, m.term, witness);
      return;
    }
    if (m.preVote) return;
    this.#trace.count('vote granted');
    if (witness.votes.get(m.term) === m.to) return;
    throw new Violation('Durable before sent', `${m.from} votes for ${m.to} in ${m.term}, its disk does not`);
  }

  #appendReply(m: AppendReply, witness: Witness): void {
    this.#termIsDurable(m.from, m.term, witness);
    if (!m.ok) {
      this.#trace.count('append refused');
      return;
    }
    if (m.index === 0) return;
    const leader = this.#leaders.get(m.term);
    const held = witness.disk.synced[m.index - 1]?.hash;
    if (held !== undefined && held === leader?.hashes[m.index - 1]) return;
    throw new Violation(
      'Durable before sent',
      `${m.from} acknowledges ${m.index} of term ${m.term}, its disk has not the leader's log there`,
    );
  }

  // ---------------------------------------------------------------- claims

  elected(node: string, term: number): void {
    const other = this.#leaders.get(term);
    if (other !== undefined) {
      throw new Violation('Election Safety', `${node} leads ${term}, which ${other.node} led`);
    }
    if (!this.#onQuorum(this.#witness(node), (w) => w.votes.get(term) === node)) {
      throw new Violation('Election Safety', `${node} leads ${term} without durable votes of a quorum`);
    }
    const witness = this.#witness(node);
    const hashes = witness.disk.written.map((entry) => entry.hash as ChainHash);
    // A late winner need not have what leaders of higher terms have committed since.
    const last = this.committed[this.#committedIn.findLastIndex((earlier) => earlier < term)];
    if (last !== undefined && hashes[last.index - 1] !== last.hash) {
      throw new Violation('Leader Completeness', `${node} leads ${term} without the committed ${last.index}`);
    }
    this.#markInheritance(witness, term);
    witness.leads = term;
    this.#leaders.set(term, { node, hashes });
    this.#highestTerm = Math.max(this.#highestTerm, term);
    this.#trace.count('election');
  }

  /** Figure 8 begins here: old entries on a quorum of disks that may not be counted. */
  #markInheritance(witness: Witness, term: number): void {
    const { written } = witness.disk;
    const last = written.findLast((entry) => entry.term < term);
    if (last === undefined || last.index <= this.committed.length) return;
    this.#trace.count('leader with uncommitted entries of old terms');
    const hash = last.hash as ChainHash;
    if (this.#onQuorum(witness, (w) => w.disk.holds(last.index, hash)))
      this.#trace.count('old entry on a quorum, not committed');
  }

  steppedDown(node: string): void {
    this.#witness(node).leads = 0;
  }

  /** `node` claims that everything through `index` is committed. */
  commits(node: string, index: number): void {
    const witness = this.#witness(node);
    const own = witness.disk.written[index - 1];
    if (own === undefined)
      throw new Violation('Commit rule', `${node} commits ${index}, beyond the end of its log`);
    if (index <= witness.commit) {
      throw new Violation('Commit rule', `commit index of ${node} went from ${witness.commit} to ${index}`);
    }
    witness.commit = index;
    const known = this.committed[index - 1];
    if (known !== undefined) {
      if (known.hash === own.hash) return;
      throw new Violation('State Machine Safety', `${node} commits another log up to ${index}`);
    }
    this.#newlyCommitted(node, witness, own);
  }

  #newlyCommitted(node: string, witness: Witness, last: Entry): void {
    const hash = last.hash as ChainHash;
    if (!this.#onQuorum(witness, (w) => w.disk.holds(last.index, hash))) {
      throw new Violation('Commit rule', `${node} commits ${last.index}, not on a quorum of disks`);
    }
    if (witness.leads > 0 && last.term !== witness.leads) {
      const what = `${last.index}@${last.term} by counting, it leads ${witness.leads}`;
      throw new Violation('Commit rule', `${node} commits ${what}`);
    }
    const before = this.committed.at(-1);
    if (before !== undefined && witness.disk.written[before.index - 1]?.hash !== before.hash) {
      throw new Violation('State Machine Safety', `${node} commits another log up to ${before.index}`);
    }
    for (let i = this.committed.length; i < last.index; i++)
      this.#commitOne(witness.disk.written[i] as Entry, last.term);
    if (this.#highestTerm > last.term) this.#laterLeadersHave(last);
  }

  #commitOne(entry: Entry, term: number): void {
    this.committed.push(entry);
    this.#committedIn.push(term);
    this.#trace.count('commit');
    const id = commandId(entry);
    if (id === 0) return;
    const other = this.#commandAt.get(id);
    if (other !== undefined) {
      throw new Violation('At most once', `command ${id} is committed at ${other} and at ${entry.index}`);
    }
    if (this.#refused.has(id)) {
      throw new Violation('Definite errors', `command ${id}, surely refused, is committed at ${entry.index}`);
    }
    this.#commandAt.set(id, entry.index);
  }

  /** The log of `node` begins behind a snapshot now: it must be of what was committed. */
  installs(node: string, { index, hash }: LogPoint): void {
    const witness = this.#witness(node);
    if (this.committed[index - 1]?.hash !== hash)
      throw new Violation(
        'State Machine Safety',
        `${node} installs a snapshot of another log up to ${index}`,
      );
    if (index <= witness.commit)
      throw new Violation(
        'State Machine Safety',
        `${node} installs ${index}, it had committed ${witness.commit}`,
      );
    witness.commit = index;
  }

  #laterLeadersHave(last: Entry): void {
    for (const [term, leader] of this.#leaders) {
      if (term <= last.term || leader.hashes[last.index - 1] === last.hash) continue;
      throw new Violation(
        'Leader Completeness',
        `${leader.node} leads ${term} without ${last.index}@${last.term}`,
      );
    }
  }

  /** An app that has applied everything through `index` says hello to `node`. */
  attached(node: string, index: number): void {
    this.#witness(node).applied = index;
  }

  /** What the app of `node` gets of the entry is decided. */
  applies(node: string, entry: Entry): void {
    const witness = this.#witness(node);
    const committed = this.committed[entry.index - 1];
    if (entry.index !== witness.applied + 1 || committed?.hash !== entry.hash) {
      throw new Violation(
        'State Machine Safety',
        `${node} applies ${entry.index} after ${witness.applied}, which is not the committed entry`,
      );
    }
    witness.applied = entry.index;
  }

  // ---------------------------------------------------------------- clients

  acknowledged(id: number, index: number, term: number): void {
    const entry = this.committed[index - 1];
    if (entry !== undefined && entry.term === term && commandId(entry) === id) return;
    throw new Violation('Acknowledged means kept', `command ${id} is not committed at ${index}@${term}`);
  }

  /** A client was told that this command did not and will not happen. */
  refused(id: number): void {
    this.#refused.add(id);
    const index = this.#commandAt.get(id);
    if (index === undefined) return;
    throw new Violation('Definite errors', `command ${id} was surely refused, but is committed at ${index}`);
  }

  /**
   * A linearizable read that began when `floor` entries were committed anywhere was served from `index`. (That is
   * more than linearizability asks for, which counts only commits that a client could know of.)
   */
  read(floor: number, index: number): void {
    if (index >= floor && index <= this.committed.length) return;
    throw new Violation(
      'Linearizable reads',
      `a read is served from ${index}, ${floor} was committed before`,
    );
  }

  /** The same of a read index, which a leader may know before anybody claims that it is committed. */
  readIndex(floor: number, index: number): void {
    if (index < floor)
      throw new Violation('Linearizable reads', `a read index is ${index}, ${floor} was committed before`);
  }
}
