/**
 * What changes something in a cluster: proposing text, handing leadership over, planting faults. Only on a person's word.
 *
 * MUST: read the write or admin token only now; refuse with one sentence what the sidecar would refuse anyway; never try
 * twice (whether a lost proposal took effect cannot be told).
 */
import * as z from 'zod';
import { type FaultPlan, type FaultStatus, planBody, planProblem } from '../../../shared/faults.ts';
import type { NodeStatus } from '../../../shared/inspect.ts';
import { faultStatusSchema } from '../../../shared/inspect-schema.ts';
import { NAME_PATTERN } from '../../../shared/names.ts';
import { safeBlock, safeLine } from '../../../shared/safe-text.ts';
import { InspectError } from '../contract.ts';
import { AGGREGATOR_LIMITS } from '../limits.ts';
import { LinkFault, readAnswer } from '../links/answers.ts';
import type { NodeLink } from '../links/link.ts';
import type { Answered } from '../links/request.ts';
import type { Cluster } from './cluster.ts';

export interface Proposed {
  readonly index: number;
  readonly term: number;
  /** The app's reply, made harmless. */
  readonly reply: string;
}

/** `node` '' : any that answers, the leader first. Rejects with InspectError. */
export async function propose(cluster: Cluster, node: string, text: string): Promise<Proposed> {
  const body = Buffer.from(text, 'utf8');
  if (body.length > AGGREGATOR_LIMITS.proposalBytes) {
    throw new InspectError(
      `the text has ${body.length} bytes; at most ${AGGREGATOR_LIMITS.proposalBytes} can be proposed`,
    );
  }
  const link = node === '' ? cluster.anyNode() : cluster.link(node);
  const answer = await link.post('write', '/v1/propose', 'application/octet-stream', body);
  return {
    index: whole(answer, 'outrigger-index'),
    term: whole(answer, 'outrigger-term'),
    reply: safeBlock(answer.body),
  };
}

const transferred = z.object({ leader: z.string().min(1).max(128), term: z.int().nonnegative() });

/** `to` '' lets the leader choose. Rejects with InspectError. */
export async function transfer(cluster: Cluster, to: string): Promise<z.infer<typeof transferred>> {
  const link = cluster.leader();
  const { voters } = controlled(link).membership;
  if (to !== '' && !voters.includes(to)) {
    throw new InspectError(
      `the node ${safeLine(to)} is no voter of ${cluster.name}; leadership can go to ${voters.join(', ')}`,
    );
  }
  const body = Buffer.from(JSON.stringify(to === '' ? {} : { to }));
  const answer = await link.post('admin', '/v1/leader/transfer', 'application/json', body);
  for (const one of cluster.links()) one.pollSoon();
  return readAnswer(answer, transferred);
}

/** The status of a node that was started with `--control`. Throws InspectError where it was not. */
function controlled({ status, target }: NodeLink): NodeStatus {
  if (status?.control === true) return status;
  throw new InspectError(
    `the node ${target.node} does not allow control acts from here: start it with --control to allow them`,
  );
}

/** Plants a fault in a node. Rejects with InspectError. */
export async function plantFault(cluster: Cluster, node: string, plan: FaultPlan): Promise<FaultStatus> {
  const link = cluster.link(node);
  const { members } = controlled(link);
  const problem = planProblem(plan);
  if (problem !== '') throw new InspectError(problem);
  const peers = members.map(({ id }) => id).filter((id) => id !== node);
  if (plan.peer !== '' && !peers.includes(plan.peer)) {
    throw new InspectError(`${safeLine(plan.peer)} is no peer of ${node}; its peers are ${peers.join(', ')}`);
  }
  const body = Buffer.from(JSON.stringify(planBody(plan)));
  const answer = await link.post('admin', '/v1/faults', 'application/json', body);
  const fault = readFault(node, answer);
  link.knowFault(fault);
  return fault;
}

function readFault(node: string, answer: Answered): FaultStatus {
  try {
    return readAnswer(answer, faultStatusSchema);
  } catch (error) {
    if (!(error instanceof LinkFault)) throw error;
    throw new InspectError(`${node}: the fault was planted, but ${error.message}`, { cause: error });
  }
}

export interface FaultsEnded {
  readonly ended: number;
  /** Nodes that did not answer, or refused: their faults end by themselves. */
  readonly unanswered: readonly { readonly node: string; readonly reason: string }[];
}

/** `node` '': of all nodes. Rejects with InspectError where none allows it. */
export async function endFaults(cluster: Cluster, node: string): Promise<FaultsEnded> {
  if (node !== '') controlled(cluster.link(node));
  else if (![...cluster.links()].some(({ status }) => status?.control === true)) {
    throw new InspectError(`no node of ${cluster.name} allows control acts: start them with --control`);
  }
  const nodes = node === '' ? cluster.nodes() : [node];
  const outcomes = await Promise.all(nodes.map((id) => endFaultsOf(cluster, id)));
  return {
    ended: outcomes.reduce((sum, { ended }) => sum + ended, 0),
    unanswered: outcomes.filter(({ reason }) => reason !== ''),
  };
}

async function endFaultsOf(
  cluster: Cluster,
  node: string,
): Promise<{ node: string; ended: number; reason: string }> {
  let ended = 0;
  try {
    const link = cluster.link(node);
    // One that stands still would keep whoever asks for seconds.
    if (link.view.state === 'SILENT') throw new InspectError(`${node}: ${link.view.reason}`);
    const { faults = [] } = await link.identify();
    for (const { id } of faults) {
      // It becomes part of a path.
      if (!NAME_PATTERN.test(id)) throw new InspectError(`${node}: a fault of it has an id that is no name`);
      if (await link.delete('admin', `/v1/faults/${id}`)) ended += 1;
    }
    if (faults.length > 0) link.pollSoon();
    return { node, ended, reason: '' };
  } catch (error) {
    if (!(error instanceof InspectError)) throw error;
    return { node, ended, reason: error.message };
  }
}

function whole(answer: Answered, name: string): number {
  const value = Number(answer.headers[name]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InspectError(`the proposal was taken, but the answer does not say ${name}`);
}
