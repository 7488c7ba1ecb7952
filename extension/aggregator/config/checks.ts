/**
 * Everything that can be wrong in an `outrigger.json`, each with its exact place and, where it is simple, its remedy.
 *
 * MUST: be pure: no file, no clock, nothing is contacted, so it may run on documents of workspaces that are not trusted.
 */
import { findNodeAtLocation, type JSONPath, type Node } from 'jsonc-parser';
import type { z } from 'zod';
import { safeLine } from '../../../shared/safe-text.ts';
import { InspectError } from '../contract.ts';
import { sidecarUrl } from '../links/address.ts';
import { CONFIG_LIMITS } from './limits.ts';
import type { ClusterOutline, Outline, Placed, Span } from './outline.ts';
import { spanOf } from './outline.ts';
import { outriggerFileSchema } from './schema.ts';
import { timingFindings } from './timing.ts';

export interface Finding {
  /** Stable; shown beside the message. */
  readonly code: string;
  readonly severity: 'ERROR' | 'WARNING';
  /** One sentence, safe to show. */
  readonly message: string;
  readonly span: Span;
  /** An editor that knows the JSON schema says this too. */
  readonly bySchema: boolean;
  /** The other place that it is about. */
  readonly other?: Placed<string>;
  readonly fix?: Fix;
}

/** One change: `value` goes to `path`; undefined removes what is there. */
export interface Fix {
  readonly title: string;
  readonly path: JSONPath;
  readonly value: number | undefined;
}

/** In the order of their places, at most `CONFIG_LIMITS.findings`. */
export function check(outline: Outline): readonly Finding[] {
  const { refused } = outline;
  const all = [
    ...(refused === '' ? [] : [error('limit', refused, { offset: 0, length: 1 })]),
    ...outline.errors.map(({ message, span }) => error('syntax', message, span, true)),
    ...outline.duplicateFields.map(({ value, span }) =>
      error('duplicate-field', `The field ${show(value)} is written twice; the last one counts.`, span, true),
    ),
    ...schemaFindings(outline),
    ...duplicateClusters(outline.clusters),
    ...duplicateAddresses(outline.clusters),
    ...outline.clusters.flatMap((cluster) => [
      ...duplicateIds(cluster),
      ...addressFindings(cluster),
      ...evenVoters(cluster),
      ...timingFindings(cluster),
    ]),
  ];
  return all.sort((a, b) => a.span.offset - b.span.offset).slice(0, CONFIG_LIMITS.findings);
}

function error(code: string, message: string, span: Span, bySchema = false): Finding {
  return { code, severity: 'ERROR', message, span, bySchema };
}

function show(value: string): string {
  return safeLine(JSON.stringify(value), 100);
}

function schemaFindings({ tree, value }: Outline): Finding[] {
  if (tree === undefined) return [];
  const result = outriggerFileSchema.safeParse(value);
  return result.success ? [] : result.error.issues.flatMap((issue) => fromIssue(tree, issue));
}

function fromIssue(tree: Node, issue: z.core.$ZodIssue): Finding[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownField(tree, path, key));
  const found = findNodeAtLocation(tree, path);
  const name = typeof path.at(-1) === 'string' ? show(String(path.at(-1))) : 'This';
  if (found !== undefined) {
    return [error('schema', `${name} ${complaint(issue)}.`, spanOf(found), true)];
  }
  const parent = findNodeAtLocation(tree, path.slice(0, -1)) ?? tree;
  // The brace that opens it, not all of it: a whole file underlined says nothing.
  return [error('missing-field', `${name} is missing.`, { offset: parent.offset, length: 1 }, true)];
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'must be a string',
  int: 'must be a whole number',
  number: 'must be a number',
  boolean: 'must be true or false',
  array: 'must be a list',
  object: 'must be an object',
};

function complaint(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? `must be of type ${issue.expected}`;
    case 'invalid_union':
      return 'must be one of messagepack, cbor, json, utf8, hex, protobuf and command';
    case 'too_small':
      return issue.origin === 'array' || issue.origin === 'string'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'array') return `must have at most ${issue.maximum} elements`;
      if (issue.origin === 'string') return `must have at most ${issue.maximum} characters`;
      return `must be at most ${issue.maximum}`;
    case 'invalid_format':
      return issue.message.startsWith('must') ? issue.message : `is not valid: ${issue.message}`;
    default:
      return `is not valid: ${issue.message}`;
  }
}

function unknownField(tree: Node, path: JSONPath, key: string): Finding {
  const parent = findNodeAtLocation(tree, path);
  const name = parent?.children?.find(({ children }) => children?.[0]?.value === key)?.children?.[0];
  return {
    ...error('unknown-field', `The field ${show(key)} is not known here.`, spanOf(name ?? tree), true),
    fix: { title: `Remove the field ${show(key)}`, path: [...path, key], value: undefined },
  };
}

/** Calls `twice` for each that was there before, with the first one. */
function repeated<T extends Placed<string>>(
  all: readonly T[],
  key: (placed: T) => string,
  twice: (again: T, first: T) => Finding,
): Finding[] {
  const first = new Map<string, T>();
  return all.flatMap((placed) => {
    const before = first.get(key(placed));
    if (before === undefined) first.set(key(placed), placed);
    return before === undefined ? [] : [twice(placed, before)];
  });
}

function present<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

function duplicateClusters(clusters: readonly ClusterOutline[]): Finding[] {
  const names = clusters.flatMap(({ name }) => present(name));
  return repeated(names, byValue, (again, first) => ({
    ...error('duplicate-cluster', `The cluster ${show(again.value)} is written above already.`, again.span),
    other: first,
    fix: { title: 'Remove this cluster', path: again.path.slice(0, -1), value: undefined },
  }));
}

function duplicateIds({ nodes }: ClusterOutline): Finding[] {
  const ids = nodes.flatMap(({ id }) => present(id));
  return repeated(ids, byValue, (again, first) => ({
    ...error('duplicate-id', `The node ${show(again.value)} is in this cluster already.`, again.span),
    other: first,
    fix: { title: 'Remove this node', path: again.path.slice(0, -1), value: undefined },
  }));
}

function byValue({ value }: Placed<string>): string {
  return value;
}

/** One port of one machine serves one purpose of one node, in all clusters of the file. */
function duplicateAddresses(clusters: readonly ClusterOutline[]): Finding[] {
  const addresses = clusters.flatMap(({ nodes }) =>
    nodes.flatMap(({ http, peer }) => [...present(http), ...present(peer)]),
  );
  return repeated(addresses, hostAndPort, (again, first) => ({
    ...error('duplicate-address', `The address ${show(again.value)} is taken already.`, again.span),
    other: first,
    fix: { title: 'Remove this address', path: again.path, value: undefined },
  }));
}

/** `localhost` and 127.0.0.1 are the same place, as are letters in both cases. */
function hostAndPort({ value }: Placed<string>): string {
  return value
    .trim()
    .toLowerCase()
    .replace(/^[a-z]+:\/\//, '')
    .replace(/\/.*$/, '')
    .replace(/^localhost(?=:|$)/, '127.0.0.1');
}

function addressFindings({ nodes }: ClusterOutline): Finding[] {
  return nodes.flatMap(({ http, peer }) => [
    ...present(http).flatMap((placed) => {
      const why = refusal(placed.value);
      return why === ''
        ? []
        : [error('http-address', `This address is not used: ${safeLine(why)}.`, placed.span)];
    }),
    ...present(peer).flatMap((placed) => peerFinding(placed, nodes.some(isSecure))),
  ]);
}

/** Why the aggregator would not talk to this address; '' when it would. */
function refusal(address: string): string {
  try {
    sidecarUrl(address);
    return '';
  } catch (thrown) {
    if (thrown instanceof InspectError) return thrown.message;
    throw thrown;
  }
}

/** A cluster whose HTTP has TLS has it between its nodes too, as a rule. */
function isSecure({ http }: ClusterOutline['nodes'][number]): boolean {
  return present(http).some(({ value }) => value.startsWith('https://'));
}

function peerFinding(peer: Placed<string>, secure: boolean): Finding[] {
  const port = Number(/:(\d{1,5})$/.exec(peer.value)?.[1] ?? Number.NaN);
  if (Number.isNaN(port)) return [];
  if (port < 1 || port > 65_535) {
    return [error('peer-address', `There is no port ${port}: ports are 1 to 65535.`, peer.span)];
  }
  if (secure || refusal(`http://${peer.value}`) === '') return [];
  const message = `Without TLS (--tls-ca, --tls-cert, --tls-key) sidecars listen for each other on loopback only, and ${show(peer.value)} is not.`;
  return [{ ...error('peer-address', message, peer.span), severity: 'WARNING' }];
}

function evenVoters({ nodes, nodesKey }: ClusterOutline): Finding[] {
  const voters = nodes.filter(({ learner }) => !learner).length;
  if (voters === 0 || voters % 2 === 1) return [];
  const quorum = voters / 2 + 1;
  const bears = voters - quorum;
  const message = `${voters} voters bear the failure of ${bears === 0 ? 'none' : bears}, as ${voters - 1} ${voters === 2 ? 'does' : 'do'}, and need ${quorum} to agree instead of ${quorum - 1}: use an odd number of voters, or make one a learner.`;
  return [{ ...error('even-voters', message, nodesKey), severity: 'WARNING' }];
}
