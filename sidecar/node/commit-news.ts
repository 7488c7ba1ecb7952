/**
 * Holds commit news back for a moment: heartbeats of round 0, by which the core tells a follower of a commit at once.
 *
 * A message costs a system call and a wake-up on each side, and most news is overtaken by the next append. So news goes
 * at once only to a follower whose own clients wait for that commit (it forwarded their commands); others learn it with
 * the next append, or at the next tick.
 *
 * MUST: hold at most one message per follower, and never one that a later message makes wrong. (Delay is all it adds:
 * the core counts on no message to arrive.)
 */
import type { Heartbeat, RaftMessage } from '../../shared/messages.ts';

export class CommitNews {
  readonly #held = new Map<string, Heartbeat>();
  /** Highest index that a follower's clients wait for. */
  readonly #awaited = new Map<string, number>();

  /** Clients of `follower` wait for everything up to `index`. */
  awaits(follower: string, index: number): void {
    this.#awaited.set(follower, index);
  }

  /** Followers whose clients wait for an index up to `durable`, and that are told now. */
  takeAwaitedUpTo(durable: number): string[] {
    if (this.#awaited.size === 0) return [];
    const followers: string[] = [];
    for (const [follower, index] of this.#awaited) if (index <= durable) followers.push(follower);
    for (const follower of followers) this.#awaited.delete(follower);
    return followers;
  }

  /** True when `message` is news that can wait; it is held then. */
  holds(message: RaftMessage): boolean {
    if (message.type !== 'Heartbeat' || message.round !== 0 || message.durable !== 0) {
      // Appends and heartbeats carry the commit index themselves.
      if (this.#held.size > 0) this.#held.delete(message.to);
      return false;
    }
    const awaited = this.#awaited.get(message.to);
    if (awaited !== undefined) {
      if (message.commit >= awaited) this.#awaited.delete(message.to);
      return false;
    }
    this.#held.set(message.to, message);
    return true;
  }

  /** What was held back; it must leave now. */
  take(): Heartbeat[] {
    if (this.#held.size === 0) return [];
    const news = [...this.#held.values()];
    this.#held.clear();
    return news;
  }
}
