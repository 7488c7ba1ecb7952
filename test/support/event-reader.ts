/** Reads one `/v1/events` stream in tests: keeps every event it got, and waits for the one that is wanted. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { createParser } from 'eventsource-parser';
import type { RaftEvent } from '../../shared/events.ts';

export interface ReaderOptions {
  readonly token: string;
  readonly since?: string;
  readonly lastEventId?: string;
}

export class EventReader {
  readonly response: IncomingMessage;
  readonly #request: ClientRequest;
  readonly events: RaftEvent[] = [];
  /** The `id:` line of the newest event, '' before the first. */
  lastId = '';
  comments = 0;
  retryMs: number | undefined;
  /** Resolves when the stream has ended, whoever ended it. */
  readonly closed: Promise<void>;
  #isClosed = false;
  #waiting: (() => void)[] = [];

  private constructor(sent: ClientRequest, response: IncomingMessage) {
    this.#request = sent;
    this.response = response;
    const parser = createParser({
      onEvent: ({ id, data }) => {
        this.lastId = id ?? '';
        this.events.push(JSON.parse(data));
      },
      onRetry: (ms) => {
        this.retryMs = ms;
      },
      onComment: () => {
        this.comments++;
      },
    });
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      parser.feed(text);
      this.#news();
    });
    // Being cut off is one of the ways in which a stream ends; `closed` tells.
    response.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      response.once('close', () => {
        this.#isClosed = true;
        this.#news();
        resolve();
      });
    });
  }

  /** Resolves when the answer's headers are here. `base` is the sidecar's HTTP base URL. */
  static open(base: string, { token, since, lastEventId }: ReaderOptions): Promise<EventReader> {
    const url = new URL(`/v1/events${since === undefined ? '' : `?since=${since}`}`, base);
    const headers = {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    };
    return new Promise((resolve, reject) => {
      const sent = request(url, { headers, agent: false });
      sent.once('error', reject);
      sent.once('response', (response) => {
        sent.on('error', () => undefined);
        resolve(new EventReader(sent, response));
      });
      sent.end();
    });
  }

  header(name: string): string {
    return String(this.response.headers[name.toLowerCase()] ?? '');
  }

  get seqs(): number[] {
    return this.events.map(({ seq }) => seq);
  }

  /** Resolves with the first event, of all since the beginning, that `wanted` accepts. Rejects when the stream ends before. */
  async find(wanted: (event: RaftEvent) => boolean): Promise<RaftEvent> {
    for (;;) {
      const found = this.events.find(wanted);
      if (found !== undefined) return found;
      await this.#more();
    }
  }

  /** Resolves when `holds` does, looked at whenever something came. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#more();
  }

  #more(): Promise<void> {
    if (this.#isClosed) {
      const seen = this.events.map(({ seq, kind, cause }) => `${seq} ${kind} ${cause}`).join(', ');
      return Promise.reject(new Error(`the stream ended before it came; seen: ${seen}`));
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #news(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Cuts the connection, as a network would. */
  async cut(): Promise<void> {
    this.#request.destroy();
    await this.closed;
  }
}
