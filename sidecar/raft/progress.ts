/**
 * A follower (or learner) as its leader sees it: how far its log is known to match, and what is on its way.
 *
 * PROBE      we do not know where the logs meet: one append at a time.
 * REPLICATE  we know: appends are pipelined within the window.
 * SNAPSHOT   it needs entries we no longer have: it is offered a snapshot, and no appends are sent (snapshots.ts).
 */
import type { ClockRate } from './clock-rate.ts';

export type ProgressState = 'PROBE' | 'REPLICATE' | 'SNAPSHOT';

/** What a voter has promised with its answer to a heartbeat (lease.ts). */
export interface LeasePromise {
  readonly round: number;
  /** When that round, or one before it, was begun: on our monotonic and on our wall clock. */
  readonly sentAt: number;
  readonly sentWall: number;
  /** 0: nothing. */
  readonly ms: number;
}

interface Inflight {
  readonly last: number;
  readonly bytes: number;
}

export class Progress {
  readonly id: string;
  state: ProgressState = 'PROBE';
  /** Highest index known to be durable there. Invariant: 0 ≤ match < next. */
  match = 0;
  /** Next index to send. */
  next: number;
  /** PROBE: an append is out and not answered; wait for a reply or a heartbeat reply. */
  probing = false;
  /** PROBE: when the last append was sent; -Infinity before the first. */
  probedAt = Number.NEGATIVE_INFINITY;
  /** Entries from this index are being read from our disk for it; 0 when none are. */
  fetching = 0;
  /** SNAPSHOT: the one it is offered, and when that was said last; 0 while we have none. */
  snapshot = 0;
  offeredAt = Number.NEGATIVE_INFINITY;
  /** The one that it installed, until appends fit behind it; 0: none. */
  restored = 0;
  /** The entry that leaves it out; 0 while it is a member. It is told of that, and then of nothing more. */
  leaving = 0;
  leavingSince = 0;
  /** Highest commit index that it was told. */
  commitSent = 0;
  /** Highest confirmation round it answered. */
  round = 0;
  /** When it last answered anything; when we became leader, while it has not in this term. */
  lastContact: number;
  /** It has answered in this term. */
  answered = false;
  /** It has not answered for an election timeout (timing.ts says so once). */
  silent = false;
  /** When it last acknowledged entries, or we last became sure that none are lost. */
  lastAck: number;
  /** How far its app said it is, and what it said it has committed. */
  applied = 0;
  commit = 0;
  /** False once it said that it should not lead. */
  fit = true;
  /** Its newest promise; undefined before the first, and where leases are off. */
  promise: LeasePromise | undefined;
  clockRate: ClockRate | undefined;
  #inflight: Inflight[] = [];
  #inflightBytes = 0;

  constructor(id: string, next: number, now: number) {
    this.id = id;
    this.next = next;
    this.lastContact = Number.NEGATIVE_INFINITY;
    this.lastAck = now;
  }

  get inflightBytes(): number {
    return this.#inflightBytes;
  }

  get inflightAppends(): number {
    return this.#inflight.length;
  }

  sent(last: number, bytes: number): void {
    this.#inflight.push({ last, bytes });
    this.#inflightBytes += bytes;
    this.next = last + 1;
  }

  windowIsFull(maxAppends: number, maxBytes: number): boolean {
    return this.#inflight.length >= maxAppends || this.#inflightBytes >= maxBytes;
  }

  /** It has everything through `index`. */
  acknowledge(index: number, now: number): void {
    this.lastAck = now;
    let arrived = 0;
    for (const append of this.#inflight) {
      if (append.last > index) break;
      this.#inflightBytes -= append.bytes;
      arrived++;
    }
    if (arrived > 0) this.#inflight.splice(0, arrived);
    if (index <= this.match) return;
    this.match = index;
    if (this.next <= index) this.next = index + 1;
  }

  becomeReplicate(): void {
    this.state = 'REPLICATE';
    this.restored = 0;
    this.probing = false;
    this.next = this.match + 1;
    this.#forgetInflight();
  }

  becomeSnapshot(): void {
    this.state = 'SNAPSHOT';
    this.probing = false;
    this.fetching = 0;
    this.snapshot = 0;
    this.#forgetInflight();
  }

  /** Starts over at `next`; what was on its way is forgotten. */
  becomeProbe(next: number): void {
    this.state = 'PROBE';
    this.probing = false;
    this.fetching = 0;
    this.snapshot = 0;
    this.next = Math.max(next, this.match + 1);
    this.#forgetInflight();
  }

  #forgetInflight(): void {
    this.#inflight = [];
    this.#inflightBytes = 0;
  }
}
