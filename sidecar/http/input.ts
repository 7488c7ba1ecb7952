/**
 * What requests may carry besides a command: headers, query and JSON bodies, each checked and refused with one sentence.
 *
 * MUST: take nothing unknown (a misspelt field must not silently mean its default); take numbers only where they
 * are safe integers.
 */
import type { IncomingHttpHeaders } from 'node:http';
import * as z from 'zod';
import { refusal, sessionProblem } from '../../shared/codes.ts';
import { nameSchema } from '../../shared/endpoint-files.ts';
import { type About, QUESTIONS } from '../../shared/explain/types.ts';
import { FAULT_DIRECTIONS, FAULT_KINDS, type FaultPlan, planProblem } from '../../shared/faults.ts';
import { LIMITS } from '../../shared/limits.ts';
import { HttpRefusal } from './answers.ts';

const digits = z
  .string('give it once, as a whole number')
  .regex(/^\d{1,16}$/, 'give a whole number')
  .transform(Number)
  .refine(Number.isSafeInteger, 'give a number below 2^53');
const index = z.int('give a whole number below 2^53').nonnegative('give a whole number below 2^53');

/** `GENERATION-SEQ` as in the stream's `id:` lines, or a bare SEQ. */
export const EVENT_ID = /^(?:([0-9a-z]{1,64})-)?(\d{1,15})$/;

export const eventsQuery = z.strictObject({
  since: z
    .string('give it once')
    .regex(EVENT_ID, 'give the id of an event, GENERATION-SEQ, or a number')
    .optional(),
});

export const explainQuery = z
  .strictObject({
    about: z.enum(QUESTIONS, `give ${QUESTIONS.slice(0, -1).join(', ')} or ${QUESTIONS.at(-1)}`),
    id: z.string('give it once').default(''),
  })
  .superRefine(({ about, id }, refuse) => {
    const problem = idProblem(about, id);
    if (problem !== '') refuse.addIssue({ code: 'custom', path: ['id'], message: problem });
  });

/** What is wrong with the `id` of a question, '' when nothing is. */
function idProblem(about: About, id: string): string {
  if (about === 'entry')
    return digits.safeParse(id).success && Number(id) > 0 ? '' : 'give the index of an entry';
  if (about === 'leader') return id === '' ? '' : 'a question about the leader has none';
  if (id === '') return about === 'member' ? 'give the id of a member' : '';
  const named = nameSchema.safeParse(id);
  return named.success ? '' : (named.error.issues[0]?.message ?? 'it is not a name');
}

export const memberId = z.object({ id: nameSchema });

const flag = z.enum(['true', 'false'], 'give true or false').transform((text) => text === 'true');

export const logQuery = z
  .strictObject({
    from: digits.default(0),
    to: digits.default(Number.MAX_SAFE_INTEGER),
    limit: digits
      .refine((limit) => limit > 0, 'give at least 1')
      .transform((limit) => Math.min(limit, LIMITS.logPageEntries))
      .default(LIMITS.logPageEntries),
    stages: flag.default(false),
  })
  .refine(({ from, to }) => from <= to, { path: ['to'], message: 'it must not be before from' });

/** `index` absent: the newest one. */
export const snapshotQuery = z.strictObject({ index: digits.optional(), offset: digits.default(0) });

export const noQuery = z.strictObject({});

export const readBody = z
  .strictObject({
    consistency: z
      .enum(['LINEARIZABLE', 'LEASE', 'AT_LEAST', 'STALE'], 'give LINEARIZABLE, LEASE, AT_LEAST or STALE')
      .default('LINEARIZABLE'),
    index: index.optional(),
  })
  .refine(({ consistency, index }) => consistency !== 'AT_LEAST' || index !== undefined, {
    path: ['index'],
    message: 'AT_LEAST needs it',
  });

export const sessionBody = z
  .strictObject({ ttlMs: z.int('give whole milliseconds').positive('give at least 1').optional() })
  .default({});

export const sessionId = z.object({ id: digits });

const reason = z
  .string('say why')
  .min(1, 'say why')
  .max(LIMITS.skipReasonChars, `at most ${LIMITS.skipReasonChars} characters`);

export const skipBody = z.strictObject({ index: index.positive('give the index of an entry'), reason });

export const appVersionBody = z.strictObject({
  version: z
    .int('give a version')
    .min(1, 'give at least 1')
    .max(LIMITS.appVersionMax, `at most ${LIMITS.appVersionMax}`),
  reason,
  force: z.boolean().default(false),
});

const peerAddress = z
  .string('give HOST:PORT')
  .regex(/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'give HOST:PORT');
const priority = z.int('give a whole number').min(-100, 'at least -100').max(100, 'at most 100');

export const memberBody = z.strictObject({
  id: nameSchema,
  /** Absent: the member is there already, and something else of it changes. */
  peer: peerAddress.optional(),
  learner: z.boolean().default(false),
  replaces: nameSchema.optional(),
  /** Absent: as it was, 0 for a new one. */
  priority: priority.optional(),
});

export const transferBody = z.strictObject({ to: nameSchema.optional() });

const faultMs = (max: number) =>
  z.int('give whole milliseconds').min(1, 'give at least 1').max(max, `at most ${max}`);

/** The shape alone; what each kind takes is said in one place for whoever plants them (shared/faults.ts). */
export const faultBody = z
  .strictObject({
    kind: z
      .string(`give ${FAULT_KINDS.join(', ')}`)
      .toUpperCase()
      .pipe(z.enum(FAULT_KINDS, `give ${FAULT_KINDS.join(', ')}`)),
    peer: nameSchema.optional(),
    direction: z.enum(FAULT_DIRECTIONS, 'give IN, OUT or BOTH').optional(),
    delayMs: faultMs(LIMITS.faultDelayMs).optional(),
    jitterMs: faultMs(LIMITS.faultDelayMs).optional(),
    share: z.number('give a number over 0, up to 1').gt(0, 'give more than 0').max(1, 'at most 1').optional(),
    /** No fault is for ever. */
    ttlMs: faultMs(LIMITS.faultTtlMs),
  })
  .transform(
    ({ peer = '', direction = 'BOTH', delayMs = 0, jitterMs = 0, share = 0, ...body }): FaultPlan => {
      return { ...body, peer, direction, delayMs, jitterMs, share };
    },
  )
  .superRefine((plan, refuse) => {
    const problem = planProblem(plan);
    if (problem !== '') refuse.addIssue({ code: 'custom', message: problem });
  });

/** Checks `value`; throws a BAD_REQUEST that names the first thing wrong with it. `what` is `the query` or `the body`. */
export function check<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  if (issue?.code === 'unrecognized_keys') {
    throw badRequest(
      `${what} has ${JSON.stringify(issue.keys[0]?.slice(0, 64))}, which this route does not know`,
    );
  }
  const place = issue === undefined || issue.path.length === 0 ? what : `${issue.path.join('.')} in ${what}`;
  throw badRequest(`${place} is refused: ${issue?.message ?? 'it is not valid'}`);
}

/** Session, sequence and ackBelow of a proposal; 0 where not given. */
export function sessionOf(headers: IncomingHttpHeaders): {
  session: number;
  sequence: number;
  ackBelow: number;
} {
  const session = wholeHeader(headers, 'Outrigger-Session', 1) ?? 0;
  const sequence = wholeHeader(headers, 'Outrigger-Sequence', 1) ?? 0;
  const ackBelow = wholeHeader(headers, 'Outrigger-Ack-Below', 0) ?? 0;
  if ((session === 0) !== (sequence === 0)) {
    throw badRequest('Outrigger-Session and Outrigger-Sequence come together or not at all');
  }
  const problem = sessionProblem(session, sequence, ackBelow);
  if (problem !== undefined) throw badRequest(problem);
  return { session, sequence, ackBelow };
}

/** How long the caller waits, in milliseconds; longer asks are clipped. */
export function timeoutOf(headers: IncomingHttpHeaders): number {
  return Math.min(wholeHeader(headers, 'Outrigger-Timeout-Ms', 1) ?? LIMITS.requestMs, LIMITS.requestMsMax);
}

export function badRequest(message: string, status = 400): HttpRefusal {
  return new HttpRefusal(refusal('BAD_REQUEST', message), status);
}

function wholeHeader(headers: IncomingHttpHeaders, name: string, least: number): number | undefined {
  const text = headers[name.toLowerCase()];
  if (text === undefined) return undefined;
  const value = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < least) {
    throw badRequest(`${name} must be one whole number from ${least} to 2^53-1`);
  }
  return value;
}
