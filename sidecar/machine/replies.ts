/**
 * The app's results of commands in sessions, so that a retry is answered as the first try was.
 *
 * Results come from the local app, not from the log: this is what *this* node knows, and nothing of it decides what
 * takes effect.
 *
 * MUST: stay within its bounds, whatever clients do: the oldest results go first, and what was dropped is known to be so.
 */
import { LIMITS } from '../../shared/limits.ts';

/** `result` undefined: the app gave none. */
export interface Reply {
  readonly result: Uint8Array | undefined;
}

export interface ReplyLimits {
  readonly sessionReplies: number;
  readonly sessionReplyBytes: number;
  readonly sessionRepliesBytes: number;
}

/** What a reply weighs besides its bytes. */
const REPLY_OVERHEAD = 64;

interface SessionReplies {
  readonly bySequence: Map<number, Reply>;
  bytes: number;
}

function weightOf(reply: Reply): number {
  return REPLY_OVERHEAD + (reply.result?.length ?? 0);
}

export class Replies {
  readonly #limits: ReplyLimits;
  /** Sessions in the order in which they got their newest reply: the first has been silent longest. */
  readonly #sessions = new Map<number, SessionReplies>();
  #bytes = 0;

  constructor(limits: ReplyLimits = LIMITS) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined where it was never known here, or was dropped. */
  get(session: number, sequence: number): Reply | undefined {
    return this.#sessions.get(session)?.bySequence.get(sequence);
  }

  /** Those of the session that was silent longest come first. */
  *all(): Generator<{ readonly session: number; readonly sequence: number; readonly reply: Reply }> {
    for (const [session, { bySequence }] of this.#sessions)
      for (const [sequence, reply] of bySequence) yield { session, sequence, reply };
  }

  /** Keeps a reply; the session's client has the answers of everything below `ackBelow`. */
  add(session: number, sequence: number, result: Uint8Array | undefined, ackBelow: number): void {
    const replies = this.#newest(session);
    this.#drop(replies, sequence);
    const { sessionReplies, sessionReplyBytes, sessionRepliesBytes } = this.#limits;
    if ((result?.length ?? 0) <= sessionReplyBytes) {
      // A view would keep the whole frame that it came in.
      const reply = { result: result === undefined ? undefined : Uint8Array.prototype.slice.call(result) };
      replies.bySequence.set(sequence, reply);
      replies.bytes += weightOf(reply);
      this.#bytes += weightOf(reply);
    }
    for (const old of replies.bySequence.keys()) {
      if (old >= ackBelow && replies.bySequence.size <= sessionReplies) break;
      this.#drop(replies, old);
    }
    while (this.#bytes > sessionRepliesBytes) this.#dropOldest();
  }

  #newest(session: number): SessionReplies {
    const replies = this.#sessions.get(session) ?? { bySequence: new Map<number, Reply>(), bytes: 0 };
    this.#sessions.delete(session);
    this.#sessions.set(session, replies);
    return replies;
  }

  #drop(replies: SessionReplies, sequence: number): void {
    const reply = replies.bySequence.get(sequence);
    if (reply === undefined) return;
    replies.bySequence.delete(sequence);
    replies.bytes -= weightOf(reply);
    this.#bytes -= weightOf(reply);
  }

  #dropOldest(): void {
    for (const [session, replies] of this.#sessions) {
      const [sequence] = replies.bySequence.keys();
      if (sequence === undefined) {
        this.#sessions.delete(session);
        continue;
      }
      this.#drop(replies, sequence);
      return;
    }
  }

  /** The session ended: nobody may ask any more. */
  end(session: number): void {
    const replies = this.#sessions.get(session);
    if (replies === undefined) return;
    this.#sessions.delete(session);
    this.#bytes -= replies.bytes;
  }
}
