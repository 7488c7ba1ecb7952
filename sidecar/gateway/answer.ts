/** The frames by which a replica answers a request, and an error as a refusal that can be passed on. */
import type {
  ErrorFrame,
  ProposedFrame,
  ReadReadyFrame,
  SessionClosedFrame,
  SessionKeptFrame,
  SessionOpenedFrame,
  SidecarFrame,
} from '../../shared/app-frames.ts';
import { DEFINITE_CODES, INDEFINITE_CODES, isDefinite, type Refusal, refusal } from '../../shared/codes.ts';

export type Answer =
  | ProposedFrame
  | ReadReadyFrame
  | SessionOpenedFrame
  | SessionKeptFrame
  | SessionClosedFrame;

const ANSWERS: ReadonlySet<string> = new Set<Answer['type']>([
  'proposed',
  'readReady',
  'sessionOpened',
  'sessionKept',
  'sessionClosed',
]);

export function isAnswer(frame: SidecarFrame): frame is Answer {
  return ANSWERS.has(frame.type);
}

const KNOWN: ReadonlySet<string> = new Set([...DEFINITE_CODES, ...INDEFINITE_CODES]);

/** Never more definite than the replica said, nor than the code promises. A code of a later version gets one that we know. */
export function refusalOf({ code, definite, message, leader, retryAfterMs }: ErrorFrame): Refusal {
  if (!KNOWN.has(code)) {
    return refusal(definite ? 'UNSUPPORTED' : 'INTERNAL', `${code}: ${message}`, { leader, retryAfterMs });
  }
  if (isDefinite(code) && !definite) return refusal('INTERNAL', `${code}: ${message}`, { leader });
  return refusal(code, message, { leader, retryAfterMs });
}
