/**
 * Which apps differ, from what each of them said of its state at which index: after the same entries, apps that do the same
 * have the same hash.
 *
 * A majority of the voters is right by definition; whoever differs from it is the minority. Without a majority at any index
 * (two nodes, a tie, too few that said anything) nobody can tell who is right, and all are named.
 *
 * MUST: be pure; compare hashes of one index only, so that apps at different positions are never blamed for it.
 */
import { majorityOf } from '../../shared/quorum.ts';
import { list } from '../../shared/wording.ts';

/** What the app of one node said, by index. */
export interface Account {
  readonly node: string;
  readonly hashes: ReadonlyMap<number, string>;
}

export interface Finding {
  /** MINORITY: the one of `nodes` is wrong. UNDECIDED: `nodes` differ, and it cannot be said who is. */
  readonly verdict: 'MINORITY' | 'UNDECIDED';
  readonly nodes: readonly string[];
  /** The last index at which they were equal; 0 where none is known. It happened in the entries after it… */
  readonly after: number;
  /** …up to this, the first index at which they are not. */
  readonly through: number;
}

export interface Comparison {
  readonly findings: readonly Finding[];
  /** The highest index at which at least two were compared and all were equal. */
  readonly equalAt: number;
}

export function compare(accounts: readonly Account[], voters: readonly string[]): Comparison {
  const indexes = commonIndexes(accounts);
  const wrong = condemn(accounts, indexes, voters);
  const rest = accounts.filter(({ node }) => !wrong.has(node));
  const minority = accounts.flatMap((account) => {
    const at = wrong.get(account.node);
    return at === undefined ? [] : [windowOf(account, at, rest, indexes)];
  });
  const undecided = firstUndecided(rest, indexes);
  const findings = undecided === undefined ? minority : [...minority, undecided];
  return { findings, equalAt: indexes.findLast((index) => groupsAt(accounts, index).length === 1) ?? 0 };
}

/** Indexes of which at least two nodes spoke, ascending. */
function commonIndexes(accounts: readonly Account[]): number[] {
  const seen = new Map<number, number>();
  for (const { hashes } of accounts)
    for (const index of hashes.keys()) seen.set(index, (seen.get(index) ?? 0) + 1);
  return [...seen].flatMap(([index, count]) => (count > 1 ? [index] : [])).sort((a, b) => a - b);
}

/** Those that had the same hash there. */
function groupsAt(accounts: readonly Account[], index: number): string[][] {
  const groups = new Map<string, string[]>();
  for (const { node, hashes } of accounts) {
    const hash = hashes.get(index);
    if (hash !== undefined) groups.set(hash, [...(groups.get(hash) ?? []), node]);
  }
  return [...groups.values()];
}

/** Whoever differs from a majority at some index, and the first such index. */
function condemn(
  accounts: readonly Account[],
  indexes: readonly number[],
  voters: readonly string[],
): ReadonlyMap<string, number> {
  const wrong = new Map<string, number>();
  const needed = majorityOf(voters);
  for (const index of indexes) {
    const groups = groupsAt(accounts, index);
    if (groups.length < 2) continue;
    const majority = groups.find((nodes) => nodes.filter((node) => voters.includes(node)).length >= needed);
    if (majority === undefined) continue;
    for (const node of groups.flat())
      if (!majority.includes(node) && !wrong.has(node)) wrong.set(node, index);
  }
  return wrong;
}

/**
 * Where the state of that node became another one: it differs from a majority at `at`, and perhaps it differed before from
 * one of those that are right.
 */
function windowOf(
  { node, hashes }: Account,
  at: number,
  right: readonly Account[],
  indexes: readonly number[],
): Finding {
  let after = 0;
  for (const index of indexes) {
    if (index >= at) break;
    const own = hashes.get(index);
    const others = right.flatMap((other) => other.hashes.get(index) ?? []);
    if (own === undefined || others.length === 0) continue;
    if (!others.includes(own)) return { verdict: 'MINORITY', nodes: [node], after, through: index };
    after = index;
  }
  return { verdict: 'MINORITY', nodes: [node], after, through: at };
}

function firstUndecided(accounts: readonly Account[], indexes: readonly number[]): Finding | undefined {
  const equal = new Map<string, number>();
  for (const index of indexes) {
    const groups = groupsAt(accounts, index);
    const nodes = groups.flat().sort();
    if (groups.length > 1) {
      const after = Math.min(...nodes.map((node) => equal.get(node) ?? 0));
      return { verdict: 'UNDECIDED', nodes, after, through: index };
    }
    if (nodes.length > 1) for (const node of nodes) equal.set(node, index);
  }
  return undefined;
}

/** One sentence. */
export function describeFinding({ verdict, nodes, after, through }: Finding): string {
  const where =
    after === 0
      ? `with some entry up to ${through}`
      : `with some entry after ${after} and at the latest ${through}`;
  if (verdict === 'MINORITY') {
    return `after the same entries the app of ${list(nodes)} has another state than a majority has: it became another one ${where}`;
  }
  return `after the same entries the apps of ${list(nodes)} have different states, and no majority says which is right: they became different ${where}`;
}
