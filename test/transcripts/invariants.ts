/**
 * What must hold in every run, whatever a script does (paper, figure 3, and the promises of the core's headers).
 * Checked after every step of every node.
 *
 * MUST: judge by what was observed from outside: effects, disks and the union of all logs, not the core's word.
 */
import type { Entry } from '../../shared/entry.ts';
import type { RaftMessage } from '../../shared/messages.ts';
import { majority } from '../../sidecar/raft/quorum.ts';
import type { Effect } from '../../sidecar/raft/types.ts';
import type { ScriptNode } from './node.ts';

interface Seen {
  term: number;
  vote: string;
  commit: number;
}

function same(a: Entry | undefined, b: Entry | undefined): boolean {
  return a?.term === b?.term && a?.time === b?.time && String(a?.command) === String(b?.command);
}

function must(holds: boolean, rule: string, what: string): void {
  if (!holds) throw new Error(`${rule} is broken: ${what}`);
}

export class Invariants {
  readonly #nodes: ReadonlyMap<string, ScriptNode>;
  readonly #leaders = new Map<number, string>();
  /** Every entry that anybody called committed. */
  readonly #committed: Entry[] = [];
  readonly #seen = new Map<string, Seen>();
  /** By node and ref: the highest index committed anywhere when the read came. */
  readonly #reads = new Map<string, number>();

  constructor(nodes: ReadonlyMap<string, ScriptNode>) {
    this.#nodes = nodes;
  }

  /** Index i at i − 1. */
  get committed(): readonly Entry[] {
    return this.#committed;
  }

  readBegins(node: string, ref: number): void {
    this.#reads.set(`${node} ${ref}`, this.#committed.length);
  }

  /** A new life begins: its commit index starts from 0. Term and vote go on. */
  restarted(node: ScriptNode): void {
    this.#seen.set(node.id, { ...node.hardState, commit: 0 });
  }

  /** Called for each effect, after it was carried out. */
  effect(node: ScriptNode, e: Effect): void {
    if (e.type === 'role' && e.role === 'LEADER') this.#electionSafety(node, e.term);
    if (e.type === 'commit') this.#stateMachineSafety(node, e.index);
    if (e.type === 'installed') {
      must(this.#committed.length >= e.point.index, 'a snapshot is of what is committed', node.id);
      this.#stateMachineSafety(node, e.point.index);
    }
    if (e.type === 'send') this.#durableBeforeSent(node, e.message);
    if (e.type === 'readReady') {
      const floor = this.#reads.get(`${node.id} ${e.ref}`) ?? 0;
      must(e.index >= floor, 'linearizable reads', `r${e.ref} at ${node.id}: ${e.index}, committed ${floor}`);
    }
  }

  afterStep(node: ScriptNode): void {
    this.#monotonic(node);
    this.#logMatching();
    this.#clusterTime(node);
    this.#progress(node);
  }

  #electionSafety(node: ScriptNode, term: number): void {
    const other = this.#leaders.get(term) ?? node.id;
    must(other === node.id, 'election safety', `${other} and ${node.id} lead in term ${term}`);
    this.#leaders.set(term, node.id);
    for (const entry of this.#committed) {
      const own = node.log[entry.index - 1];
      must(same(own, entry), 'leader completeness', `${node.id} leads without ${entry.index}@${entry.term}`);
    }
  }

  #stateMachineSafety(node: ScriptNode, index: number): void {
    for (let i = 1; i <= index; i++) {
      const own = node.log[i - 1];
      must(own !== undefined, 'commit ≤ end of the log', `${node.id} commits ${index}`);
      if (own === undefined) return;
      const known = this.#committed[i - 1];
      if (known === undefined) this.#onQuorum(node, own);
      else must(same(known, own), 'state machine safety', `${node.id} commits another entry at ${i}`);
      this.#committed[i - 1] = known ?? own;
    }
  }

  /** The first to call an entry committed must have it on a quorum of disks. */
  #onQuorum(node: ScriptNode, entry: Entry): void {
    const { voters, outgoing } = node.raft?.membership ?? node.config.membership;
    const holds = (id: string): boolean => {
      const other = this.#nodes.get(id);
      return other?.forgetful === true || same(other?.stored[entry.index - 1], entry);
    };
    for (const ids of [voters, outgoing]) {
      const holders = ids.filter(holds);
      const what = `${entry.index}@${entry.term} is on ${holders.join(', ') || 'no disk'} only`;
      const enough = ids.length === 0 || holders.length >= majority(ids.length);
      must(enough, 'commit needs a quorum of disks', what);
    }
  }

  #durableBeforeSent(node: ScriptNode, m: RaftMessage): void {
    const { term, vote } = node.hardState;
    const rule = 'durable before sent';
    must(
      m.term <= term || (m.type === 'VoteReply' && m.preVote) || (m.type === 'VoteRequest' && m.preVote),
      rule,
      `${node.id} speaks of term ${m.term}, its disk of ${term}`,
    );
    if (m.type === 'VoteReply' && !m.preVote && m.granted) {
      must(
        term > m.term || vote === m.to,
        rule,
        `${node.id} votes for ${m.to}, its disk says ${vote || 'none'}`,
      );
    }
    if (m.type === 'VoteRequest' && !m.preVote) {
      must(term > m.term || vote === node.id, rule, `${node.id} campaigns, its disk says ${vote || 'none'}`);
    }
    if (m.type === 'AppendReply' && m.ok) {
      const held = node.stored[m.index - 1]?.term === node.log[m.index - 1]?.term;
      must(held && m.index <= node.stored.length, rule, `${node.id} acknowledges ${m.index}`);
    }
  }

  #monotonic(node: ScriptNode): void {
    const { raft } = node;
    if (raft === undefined) return;
    const before = this.#seen.get(node.id) ?? { term: 0, vote: '', commit: 0 };
    must(raft.term >= before.term, 'terms never decrease', `${node.id}: ${before.term} → ${raft.term}`);
    const kept = raft.term > before.term || before.vote === '' || raft.vote === before.vote;
    must(kept, 'one vote in a term', `${node.id} in term ${raft.term}: ${before.vote} → ${raft.vote}`);
    must(raft.commitIndex >= before.commit, 'commit never decreases', `${node.id}: ${raft.commitIndex}`);
    must(raft.durableIndex <= raft.log.lastIndex, 'durable ≤ end of the log', node.id);
    const matches =
      raft.log.lastIndex === node.log.length && raft.log.lastTerm === (node.log.at(-1)?.term ?? 0);
    must(matches, 'what is written is what is believed', node.id);
    this.#seen.set(node.id, { term: raft.term, vote: raft.vote, commit: raft.commitIndex });
  }

  /** Same index and term: the same entry, and the same everything before it. */
  #logMatching(): void {
    const logs = [...this.#nodes.values()];
    for (const [i, a] of logs.entries()) {
      for (const b of logs.slice(i + 1)) {
        let met = false;
        for (let at = Math.min(a.log.length, b.log.length) - 1; at >= 0; at--) {
          met ||= a.log[at]?.term === b.log[at]?.term;
          must(!met || same(a.log[at], b.log[at]), 'log matching', `${a.id} and ${b.id} differ at ${at + 1}`);
        }
      }
    }
  }

  #clusterTime(node: ScriptNode): void {
    let time = 0;
    for (const entry of node.log) {
      must(entry.time >= time, 'cluster time never goes back', `${node.id} at ${entry.index}`);
      time = entry.time;
    }
  }

  /** What a leader counts for a follower is on that follower's disk. */
  #progress(node: ScriptNode): void {
    if (node.raft?.role !== 'LEADER') return;
    for (const p of node.raft.progress()) {
      const follower = this.#nodes.get(p.id);
      must(p.match < p.next, 'match < next', `${node.id} for ${p.id}: ${p.match}, ${p.next}`);
      if (follower === undefined || follower.forgetful || follower.hardState.term !== node.raft.term)
        continue;
      const held = p.match === 0 || same(follower.stored[p.match - 1], node.log[p.match - 1]);
      must(held, 'match is on the disk of the follower', `${node.id} counts ${p.match} for ${p.id}`);
    }
  }
}
