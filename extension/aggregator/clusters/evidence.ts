/**
 * Gathers what all nodes of a cluster know and asks the explain rules.
 *
 * MUST: ask only nodes that answer, all at once and within a bound; say of the others why they were not asked, since a
 * missing witness is part of the answer.
 */
import { explain } from '../../../shared/explain/explain.ts';
import type { Explanation, NodeEvidence, Question } from '../../../shared/explain/types.ts';
import type { LogEntryView } from '../../../shared/inspect.ts';
import { logPageSchema } from '../../../shared/inspect-schema.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { InspectError } from '../contract.ts';
import { AGGREGATOR_LIMITS } from '../limits.ts';
import type { Cluster } from './cluster.ts';

/** A node that has not shown its entry by then is left out. */
const ENTRY_MS = 2_000;

/** `now`: wall clock, ms. Rejects with InspectError for a question that names nothing. */
export async function explainCluster(
  cluster: Cluster,
  question: Question,
  now: number,
): Promise<Explanation> {
  const index = check(cluster, question);
  const terms = new Map(cluster.terms().map((one) => [one.node, one]));
  const gathered = cluster.samples().map(async ({ id, link, status, statusAt }): Promise<NodeEvidence> => {
    const reachable = link.state === 'CONNECTED';
    const own = terms.get(id);
    const entry = reachable && index !== undefined ? await entryOf(cluster, id, index) : undefined;
    return {
      node: id,
      reachable,
      reason: link.reason,
      events: cluster.history.ofNode(id),
      ...(status === undefined ? {} : { status }),
      ...(statusAt === undefined ? {} : { statusAt }),
      // What only the leader knows of a log is in the leader's status.
      ...(own?.source === 'NODE' ? { terms: own.terms } : {}),
      ...(entry === undefined ? {} : { entry }),
    };
  });
  return explain(question, { cluster: cluster.name, now, nodes: await Promise.all(gathered) });
}

/** The index that an `entry` question is about. */
function check(cluster: Cluster, { about, id }: Question): number | undefined {
  if (about === 'entry') {
    const index = /^\d{1,16}$/.test(id) ? Number(id) : 0;
    if (!Number.isSafeInteger(index) || index < 1)
      throw new InspectError('give the index of an entry, 1 or more');
    return index;
  }
  if (about === 'member' && id === '') throw new InspectError('say which member');
  if ((about === 'member' || about === 'lag') && id !== '' && !cluster.nodes().includes(id)) {
    throw new InspectError(`the cluster ${cluster.name} has no node ${safeLine(id)}`);
  }
  return undefined;
}

async function entryOf(cluster: Cluster, node: string, index: number): Promise<LogEntryView | undefined> {
  const path = `/v1/log?from=${index}&to=${index}&limit=1&stages=true`;
  try {
    const signal = AbortSignal.timeout(ENTRY_MS);
    const page = await cluster.link(node).get(path, logPageSchema, AGGREGATOR_LIMITS.logBytes, signal);
    return page.entries.find((entry) => entry.index === index);
  } catch (error) {
    // It does not show it: the rules treat that as not known, and the node's own link says why.
    if (error instanceof InspectError) return undefined;
    throw error;
  }
}
