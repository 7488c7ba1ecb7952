/**
 * How a node becomes a member: it learns from any member who the others are, and asks to be added, as a learner first. An operator
 * may do the asking in its place (`outrigger add`), where it has no token that opens that.
 *
 * MUST: join no other cluster than the one that it was told; ask again until it is a member, and say why it is not.
 */
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { endpointRoot, listEndpoints, readTokenFile } from '../../../shared/endpoint-files.ts';
import { parseAddress } from '../../peers/address.ts';
import type { PeerAddress } from '../../peers/contract.ts';

const ASK_MS = 10_000;
const ASK_AGAIN_MS = 1_000;
/** Of an answer that refuses, this much is shown. */
const SHOWN_CHARS = 300;

const statusSchema = z.object({
  cluster: z.string(),
  node: z.string(),
  members: z.array(z.object({ id: z.string(), peer: z.string() })).max(100),
});

/** Asks a sidecar by HTTP, as this node trusts others. */
export type Fetch = (
  url: URL,
  asked: {
    readonly method?: string;
    readonly headers: Headers;
    readonly body?: string;
    readonly signal: AbortSignal;
  },
) => Promise<Response>;

export interface JoinTarget {
  readonly node: string;
  readonly members: readonly PeerAddress[];
}

/** Who is in the cluster at `url`. Rejects with one sentence. */
export async function lookForCluster(
  { url, tokenFile, fetch: ask }: Pick<JoinRequest, 'url' | 'tokenFile' | 'fetch'>,
  cluster: string,
  self: string,
): Promise<JoinTarget> {
  let answer: unknown;
  let denied = false;
  try {
    const token = await adminToken(url, tokenFile);
    const headers = new Headers(token === undefined ? {} : { authorization: `Bearer ${token}` });
    const response = await ask(new URL('/v1/status', url), { headers, signal: AbortSignal.timeout(ASK_MS) });
    answer = await response.json();
    denied = response.status === 401;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Error(
      `no cluster answers at ${url}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause: error,
      },
    );
  }
  if (denied) throw new Error(`${url} wants the token of its cluster: give --token-file`);
  const status = statusSchema.safeParse(answer);
  if (!status.success) throw new Error(`${url} is no sidecar of Outrigger`);
  const found = status.data;
  if (found.cluster !== cluster)
    throw new RangeError(`${url} belongs to the cluster ${found.cluster}, not ${cluster}`);
  if (found.node === self) throw new RangeError(`${url} is ${self} itself`);
  const members = found.members.flatMap(({ id, peer }) => parseAddress(id, peer) ?? []);
  return { node: found.node, members: members.filter(({ id }) => id !== self) };
}

export interface JoinRequest {
  readonly url: string;
  readonly id: string;
  /** Where others reach this node. */
  readonly peer: string;
  readonly tokenFile: string | undefined;
  readonly fetch: Fetch;
  /** Is it a member, or does it matter no more? */
  joined(): boolean;
  report(level: 'info' | 'warn', message: string): void;
}

/** Asks until it is a member. Never rejects. */
export async function askToJoin(request: JoinRequest): Promise<void> {
  const { url, id, peer, report } = request;
  let said = '';
  while (!request.joined()) {
    const why = await askOnce(request).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    if (why !== said && why !== '')
      report(
        'warn',
        `${id} is no member yet (${why}); an operator can add it: outrigger add ${id} --peer ${peer}`,
      );
    said = why;
    if (why === '') report('info', `${id} asked ${url} to be added`);
    await delay(ASK_AGAIN_MS);
  }
}

/** '' where it was added, else why not. */
async function askOnce({ url, id, peer, tokenFile, fetch: ask }: JoinRequest): Promise<string> {
  const token = await adminToken(url, tokenFile);
  if (token === undefined) return 'it has no admin token of that cluster';
  const response = await ask(new URL('/v1/members', url), {
    method: 'POST',
    headers: new Headers({ authorization: `Bearer ${token}`, 'content-type': 'application/json' }),
    body: JSON.stringify({ id, peer }),
    signal: AbortSignal.timeout(ASK_MS),
  });
  if (response.ok) return '';
  return (await response.text()).slice(0, SHOWN_CHARS);
}

/** Of the file that all nodes share, or of that sidecar, where it runs on this machine. */
async function adminToken(url: string, tokenFile: string | undefined): Promise<string | undefined> {
  if (tokenFile !== undefined) return (await readTokenFile(tokenFile))?.admin;
  const { endpoints } = await listEndpoints(endpointRoot(process.env));
  const there = endpoints.find(({ http }) => new URL(http).href === new URL(url).href);
  return there === undefined ? undefined : (await readTokenFile(there.tokenFile))?.admin;
}
