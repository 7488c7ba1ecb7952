/**
 * Error codes of the app socket and of HTTP (PROTOCOL §1), and what each one promises.
 *
 * MUST: say for every code whether it is definite ("it did not and will not happen") or indefinite.
 * MAY be imported from anywhere.
 */

/** The request had no effect and never will have one. Safe to try again. */
export const DEFINITE_CODES = [
  'BAD_REQUEST',
  'TOO_LARGE',
  'OVERLOADED',
  'NOT_LEADER',
  'TERM_CHANGED',
  'SESSION_UNKNOWN',
  'SEQUENCE_GAP',
  'APP_ABSENT',
  'APP_AHEAD',
  'APP_DIVERGED',
  /** An operator skipped the command: no app was given it. */
  'SKIPPED',
  'NO_SPACE',
  'UNAUTHORIZED',
  'FORBIDDEN',
  'NOT_FOUND',
  /** A check of `/readyz` fails; or a leader has no lease now for a LEASE read. */
  'NOT_READY',
  'UNSUPPORTED',
] as const;

/**
 * The request may or may not take effect; only a session makes trying again safe.
 * INTERNAL is a fault of ours: the daemon's log has the cause.
 */
export const INDEFINITE_CODES = ['TIMEOUT', 'LEADER_LOST', 'SHUTTING_DOWN', 'INTERNAL'] as const;

export type DefiniteCode = (typeof DEFINITE_CODES)[number];
export type IndefiniteCode = (typeof INDEFINITE_CODES)[number];
export type ErrorCode = DefiniteCode | IndefiniteCode;

const indefinite: ReadonlySet<string> = new Set(INDEFINITE_CODES);

/** True when `code` promises that the request did not and will not take effect. */
export function isDefinite(code: ErrorCode): boolean {
  return !indefinite.has(code);
}

/** What a refused or failed request is answered with, on the socket and as an HTTP body. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly definite: boolean;
  /** One clear sentence for a person. Never a stack trace. */
  readonly message: string;
  /** Node id of the leader, where known and useful. */
  readonly leader?: string;
  /** When it makes sense to try again, in milliseconds from now. */
  readonly retryAfterMs?: number;
}

/** What is wrong with a proposal's session, sequence and ackBelow (0: not given); undefined when nothing is. */
export function sessionProblem(session: number, sequence: number, ackBelow: number): string | undefined {
  if ((session === 0) !== (sequence === 0)) return 'session and sequence come together or not at all';
  if (ackBelow > sequence) return `ackBelow is ${ackBelow}, but the command's own sequence is ${sequence}`;
  return undefined;
}

/** Builds a refusal with the definiteness that its code promises. */
export function refusal(
  code: ErrorCode,
  message: string,
  more: { leader?: string | undefined; retryAfterMs?: number | undefined } = {},
): Refusal {
  return {
    code,
    definite: isDefinite(code),
    message,
    ...(more.leader === undefined ? {} : { leader: more.leader }),
    ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }),
  };
}
