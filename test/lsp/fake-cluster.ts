/** A cluster in memory that answers as `Inspected` does: what the documents are tested on. */

import {
  type Change,
  type Disposable,
  InspectError,
  type Inspected,
} from '../../extension/aggregator/contract.ts';
import type { ClusterView, NodeTerms, NodeView } from '../../shared/cluster-view.ts';
import type { NodeEvent } from '../../shared/events.ts';
import type { About, Explanation } from '../../shared/explain/types.ts';
import type { LogEntryView, LogPage, NodeStatus, StageTimes, TermsView } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { TermRun } from '../../shared/term-runs.ts';
import { QUIET_STATUS } from '../support/quiet.ts';

/** 2026-01-02T03:04:05.000Z: the cluster time of index 0; each entry is a millisecond later. */
export const TIME_ZERO = Date.UTC(2026, 0, 2, 3, 4, 5);

export class FakeNode {
  readonly id: string;
  /** Ascending, without a gap; the first may be later than 1 (compacted). */
  entries: LogEntryView[] = [];
  snapshotIndex = 0;
  commitIndex = 0;
  appliedIndex = 0;
  /** Why it cannot be read; '' when it can. */
  down = '';
  /** Bytes of commands in one page, as a sidecar clips it. */
  pageBytes: number = LIMITS.logPageBytes;

  constructor(id: string) {
    this.id = id;
  }

  get firstIndex(): number {
    return this.snapshotIndex + 1;
  }

  get lastIndex(): number {
    return this.entries.at(-1)?.index ?? this.snapshotIndex;
  }

  terms(): TermsView {
    const runs: TermRun[] = [];
    for (const { term, index } of this.entries) {
      const tail = runs.at(-1);
      if (tail?.term === term) runs[runs.length - 1] = { ...tail, last: index };
      else runs.push({ term, first: index, last: index });
    }
    const { snapshotIndex, commitIndex, appliedIndex } = this;
    return { runs, snapshotIndex, snapshotTerm: snapshotIndex === 0 ? 0 : 1, commitIndex, appliedIndex };
  }

  append(term: number, kind: string, command: Uint8Array, more: Partial<LogEntryView> = {}): number {
    const index = this.lastIndex + 1;
    this.entries.push({
      index,
      term,
      kind,
      time: TIME_ZERO + index,
      session: null,
      sequence: null,
      size: command.length,
      hash: `${index}`.padStart(64, '0'),
      command: Buffer.from(command).toString('base64'),
      ...more,
    });
    return index;
  }

  setStages(index: number, stages: StageTimes): void {
    this.entries = this.entries.map((entry) => (entry.index === index ? { ...entry, stages } : entry));
  }
}

export class FakeCluster implements Inspected {
  readonly name: string;
  readonly nodes: FakeNode[];
  leader = '';
  term = 0;
  /** Match index of each follower as the leader knows it. */
  readonly match = new Map<string, number>();
  readonly happened: NodeEvent[] = [];
  readonly explanations = new Map<string, Explanation>();
  /** Log requests so far, as `NODE FROM-TO`. */
  readonly asked: string[] = [];
  /** When set, log requests wait for it; they end early when their signal aborts. */
  hold: Promise<void> | undefined;
  #listeners = new Set<(change: Change) => void>();

  constructor(name: string, nodes: readonly string[]) {
    this.name = name;
    this.nodes = nodes.map((id) => new FakeNode(id));
  }

  node(id: string): FakeNode {
    const node = this.nodes.find((known) => known.id === id);
    if (node === undefined) throw new InspectError(`the cluster ${this.name} has no node ${id}`);
    return node;
  }

  clusters(): readonly ClusterView[] {
    return [this.#view()];
  }

  cluster(name: string): ClusterView | undefined {
    return name === this.name ? this.#view() : undefined;
  }

  terms(cluster: string): readonly NodeTerms[] {
    if (cluster !== this.name) return [];
    return this.nodes.map((node) => ({ node: node.id, source: 'NODE', terms: node.terms() }));
  }

  async freshTerms(cluster: string, node: string): Promise<TermsView> {
    return this.#reachable(cluster, node).terms();
  }

  async log(cluster: string, node: string, from: number, to: number, signal?: AbortSignal): Promise<LogPage> {
    this.asked.push(`${node} ${from}-${to}`);
    if (this.hold !== undefined) await this.#held(this.hold, signal);
    const found = this.#reachable(cluster, node);
    const entries: LogEntryView[] = [];
    let bytes = 0;
    for (const entry of found.entries) {
      if (entry.index < from || entry.index > to) continue;
      bytes += entry.size;
      if (entries.length > 0 && (bytes > found.pageBytes || entries.length === LIMITS.logPageEntries)) break;
      entries.push(entry);
    }
    const first = Math.max(from, found.firstIndex);
    return {
      from: first,
      to: entries.at(-1)?.index ?? first - 1,
      firstIndex: found.firstIndex,
      lastIndex: found.lastIndex,
      commitIndex: found.commitIndex,
      entries,
    };
  }

  events(_cluster: string): { readonly events: readonly NodeEvent[]; readonly forgotten: number } {
    return { events: this.happened, forgotten: 0 };
  }

  async explain(_cluster: string, about: About, id: string): Promise<Explanation> {
    const known = this.explanations.get(`${about} ${id}`.trim());
    if (known === undefined) throw new InspectError(`nothing is known about ${about} ${id}`);
    return known;
  }

  onChange(listener: (change: Change) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  tell(what: Change['what'], node = ''): void {
    for (const listener of this.#listeners) listener({ what, cluster: this.name, node });
  }

  #reachable(cluster: string, id: string): FakeNode {
    if (cluster !== this.name) throw new InspectError(`no cluster ${cluster} is attached`);
    const node = this.node(id);
    if (node.down !== '') throw new InspectError(`${id}: ${node.down}`);
    return node;
  }

  #held(hold: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => {
        this.asked.push('aborted');
        reject(new InspectError('the request was given up'));
      });
      hold.then(resolve, reject);
    });
  }

  #view(): ClusterView {
    return {
      name: this.name,
      health: this.leader === '' ? 'NO_LEADER' : 'HEALTHY',
      leader: this.leader,
      term: this.term,
      commitIndex: Math.max(...this.nodes.map(({ commitIndex }) => commitIndex)),
      nodes: this.nodes.map((node) => this.#nodeView(node)),
      problems: [],
    };
  }

  #nodeView(node: FakeNode): NodeView {
    const isLeader = node.id === this.leader;
    return {
      id: node.id,
      http: '',
      link: { state: node.down === '' ? 'CONNECTED' : 'RETRYING', reason: node.down, since: 0 },
      status: this.#status(node),
      statusAt: 0,
      role: isLeader ? 'LEADER' : 'FOLLOWER',
      isLeader,
      problems: [],
    };
  }

  #status(node: FakeNode): NodeStatus {
    const isLeader = node.id === this.leader;
    const { firstIndex, lastIndex, commitIndex, appliedIndex, snapshotIndex } = node;
    const voters = this.nodes.map(({ id }) => id);
    const others = this.nodes.filter(({ id }) => id !== node.id);
    return {
      protocol: 1,
      cluster: this.name,
      node: node.id,
      group: 'main',
      version: '1',
      role: isLeader ? 'LEADER' : 'FOLLOWER',
      term: this.term,
      leader: this.leader === '' ? null : this.leader,
      votedFor: null,
      commitIndex,
      appliedIndex,
      deliveredIndex: appliedIndex,
      durableIndex: lastIndex,
      firstIndex,
      lastIndex,
      lastTerm: node.entries.at(-1)?.term ?? 0,
      snapshotIndex,
      membership: { voters, outgoing: [], learners: [] },
      members: [],
      progress: isLeader ? others.map(({ id }) => this.#progress(id, lastIndex)) : [],
      app: { state: 'CONNECTED', name: '', epoch: 1, reason: '', since: 0 },
      ...QUIET_STATUS,
      uptimeMs: 1,
      generation: 'g',
      now: TIME_ZERO,
      leaderContactMs: null,
      applyLag: { entries: 0, ms: 0 },
    };
  }

  #progress(id: string, lastIndex: number): NodeStatus['progress'][number] {
    const matchIndex = this.match.get(id) ?? 0;
    return {
      id,
      matchIndex,
      nextIndex: matchIndex + 1,
      state: 'REPLICATE',
      inflightBytes: 0,
      lagEntries: lastIndex - matchIndex,
      lagMs: 0,
      lastContactMs: 0,
      appliedIndex: this.node(id).appliedIndex,
      commitIndex: this.node(id).commitIndex,
      behind: matchIndex < lastIndex ? 'CATCHING_UP' : 'NONE',
    };
  }
}
