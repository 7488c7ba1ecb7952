/**
 * Who belongs to a cluster and where: from endpoint files, from what its nodes say, from addresses typed by hand. Pure.
 *
 * MUST: prefer an endpoint file (this user's own, private) over what a node says of another; name no address that we
 * would not contact; forget a node only when one that answers says that it is no member.
 */
import type { EndpointFile, MemberStatus, NodeStatus } from '../../../shared/inspect.ts';
import { InspectError } from '../contract.ts';
import { sidecarUrl } from '../links/address.ts';

/** Where one node is. `http` '' : nobody knows, or it is not on this machine; `reason` says which. */
export interface Place {
  readonly http: string;
  /** '' where it has no endpoint file. */
  readonly tokenFile: string;
  /** PEM file of the CA of the cluster, '' where none is known. */
  readonly ca: string;
  readonly source: 'ENDPOINT_FILE' | 'TYPED' | 'MEMBER';
  readonly reason: string;
}

export interface Sources {
  readonly endpoints: readonly EndpointFile[];
  /** Node → address typed by hand at which it answered. */
  readonly typed: ReadonlyMap<string, string>;
  /** Of the nodes that answer now. */
  readonly statuses: readonly NodeStatus[];
  /** Nodes known so far. */
  readonly known: readonly string[];
}

/** Every node of the cluster, sorted by id. */
export function placesOf({ endpoints, typed, statuses, known }: Sources): Map<string, Place> {
  const places = new Map<string, Place>();
  const best = mostTrusted(statuses);
  // One CA makes the certificates of a cluster: what a file of this machine says of it counts for the other nodes too.
  const ca = endpoints.find((endpoint) => endpoint.ca !== undefined)?.ca ?? '';
  const said = membersSaid(statuses, ca);
  // Without a node that answers, nobody says who left.
  for (const id of best === undefined ? known : []) places.set(id, said.get(id) ?? nowhere(''));
  for (const { id } of best?.members ?? []) places.set(id, said.get(id) ?? nowhere(''));
  for (const [id, http] of typed) {
    // It may have moved since: what the nodes say now counts more than what was typed then.
    const now = said.get(id);
    places.set(id, now === undefined || now.http === '' ? typedPlace(http, ca) : now);
  }
  for (const endpoint of endpoints) places.set(endpoint.node, placeOfFile(endpoint));
  return new Map([...places].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function typedPlace(http: string, ca = ''): Place {
  return { http, tokenFile: '', ca, source: 'TYPED', reason: '' };
}

/** The node whose member list counts: the leader of the highest term, else whoever committed most. */
function mostTrusted(statuses: readonly NodeStatus[]): NodeStatus | undefined {
  const rank = (status: NodeStatus): number => (status.role === 'LEADER' ? 1 : 0);
  return [...statuses].sort(
    (a, b) => rank(b) - rank(a) || b.term - a.term || b.commitIndex - a.commitIndex,
  )[0];
}

/** What the nodes say of each other's addresses; a node's word about itself counts first. */
function membersSaid(statuses: readonly NodeStatus[], ca: string): Map<string, Place> {
  const said = new Map<string, Place>();
  for (const member of statuses.flatMap(({ members }) => members).sort(selfFirst)) {
    const before = said.get(member.id);
    if (before === undefined || before.http === '') said.set(member.id, placeOfMember(member, ca));
  }
  return said;
}

function selfFirst(a: MemberStatus, b: MemberStatus): number {
  return Number(b.self) - Number(a.self);
}

function placeOfMember({ http }: MemberStatus, ca: string): Place {
  if (http === '') return nowhere('');
  return place(http, '', ca, 'MEMBER');
}

function placeOfFile({ http, tokenFile, ca = '' }: EndpointFile): Place {
  return place(http, tokenFile, ca, 'ENDPOINT_FILE');
}

function place(http: string, tokenFile: string, ca: string, source: Place['source']): Place {
  try {
    return { http: sidecarUrl(http), tokenFile, ca, source, reason: '' };
  } catch (error) {
    if (error instanceof InspectError) return nowhere(error.message);
    throw error;
  }
}

function nowhere(reason: string): Place {
  return {
    http: '',
    tokenFile: '',
    ca: '',
    source: 'MEMBER',
    reason: reason || 'no node that answers knows its HTTP address, and it has no endpoint file here',
  };
}
