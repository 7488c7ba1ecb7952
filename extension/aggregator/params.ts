/**
 * Checks every message from the editor (extension/protocol.ts) and from pages (shared/panel-protocol.ts).
 *
 * MUST: be typed against the protocol, so that a change there does not compile until it is made here.
 */
import * as z from 'zod';
import { QUESTIONS } from '../../shared/explain/types.ts';
import { faultPlanSchema, whatIsWrong } from '../../shared/inspect-schema.ts';
import type { FromPage, PanelMethods } from '../../shared/panel-protocol.ts';
import type { AggregatorOptions, Attachment, Requests, ToAggregator } from '../protocol.ts';
import { InspectError } from './contract.ts';
import { AGGREGATOR_LIMITS } from './limits.ts';

const name = z.string().min(1).max(128);
const nameOrNone = z.string().max(128);
const address = z.string().max(512);
const path = z.string().max(4_096);
const index = z.int().nonnegative();
const panel = z.int().nonnegative();
const about = z.enum(QUESTIONS);
const cluster = z.object({ cluster: name });
const nothing = z.record(z.string(), z.never());

const attachment: z.ZodType<Attachment> = z.object({
  cluster: name,
  addresses: z.array(address).max(AGGREGATOR_LIMITS.nodesPerCluster),
});
const folders = z.array(path).max(256);

export const optionsSchema: z.ZodType<AggregatorOptions> = z.object({
  workspaceFolders: folders,
  trusted: z.boolean(),
  remembered: z.array(attachment).max(256),
  detached: z.array(nameOrNone).max(256).exactOptional(),
  endpointRoot: path,
});

/** What a plain LSP client gets, which sends no options of ours. */
export const DEFAULT_OPTIONS: AggregatorOptions = {
  workspaceFolders: [],
  trusted: false,
  remembered: [],
  endpointRoot: '',
};

export const REQUESTS: { readonly [M in keyof Requests]: z.ZodType<Requests[M]['params']> } = {
  'raft/discover': nothing,
  'raft/attach': z.object({ cluster: nameOrNone, address, token: z.string().max(512) }),
  'raft/detach': cluster,
  'raft/clusters': nothing,
  'raft/events': cluster.extend({ limit: index }),
  'raft/explain': cluster.extend({ about, id: nameOrNone }),
  'raft/diff': cluster.extend({ left: name, right: name }),
  'raft/logUri': cluster.extend({ node: name, index }),
  'raft/entry': cluster.extend({ node: name, index: index.positive() }),
  'raft/propose': cluster.extend({
    node: nameOrNone,
    text: z.string().max(AGGREGATOR_LIMITS.proposalBytes),
  }),
  'raft/transfer': cluster.extend({ to: nameOrNone }),
  'raft/plantFault': cluster.extend({ node: name, fault: faultPlanSchema }),
  'raft/endFaults': cluster.extend({ node: nameOrNone }),
  'raft/doctor': nothing,
  'raft/panelOpen': cluster.extend({ panel }),
  'raft/panelClose': z.object({ panel }),
};

const fromPage: z.ZodType<FromPage> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('resync') }),
  z.object({
    type: z.literal('request'),
    id: z.int().nonnegative(),
    method: z.enum(['openLog', 'compare', 'entry', 'explain']),
    params: z.unknown(),
  }),
]);

/** The parts of `PanelMethods` that are answered here; the editor answers the others. */
export const PANEL_REQUESTS: {
  readonly [M in 'entry' | 'explain']: z.ZodType<PanelMethods[M]['params']>;
} = {
  entry: z.object({ node: name, index: index.positive() }),
  explain: z.object({ about, id: nameOrNone }),
};

/** `raft/followTail` is taken and checked by documents/. */
export const NOTIFICATIONS: {
  readonly [M in Exclude<keyof ToAggregator, 'raft/followTail'>]: z.ZodType<ToAggregator[M]>;
} = {
  'raft/attend': z.object({ attending: z.boolean() }),
  'raft/follow': cluster.extend({ follow: z.boolean() }),
  'raft/panel': z.object({ panel, message: fromPage }),
  'raft/workspace': z.object({ workspaceFolders: folders, trusted: z.boolean() }),
};

/** The checked value. Throws InspectError, which names `what` it is. */
export function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InspectError(`${what} cannot be understood (${whatIsWrong(parsed.error)})`);
}
