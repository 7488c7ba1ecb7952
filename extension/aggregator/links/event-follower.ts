/**
 * Keeps the event stream of one sidecar open while it answers, resumed where it was.
 *
 * MUST: open one stream at a time; after an end wait with growing pauses; start anew when the process behind it is another
 * (its generation says so). It is driven by the status: `follow` is called at each good answer.
 */
import type { RaftEvent } from '../../../shared/events.ts';
import { InspectError } from '../contract.ts';
import type { Timing } from '../limits.ts';
import { LinkFault } from './answers.ts';
import { type EventStream, openEventStream, type Position, type StreamEnd } from './event-stream.ts';
import { type TlsOptions, type Trust, tlsOptionsFor } from './secure.ts';
import type { TokenSource } from './tokens.ts';

export interface FollowerListener {
  onEvent(position: Position, event: RaftEvent | undefined): void;
  /** `fault` or `reason` changed. */
  onFault(): void;
  onBug(error: unknown): void;
}

/** Where the events are. */
export interface Followed extends Trust {
  readonly http: string;
  readonly tokens: TokenSource;
}

export class EventFollower {
  readonly #timing: Timing;
  readonly #listener: FollowerListener;
  #stream: EventStream | undefined;
  /** Of the process that the open stream talks to; '' before it has said so. */
  #generation = '';
  /** Of the process that `fault` is about. */
  #faultGeneration = '';
  #position: Position | undefined;
  #opening: object | undefined;
  #retryMs: number;
  #retryAt = 0;
  #fault: LinkFault | undefined;
  #reason = '';
  #proof: NodeJS.Timeout | undefined;

  constructor(timing: Timing, listener: FollowerListener) {
    this.#timing = timing;
    this.#listener = listener;
    this.#retryMs = timing.retryMinMs;
  }

  /** Why the events cannot be had at all (no token, not of this protocol); undefined otherwise. */
  get fault(): LinkFault | undefined {
    return this.#fault;
  }

  /** Why none come now; '' when they do. */
  get reason(): string {
    return this.#fault?.message ?? this.#reason;
  }

  /** The process of `generation` answers at `target`: makes sure that its events are followed. */
  follow(target: Followed, generation: string): void {
    if (this.#generation !== '' && this.#generation !== generation) {
      this.close();
      this.#retryAt = 0;
    }
    if (this.#fault !== undefined && this.#faultGeneration !== generation) this.#retryAt = 0;
    if (this.#stream !== undefined || this.#opening !== undefined || performance.now() < this.#retryAt)
      return;
    const opening = {};
    this.#opening = opening;
    this.#faultGeneration = generation;
    this.#open(target, () => this.#opening !== opening)
      .catch((error: unknown) => this.#listener.onBug(error))
      .finally(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
  }

  /** Closes the stream; a later `follow` resumes after the last event. */
  close(): void {
    this.#opening = undefined;
    clearTimeout(this.#proof);
    this.#stream?.close();
    this.#stream = undefined;
    this.#generation = '';
  }

  async #open(target: Followed, outdated: () => boolean): Promise<void> {
    const { http: base, tokens } = target;
    let token: string;
    let tls: TlsOptions;
    try {
      token = await tokens.read('view');
      tls = await tlsOptionsFor(base, target);
    } catch (error) {
      if (!(error instanceof InspectError)) throw error;
      if (!outdated()) this.#ended({ state: 'UNAUTHORIZED', reason: error.message });
      return;
    }
    if (outdated()) return;
    this.#stream = openEventStream({
      base,
      token,
      tls,
      after: this.#position,
      openMs: this.#timing.requestMs,
      onOpen: (generation) => {
        this.#generation = generation;
        if (this.#fault?.state === 'UNAUTHORIZED') this.#clear();
        // A stream that stays open for a while is one of this protocol, also where nothing happens in it.
        else if (this.#fault !== undefined)
          this.#proof = setTimeout(() => this.#clear(), this.#timing.retryMaxMs);
      },
      onEvent: (position, event) => {
        this.#position = position;
        this.#retryMs = this.#timing.retryMinMs;
        if (this.#fault !== undefined) this.#clear();
        this.#listener.onEvent(position, event);
      },
      onEnd: (end) => this.#ended(end),
    });
    this.#reason = '';
  }

  #clear(): void {
    clearTimeout(this.#proof);
    this.#fault = undefined;
    this.#listener.onFault();
  }

  #ended({ state, reason }: StreamEnd): void {
    clearTimeout(this.#proof);
    this.#stream = undefined;
    this.#generation = '';
    this.#retryAt = performance.now() + this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, this.#timing.retryMaxMs);
    this.#reason = reason;
    if (state !== 'LOST') this.#fault = new LinkFault(state, reason);
    this.#listener.onFault();
  }
}
