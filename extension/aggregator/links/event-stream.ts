/**
 * One connection to `/v1/events`: server-sent events in, checked events out.
 *
 * MUST: resume after the event that was seen last (the sidecar numbers them within a generation); read no faster than
 * `eventsPerWindow`, so that a flood waits in the sidecar and not here; end once, with the reason.
 * MUST NOT: reconnect (the link does).
 */
import type { IncomingMessage } from 'node:http';
import { createParser } from 'eventsource-parser';
import { EVENT_HEADERS, type RaftEvent } from '../../../shared/events.ts';
import { parseEvent } from '../../../shared/inspect-schema.ts';
import { AGGREGATOR_LIMITS } from '../limits.ts';
import { refusalText } from './answers.ts';
import { collect, requestTo, unreached, watchConnection } from './request.ts';
import type { TlsOptions } from './secure.ts';

/** The event seen last. */
export interface Position {
  readonly generation: string;
  readonly seq: number;
}

/** LOST: the connection ended or never stood. The others: it answers, and not what we need. */
export interface StreamEnd {
  readonly state: 'LOST' | 'UNAUTHORIZED' | 'INCOMPATIBLE';
  readonly reason: string;
}

export interface StreamOptions {
  readonly base: string;
  readonly token: string;
  /** For an https:// address. */
  readonly tls: TlsOptions;
  readonly after: Position | undefined;
  /** The headers must come within this, ms. */
  readonly openMs: number;
  /** Nothing of the answer is read before this; the node's own events follow. */
  readonly onOpen: (generation: string) => void;
  /** `event` is absent where its kind is of a later version. */
  readonly onEvent: (position: Position, event: RaftEvent | undefined) => void;
  /** Once, unless `close` was called. */
  readonly onEnd: (end: StreamEnd) => void;
}

export interface EventStream {
  close(): void;
}

const GENERATION = /^[\x21-\x7e]{1,128}$/;

export function openEventStream(options: StreamOptions): EventStream {
  const { base, token, after } = options;
  const outgoing = requestTo(base)(new URL('/v1/events', base), {
    ...options.tls,
    // It lives long: a connection of its own.
    agent: false,
    headers: {
      Accept: 'text/event-stream',
      Authorization: `Bearer ${token}`,
      ...(after === undefined ? {} : { 'Last-Event-ID': `${after.generation}-${after.seq}` }),
    },
  });
  const connected = watchConnection(outgoing);
  let ended = false;
  const end = (reason: StreamEnd | undefined) => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    outgoing.destroy();
    if (reason !== undefined) options.onEnd(reason);
  };
  const timer = setTimeout(
    () => end({ state: 'LOST', reason: `its event stream did not open within ${options.openMs / 1000} s` }),
    options.openMs,
  );
  outgoing.on('error', (error) =>
    end({ state: 'LOST', reason: unreached(base, error, outgoing, connected()).message }),
  );
  outgoing.on('response', (incoming) => {
    clearTimeout(timer);
    // Also where nothing more is read of it, its end must not be an unheard error.
    incoming.on('error', () => end({ state: 'LOST', reason: 'its event stream broke off' }));
    if (incoming.statusCode === 200) follow(incoming, options, end);
    else refuse(incoming, end);
  });
  outgoing.end();
  return { close: () => end(undefined) };
}

function refuse(incoming: IncomingMessage, end: (reason: StreamEnd) => void): void {
  const status = incoming.statusCode ?? 0;
  const state = status === 401 || status === 403 ? 'UNAUTHORIZED' : status >= 500 ? 'LOST' : 'INCOMPATIBLE';
  collect(
    incoming,
    AGGREGATOR_LIMITS.errorBytes,
    (failure) => end({ state: 'LOST', reason: failure.message }),
    (body) => end({ state, reason: `its event stream answered ${refusalText(status, body)}` }),
  );
}

function follow(
  incoming: IncomingMessage,
  { onOpen, onEvent }: StreamOptions,
  end: (reason: StreamEnd) => void,
): void {
  const generation = incoming.headers[EVENT_HEADERS.generation.toLowerCase()];
  const type = incoming.headers['content-type'] ?? '';
  if (
    typeof generation !== 'string' ||
    !GENERATION.test(generation) ||
    !/^text\/event-stream\b/i.test(type)
  ) {
    end({ state: 'INCOMPATIBLE', reason: 'its event stream is not one of this protocol' });
    return;
  }
  const pace = new Pace(incoming);
  const incompatible = (reason: string) => end({ state: 'INCOMPATIBLE', reason });
  let usable = true;
  const spoil = (reason: string) => {
    usable = false;
    incompatible(reason);
  };
  const parser = createParser({
    maxBufferSize: AGGREGATOR_LIMITS.eventChars,
    onEvent: ({ data }) => {
      if (!usable) return;
      pace.count();
      const parsed = parseEvent(readJson(data));
      if ('problem' in parsed) spoil(`an event of it cannot be read (${parsed.problem})`);
      else onEvent({ generation, seq: parsed.seq }, parsed.event);
    },
    onError: ({ type: kind }) => {
      if (kind === 'max-buffer-size-exceeded') {
        spoil(`an event of it is longer than ${AGGREGATOR_LIMITS.eventChars} characters`);
      }
    },
  });
  incoming.setEncoding('utf8');
  onOpen(generation);
  incoming.on('data', (text: string) => {
    if (usable) parser.feed(text);
  });
  incoming.on('end', () => end({ state: 'LOST', reason: 'it closed its event stream' }));
  incoming.on('close', () => {
    pace.stop();
    end({ state: 'LOST', reason: 'its event stream ended' });
  });
}

/** Undefined where it is not JSON: the schema then says that it is no event. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Stops reading for the rest of a window in which too many events came. */
class Pace {
  readonly #incoming: IncomingMessage;
  #windowEnds = 0;
  #events = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
  }

  count(): void {
    const now = performance.now();
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + AGGREGATOR_LIMITS.eventWindowMs;
      this.#events = 0;
    }
    this.#events += 1;
    if (this.#events < AGGREGATOR_LIMITS.eventsPerWindow || this.#timer !== undefined) return;
    this.#incoming.pause();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#incoming.resume();
    }, this.#windowEnds - now);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
