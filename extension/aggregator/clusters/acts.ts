/**
 * What changes something in a cluster: proposing text, handing leadership over. Only on a person's word.
 *
 * MUST: read the write or admin token only now; refuse with one sentence what the sidecar would refuse anyway; never try
 * twice (whether a lost proposal took effect cannot be told).
 */
import * as z from 'zod';
import { safeBlock, safeLine } from '../../../shared/safe-text.ts';
import { InspectError } from '../contract.ts';
import { AGGREGATOR_LIMITS } from '../limits.ts';
import { readAnswer } from '../links/answers.ts';
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
  const { status } = link;
  if (status?.control !== true) {
    throw new InspectError(
      `the node ${link.target.node} does not allow control acts from here: start it with --control to allow them`,
    );
  }
  const voters = status.membership.voters;
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

function whole(answer: Answered, name: string): number {
  const value = Number(answer.headers[name]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InspectError(`the proposal was taken, but the answer does not say ${name}`);
}
