/** The demo's verdict: every acknowledged write is on every node, and all nodes are equal. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dump, dump } from './kv-client.ts';
import type { Acked } from './load.ts';

export interface Copy {
  readonly node: string;
  /** Base URL of its app. */
  readonly app: string;
}

export interface Verdict {
  /** What is wrong, one sentence each; none when nothing is. */
  readonly problems: readonly string[];
  /** Acknowledged writes that were found on a node, over all nodes. */
  readonly found: number;
  readonly keys: number;
  readonly appliedIndex: number;
}

const POLL_MS = 50;

/** Waits until every copy has applied the newest acknowledged write and all stand at one index, then compares. */
export async function check(
  copies: readonly Copy[],
  acked: readonly Acked[],
  deadlineMs: number,
): Promise<Verdict> {
  const newest = acked.reduce((most, write) => Math.max(most, write.index), 0);
  const end = performance.now() + deadlineMs;
  for (;;) {
    const dumps = await Promise.all(copies.map(({ app }) => dump(app)));
    const [first] = dumps;
    const level = first?.appliedIndex ?? 0;
    const settled = level >= newest && dumps.every((found) => found?.appliedIndex === level);
    if (settled || performance.now() > end) return judge(copies, dumps, acked, newest);
    await sleep(POLL_MS);
  }
}

/** Compares what the nodes hold with what was acknowledged. Exported for tests. */
export function judge(
  copies: readonly Copy[],
  dumps: readonly (Dump | undefined)[],
  acked: readonly Acked[],
  newest: number,
): Verdict {
  const problems: string[] = [];
  let found = 0;
  for (const [at, { node }] of copies.entries()) {
    const copy = dumps[at];
    if (copy === undefined) {
      problems.push(`the app of ${node} does not answer.`);
      continue;
    }
    if (copy.appliedIndex < newest) {
      problems.push(`${node} has applied ${copy.appliedIndex}, and ${newest} was acknowledged.`);
    }
    const missing = acked.filter(({ key, value }) => copy.state[key] !== value);
    found += acked.length - missing.length;
    if (missing.length > 0) {
      const some = missing.slice(0, 3).map(({ key, index }) => `${key} (index ${index})`);
      problems.push(`${node} lacks ${missing.length} acknowledged writes, such as ${some.join(', ')}.`);
    }
  }
  const texts = new Set(dumps.flatMap((copy) => copy?.text ?? []));
  if (texts.size > 1) problems.push('the nodes do not hold the same state.');
  const [first] = dumps;
  return {
    problems,
    found,
    keys: Object.keys(first?.state ?? {}).length,
    appliedIndex: first?.appliedIndex ?? 0,
  };
}
