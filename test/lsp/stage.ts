/** The commands of a script that set a cluster up, and let things happen to it. */
import type { NodeEvent } from '../../shared/events.ts';
import type { Explanation } from '../../shared/explain/types.ts';
import type { StageTimes } from '../../shared/inspect.ts';
import { ScriptError } from '../transcripts/script.ts';
import { FakeCluster } from './fake-cluster.ts';

export type Named = ReadonlyMap<string, string>;

/** Splits `a b x=1 y=2` into plain words and named values. */
export function namedOf(words: readonly string[]): {
  readonly plain: readonly string[];
  readonly named: Named;
} {
  const named = new Map<string, string>();
  const plain: string[] = [];
  for (const word of words) {
    const [, name, value] = /^([a-z]+)=(.*)$/s.exec(word) ?? [];
    if (name === undefined || value === undefined) plain.push(word);
    else named.set(name, value);
  }
  return { plain, named };
}

export function numberOf(text: string | undefined, what: string): number {
  const value = Number(text);
  if (text === undefined || text === '' || !Number.isSafeInteger(value))
    throw new ScriptError(`${what} must be a number`);
  return value;
}

type Act = (cluster: FakeCluster, plain: readonly string[], named: Named) => void;

const ACTS: Readonly<Record<string, Act>> = {
  /** `entries n1,n2 term=2 count=3 text=…`: the same entries at the end of those logs, the first of a new term a NOOP. */
  entries: (cluster, [ids = ''], named) => {
    const term = numberOf(named.get('term'), 'term');
    for (const id of ids.split(',')) {
      const node = cluster.node(id);
      for (let i = 0; i < numberOf(named.get('count') ?? '1', 'count'); i++) {
        const begins = node.entries.at(-1)?.term !== term;
        const text = begins ? '' : (named.get('text') ?? `set k${node.lastIndex + 1}`);
        const session =
          named.has('session') && !begins ? { session: Number(named.get('session')), sequence: i + 1 } : {};
        node.append(term, begins ? 'NOOP' : 'COMMAND', Buffer.from(text), session);
      }
    }
  },
  leader: (cluster, [id = ''], named) => {
    cluster.leader = id === 'none' ? '' : id;
    cluster.term = numberOf(named.get('term') ?? String(cluster.term), 'term');
    if (cluster.leader === '') return;
    const event: NodeEvent = {
      seq: cluster.happened.length + 1,
      at: 0,
      kind: 'ROLE',
      term: cluster.term,
      cause: 'VOTE_WON',
      role: 'LEADER',
      node: id,
      generation: 'g',
    };
    cluster.happened.push(event);
  },
  match: (cluster, [id = '', index]) => {
    cluster.match.set(id, numberOf(index, 'index'));
  },
  commit: (cluster, [ids = '', index]) => {
    for (const id of ids.split(',')) {
      const node = cluster.node(id);
      node.commitIndex = numberOf(index, 'index');
      node.appliedIndex = node.commitIndex;
    }
  },
  /** `stages n1 5 proposed=0 committed=12`: ms after the cluster time of index 0. */
  stages: (cluster, [id = '', index], named) => {
    const stages: StageTimes = Object.fromEntries(
      [...named].map(([name, ms]) => [name, 1_000_000 + Number(ms)]),
    );
    cluster.node(id).setStages(numberOf(index, 'index'), stages);
  },
  compact: (cluster, [id = '', index]) => {
    const node = cluster.node(id);
    node.snapshotIndex = numberOf(index, 'index');
    node.entries = node.entries.filter((entry) => entry.index > node.snapshotIndex);
  },
  down: (cluster, [id = '', reason = 'connection refused']) => {
    cluster.node(id).down = reason;
  },
  explained: (cluster, [about = '', id = '', answer = ''], named) => {
    const explanation: Explanation = {
      about: about as Explanation['about'],
      id,
      cause: (named.get('cause') ?? 'UNKNOWN') as Explanation['cause'],
      certainty: 'CERTAIN',
      answer,
      evidence: [
        {
          node: 'n1',
          at: Date.UTC(2026, 0, 2),
          seq: 7,
          generation: 'g',
          text: 'n1 lost contact to n3 after 300 ms',
        },
        { node: 'n2', text: 'n2 has match index 4, see n2@4' },
      ],
      next: named.get('next') ?? '',
      stages: [
        { node: 'n1', name: 'on its disk', fromMs: 0, toMs: 4 },
        { node: 'n2', name: 'on its disk', fromMs: 2, toMs: 12 },
      ],
    };
    cluster.explanations.set(`${about} ${id}`.trim(), explanation);
  },
};

/** Runs the command when it is one of these. */
export function act(cluster: FakeCluster, words: readonly string[]): boolean {
  const [name = '', ...rest] = words;
  const run = ACTS[name];
  if (run === undefined) return false;
  const { plain, named } = namedOf(rest);
  run(cluster, plain, named);
  return true;
}

export function newCluster(words: readonly string[]): FakeCluster {
  const [name = 'orders', ...nodes] = words;
  return new FakeCluster(name, nodes);
}
