/**
 * Checks what sidecars answer (inspect.ts, events.ts) before anybody believes it.
 *
 * MUST: be strict on every field that is known and skip those that are not (a newer sidecar may say more); bound every
 * string and list, since the answer may come from anything that listens on a port. Names are refused when they are not
 * names; free text (reasons) is cut instead, since a long excuse must not make a node invisible.
 * MAY be imported by the editor, the CLI and tests. MUST be pure.
 */
import * as z from 'zod';
import { APP_STATES } from './app-conditions.ts';
import { CAUSES } from './causes.ts';
import { EVENT_CAUSES, EVENT_KINDS, type RaftEvent } from './events.ts';
import { FAULT_DIRECTIONS, FAULT_KINDS, type FaultPlan, type FaultStatus } from './faults.ts';
import {
  CERTIFICATE_USES,
  type LogEntryView,
  type LogPage,
  type NodeStatus,
  type StageTimes,
  type TermsView,
} from './inspect.ts';
import { LIMITS } from './limits.ts';

/** What one answer may hold. Over it: the answer is refused, except for texts, which are cut. */
export const ANSWER_LIMITS = {
  /** Node ids, cluster names, words. */
  nameChars: 128,
  /** Addresses. */
  addressChars: 512,
  /** Reasons and other sentences: cut. */
  textChars: 2_000,
  members: 256,
  /** Conditions that an app may have been in. */
  incidents: 64,
  /** Uses of certificates. */
  certificates: 16,
  /** Planted faults. */
  faults: 256,
  /** Term runs of one log: one election a second for twelve days. */
  termRuns: 1_000_000,
  /** Base64 of the largest command. */
  commandChars: Math.ceil(LIMITS.commandBytes / 3) * 4,
} as const;

const name = z.string().min(1).max(ANSWER_LIMITS.nameChars);
const word = z.string().max(ANSWER_LIMITS.nameChars);
const address = z.string().max(ANSWER_LIMITS.addressChars);
const text = z.string().transform((value) => value.slice(0, ANSWER_LIMITS.textChars));
/** Indexes, terms, counts: whole numbers from 0 to 2^53-1. */
const count = z.int().nonnegative();
/** Milliseconds; clocks may step, so they are not promised to be positive. */
const ms = z.number();
const role = z.enum(['LEADER', 'FOLLOWER', 'CANDIDATE', 'LEARNER']);

const member = z.object({
  id: name,
  peer: address,
  http: address,
  kind: z.enum(['VOTER', 'LEARNER']),
  self: z.boolean(),
  connected: z.boolean(),
  reason: text,
});

const progress = z.object({
  id: name,
  matchIndex: count,
  nextIndex: count,
  state: z.enum(['PROBE', 'REPLICATE', 'SNAPSHOT']),
  inflightBytes: count,
  lagEntries: count,
  lagMs: ms,
  lastContactMs: ms.nullable(),
  appliedIndex: count,
  commitIndex: count,
  behind: z.enum(['NONE', 'NO_CONTACT', 'PROBING', 'SNAPSHOT', 'FETCHING', 'WINDOW_FULL', 'CATCHING_UP']),
  fit: z.boolean().exactOptional(),
});

const incident = z.object({ condition: word, count, at: ms, reason: text, entry: count.nullable() });

const names = z.array(name).max(ANSWER_LIMITS.members);

const divergence = z.object({
  verdict: z.enum(['MINORITY', 'UNDECIDED']),
  nodes: names,
  after: count,
  through: count,
  reason: text,
});

const certificate = z.object({
  use: z.enum(CERTIFICATE_USES),
  state: z.enum(['VALID', 'EXPIRING', 'EXPIRED']),
  notAfter: ms,
  reason: text,
});

const faultPlan = z.object({
  kind: z.enum(FAULT_KINDS),
  peer: z.union([name, z.literal('')]),
  direction: z.enum(FAULT_DIRECTIONS),
  delayMs: ms,
  jitterMs: ms,
  share: z.number().min(0).max(1),
  ttlMs: ms,
});

export const faultPlanSchema: z.ZodType<FaultPlan> = faultPlan;

const fault = faultPlan.extend({ id: name, since: ms, until: ms, messages: count });

export const faultStatusSchema: z.ZodType<FaultStatus> = fault;

/** Read before anything else of a status: the rest of another protocol need not be of a form we know. */
export const protocolSchema = z.looseObject({ protocol: z.int().positive().default(1) });

export const nodeStatusSchema: z.ZodType<NodeStatus> = z.object({
  protocol: protocolSchema.shape.protocol,
  cluster: name,
  node: name,
  group: word,
  version: word,
  role,
  term: count,
  leader: name.nullable(),
  votedFor: name.nullable(),
  commitIndex: count,
  appliedIndex: count,
  deliveredIndex: count,
  durableIndex: count,
  firstIndex: count,
  lastIndex: count,
  lastTerm: count,
  snapshotIndex: count,
  membership: z.object({ voters: names, outgoing: names, learners: names }),
  members: z.array(member).max(ANSWER_LIMITS.members),
  progress: z.array(progress).max(ANSWER_LIMITS.members),
  app: z.object({
    state: z.enum(APP_STATES),
    condition: word.exactOptional(),
    name: text,
    epoch: count,
    reason: text,
    since: ms,
    entry: count.nullable().exactOptional(),
    fit: z.boolean().exactOptional(),
    version: count.exactOptional(),
    knows: count.exactOptional(),
    incidents: z.array(incident).max(ANSWER_LIMITS.incidents).exactOptional(),
  }),
  divergence: z.array(divergence).max(ANSWER_LIMITS.members).exactOptional(),
  sessions: z.object({ open: count }),
  store: z.object({
    state: word,
    reason: text,
    whole: z.boolean(),
    queuedWrites: count,
    queuedBytes: count,
    oldestWriteMs: ms,
    commits: count,
    lastCommitMs: ms,
  }),
  uptimeMs: ms,
  generation: z.string().regex(/^[\x21-\x7e]{1,128}$/, 'it is not a generation'),
  now: ms,
  timing: z.object({ electionMinMs: ms, electionMaxMs: ms, heartbeatMs: ms }),
  leaderContactMs: ms.nullable(),
  applyLag: z.object({ entries: count, ms }),
  control: z.boolean(),
  faults: z.array(fault).max(ANSWER_LIMITS.faults).exactOptional(),
  certificates: z.array(certificate).max(ANSWER_LIMITS.certificates).exactOptional(),
});

/** Runs that could be those of a log: none empty, each next to the one before, in growing terms. */
const runs = z
  .array(z.object({ term: count, first: count, last: count }))
  .max(ANSWER_LIMITS.termRuns)
  .refine(
    (list) =>
      list.every(({ term, first, last }, at) => {
        const before = list[at - 1];
        return first <= last && (before === undefined || (first === before.last + 1 && term > before.term));
      }),
    'these are not the term runs of a log',
  );

export const termsViewSchema: z.ZodType<TermsView> = z.object({
  runs,
  snapshotIndex: count,
  snapshotTerm: count,
  commitIndex: count,
  appliedIndex: count,
});

const stages: z.ZodType<StageTimes> = z.object({
  proposed: ms.exactOptional(),
  appended: ms.exactOptional(),
  durable: ms.exactOptional(),
  committed: ms.exactOptional(),
  delivered: ms.exactOptional(),
  applied: ms.exactOptional(),
});

export const logEntrySchema: z.ZodType<LogEntryView> = z.object({
  index: count,
  term: count,
  kind: word,
  time: ms,
  session: count.nullable(),
  sequence: count.nullable(),
  size: count,
  hash: z.string().regex(/^[0-9a-f]{0,128}$/, 'it is not a hash in hex'),
  command: z.string().max(ANSWER_LIMITS.commandChars),
  stages: stages.exactOptional(),
});

export const logPageSchema: z.ZodType<LogPage> = z.object({
  from: count,
  to: count,
  firstIndex: count,
  lastIndex: count,
  commitIndex: count,
  entries: z
    .array(logEntrySchema)
    .max(LIMITS.logPageEntries)
    .refine(
      (list) => list.every((entry, at) => at === 0 || entry.index === (list[at - 1]?.index ?? 0) + 1),
      'the entries are not one after the other',
    ),
});

const causes = [...CAUSES, ...EVENT_CAUSES] as const;

export const raftEventSchema: z.ZodType<RaftEvent> = z.object({
  seq: z.int().positive(),
  at: ms,
  kind: z.enum(EVENT_KINDS),
  term: count,
  cause: z.enum(causes),
  peer: word.exactOptional(),
  role: role.exactOptional(),
  was: role.exactOptional(),
  leader: word.exactOptional(),
  granted: z.boolean().exactOptional(),
  preVote: z.boolean().exactOptional(),
  index: count.exactOptional(),
  through: count.exactOptional(),
  oldTerm: count.exactOptional(),
  entries: count.exactOptional(),
  ms: ms.exactOptional(),
  state: word.exactOptional(),
  condition: word.exactOptional(),
  entry: count.exactOptional(),
  version: count.exactOptional(),
  reason: text.exactOptional(),
});

/** What every event has, of whatever version: an event whose kind or cause is not known is skipped by its number. */
export const anyEventSchema = z.object({ seq: z.int().positive(), kind: word, cause: word });

const kinds: ReadonlySet<string> = new Set(EVENT_KINDS);
const knownCauses: ReadonlySet<string> = new Set(causes);

/**
 * One line of the event stream. `event` is absent where the kind or cause is of a later version: then only its number
 * counts. `problem`: this is not an event at all.
 */
export function parseEvent(
  value: unknown,
): { readonly seq: number; readonly event?: RaftEvent } | { readonly problem: string } {
  const any = anyEventSchema.safeParse(value);
  if (!any.success) return { problem: whatIsWrong(any.error) };
  const { seq, kind, cause } = any.data;
  if (!kinds.has(kind) || !knownCauses.has(cause)) return { seq };
  const known = raftEventSchema.safeParse(value);
  return known.success ? { seq, event: known.data } : { problem: whatIsWrong(known.error) };
}

/** The first thing wrong, in a few words: `members.0.http: expected string`. */
export function whatIsWrong(error: z.ZodError): string {
  const issue = error.issues[0];
  return `${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'it is not valid'}`;
}
