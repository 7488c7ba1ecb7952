/**
 * `GET /v1/events` as server-sent events: one stream per reader, each with its own place in the ring of events.
 *
 * MUST: write once per turn of the loop, not per event; never wait for a reader (what it has not taken stays in the ring,
 * and whoever falls out of the ring, or takes nothing for too long, is cut off and can resume); say something now and
 * then, so that a dead link is noticed; end when the server stops.
 */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { refusal } from '../../shared/codes.ts';
import { EVENT_HEADERS, type RaftEvent } from '../../shared/events.ts';
import { LIMITS } from '../../shared/limits.ts';
import { HttpRefusal } from './answers.ts';
import type { EventFeed } from './host.ts';
import { badRequest, EVENT_ID } from './input.ts';

export interface StreamTimes {
  readonly keepAliveMs: number;
  readonly stallMs: number;
}

const TIMES: StreamTimes = {
  keepAliveMs: LIMITS.eventStreamKeepAliveMs,
  stallMs: LIMITS.eventStreamStallMs,
};
/** Events looked at for one write; it is cut by bytes as well. */
const EVENTS_PER_WRITE = 512;

/** The sequence after which a stream begins: `Last-Event-ID` (a reader that comes back), else `since`, else the oldest. */
export function startAfter(feed: EventFeed, since: string | undefined, headers: IncomingHttpHeaders): number {
  const last = headers['last-event-id'];
  if (last !== undefined && (typeof last !== 'string' || !EVENT_ID.test(last))) {
    throw badRequest('Last-Event-ID is the id of an event, GENERATION-SEQ, or a number');
  }
  const [, generation, digits] = EVENT_ID.exec(last ?? since ?? '0') ?? [];
  const seq = Number(digits);
  // Of another run of the process, as is a number that we have not reached: there is nothing after it to continue with.
  const foreign = (generation !== undefined && generation !== feed.generation) || seq > feed.last;
  return foreign ? 0 : seq;
}

/** What is written for one event. */
export function eventText(event: RaftEvent, generation: string): string {
  return `id: ${generation}-${event.seq}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** All open streams of a server. */
export class EventStreams {
  readonly #open = new Set<EventStream>();
  readonly #times: StreamTimes;
  #ended = false;

  constructor(times: StreamTimes = TIMES) {
    this.#times = times;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Answers with the events after `after`, and then with each new one. Throws HttpRefusal. */
  begin(feed: EventFeed, response: ServerResponse, after: number, headersOnly: boolean): void {
    if (this.#ended) throw new HttpRefusal(refusal('SHUTTING_DOWN', 'this sidecar is stopping'));
    if (!headersOnly && this.#open.size >= LIMITS.eventStreams) {
      const message = `${LIMITS.eventStreams} event streams are open already`;
      throw new HttpRefusal(refusal('OVERLOADED', message, { retryAfterMs: LIMITS.eventStreamRetryMs }));
    }
    response.statusCode = 200;
    response.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
    response.setHeader(EVENT_HEADERS.generation, feed.generation);
    response.setHeader(EVENT_HEADERS.first, feed.first);
    response.setHeader(EVENT_HEADERS.last, feed.last);
    if (headersOnly) {
      response.end();
      return;
    }
    const stream = new EventStream(feed, response, after, this.#times);
    this.#open.add(stream);
    response.once('close', () => {
      this.#open.delete(stream);
      stream.closed();
    });
  }

  /** Ends every stream after what was recorded so far; none begins any more. */
  end(): void {
    this.#ended = true;
    for (const stream of this.#open) stream.end();
  }
}

class EventStream {
  readonly #feed: EventFeed;
  readonly #response: ServerResponse;
  readonly #stallMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #stopListening: () => void;
  /** The next event to write. */
  #next: number;
  #scheduled = false;
  #ended = false;
  /** Since when what was written waits to be taken; undefined while nothing does. */
  #waitingSince: number | undefined;

  constructor(feed: EventFeed, response: ServerResponse, after: number, times: StreamTimes) {
    this.#feed = feed;
    this.#response = response;
    this.#stallMs = times.stallMs;
    this.#next = Math.max(after + 1, feed.first);
    this.#timer = setInterval(() => this.#keepAlive(), times.keepAliveMs);
    this.#stopListening = feed.listen(() => this.#wake());
    response.on('drain', () => {
      this.#waitingSince = undefined;
      this.#wake();
    });
    this.#write(`retry: ${LIMITS.eventStreamRetryMs}\n\n`);
    this.#wake();
  }

  /** Everything recorded in this turn of the loop leaves in one write. */
  #wake(): void {
    if (this.#scheduled || this.#ended || this.#waitingSince !== undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#ended) this.#pump();
    });
  }

  #pump(): void {
    while (this.#waitingSince === undefined && this.#next <= this.#feed.last) {
      if (this.#feed.first > this.#next) {
        // Others events took the place of those it has not got: it resumes, and sees the gap.
        this.#cut();
        return;
      }
      this.#write(this.#batch());
    }
  }

  #batch(): string {
    let text = '';
    for (const event of this.#feed.since(this.#next - 1, EVENTS_PER_WRITE)) {
      const one = eventText(event, this.#feed.generation);
      if (text !== '' && text.length + one.length > LIMITS.eventStreamBytes) break;
      text += one;
      this.#next = event.seq + 1;
    }
    return text;
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#waitingSince ??= performance.now();
  }

  #keepAlive(): void {
    if (this.#waitingSince === undefined) this.#write(': still here\n\n');
    else if (performance.now() - this.#waitingSince >= this.#stallMs) this.#cut();
  }

  #cut(): void {
    this.#ended = true;
    this.#response.destroy();
  }

  end(): void {
    if (this.#ended) return;
    this.#pump();
    this.#ended = true;
    // A reader that takes nothing would hold up the end.
    if (this.#waitingSince === undefined) this.#response.end();
    else this.#response.destroy();
  }

  /** The connection is gone. */
  closed(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#stopListening();
  }
}
