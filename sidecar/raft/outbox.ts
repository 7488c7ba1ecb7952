/**
 * Holds back what may leave only after the disk said done: votes, acknowledgements, vote requests.
 *
 * MUST: release a message only when every write it speaks for is durable, and only while the term in which it was
 * written down still stands. (A log write of an older term may have been truncated since: its acknowledgement would
 * lie.) MAY drop: Raft asks again.
 */
import type { AppendReply, RaftMessage } from '../../shared/messages.ts';

/** Held messages; over it the oldest is dropped. */
const HELD_MESSAGES_MAX = 1024;

interface Held {
  readonly after: number;
  /** Our term when the message was made. */
  readonly term: number;
  readonly message: RaftMessage;
}

export class Outbox {
  #held: Held[] = [];

  hold(message: RaftMessage, after: number, term: number): void {
    if (this.#held.length >= HELD_MESSAGES_MAX) this.#held.shift();
    this.#held.push({ after, term, message });
  }

  /** The messages that `durable` sets free, in order. Of several acknowledgements to one leader only the last counts. */
  release(durable: number, term: number): RaftMessage[] {
    if (this.#held.length === 0) return [];
    const free: RaftMessage[] = [];
    const kept: Held[] = [];
    for (const held of this.#held) {
      if (held.term !== term) continue;
      if (held.after > durable) kept.push(held);
      else free.push(held.message);
    }
    this.#held = kept;
    return free.length > 1 ? withoutOvertaken(free) : free;
  }
}

function withoutOvertaken(messages: readonly RaftMessage[]): RaftMessage[] {
  let newest: AppendReply | undefined;
  for (const message of messages) {
    if (message.type !== 'AppendReply' || !message.ok) continue;
    if (newest === undefined || message.index >= newest.index) newest = message;
  }
  return messages.filter((message) => message.type !== 'AppendReply' || !message.ok || message === newest);
}
