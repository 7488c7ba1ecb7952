/**
 * The conversation with the host: the ready handshake, snapshots and deltas, resync, requests with their answers.
 *
 * MUST: check everything that comes in; ask for one snapshot at a time; answer every request, if only with a sentence.
 * MUST NOT: touch the DOM, so that tests run it anywhere.
 */
import type { PanelMethod, PanelMethods } from '../../shared/panel-protocol.ts';
import type { Guard } from './guards.ts';
import type { Host } from './host/host.ts';
import { isEntryDetails, isExplanation, readMessage } from './incoming.ts';
import { advance, type PanelState } from './store.ts';
import { text } from './strings.ts';

export const CONNECTION_LIMITS = {
  /** Requests that wait for an answer. Over it: refused at once. */
  requests: 32,
  /** From request to answer, ms. Over it: the request fails with a sentence; a later answer is dropped. */
  requestMs: 10_000,
  /** From asking for a snapshot to asking again, ms, should none come. */
  resyncMs: 2_000,
} as const;

const isNull: Guard<null> = (value): value is null => value === null;
const RESULTS: { readonly [M in PanelMethod]: Guard<PanelMethods[M]['result']> } = {
  openLog: isNull,
  compare: isNull,
  entry: isEntryDetails,
  explain: isExplanation,
};

interface Waiting {
  take(result: unknown): void;
  fail(message: string): void;
}

export class Connection {
  /** What is known; undefined until the first snapshot. */
  state: PanelState | undefined;
  /** One sentence when the host says things that cannot be read; '' otherwise. */
  fault = '';
  /** When the newest snapshot or delta came, on the clock of `performance.now`. */
  receivedAt: number | undefined;
  readonly #host: Host;
  readonly #changed: () => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #resync: ReturnType<typeof setTimeout> | undefined;

  /** `changed` is called after each message that changed `state` or `fault`. */
  constructor(host: Host, changed: () => void) {
    this.#host = host;
    this.#changed = changed;
  }

  start(): void {
    this.#host.listen((message) => this.#receive(message));
    this.#host.post({ type: 'ready' });
  }

  /** Asks for a snapshot, unless one is on its way. What was posted to a hidden page may be lost. */
  resync(): void {
    if (this.#resync !== undefined) return;
    this.#host.post({ type: 'resync' });
    this.#resync = setTimeout(() => {
      this.#resync = undefined;
    }, CONNECTION_LIMITS.resyncMs);
  }

  /** Asks the host. Rejects with an Error whose message is one sentence for the reader. */
  request<M extends PanelMethod>(
    method: M,
    params: PanelMethods[M]['params'],
  ): Promise<PanelMethods[M]['result']> {
    if (this.#waiting.size >= CONNECTION_LIMITS.requests) {
      return Promise.reject(new Error(text('requestsFull')));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    const check: Guard<PanelMethods[M]['result']> = RESULTS[method];
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(id);
      };
      const fail = (message: string) => {
        end();
        reject(new Error(message));
      };
      const timer = setTimeout(() => fail(text('requestTimeout')), CONNECTION_LIMITS.requestMs);
      this.#waiting.set(id, {
        take(result) {
          if (!check(result)) return fail(text('answerUnreadable'));
          end();
          resolve(result);
        },
        fail,
      });
      this.#host.post({ type: 'request', id, method, params });
    });
  }

  /** Ends everything that waits: for tests; the page lives until its frame goes. */
  stop(): void {
    clearTimeout(this.#resync);
    for (const waiting of [...this.#waiting.values()]) waiting.fail(text('requestTimeout'));
  }

  #receive(value: unknown): void {
    const receivedAt = performance.now();
    const message = readMessage(value);
    if (message === undefined) {
      this.fault = text('messageUnreadable');
      this.#changed();
      return;
    }
    if (message.type === 'reply') {
      const waiting = this.#waiting.get(message.id);
      if (message.ok) waiting?.take(message.result);
      else waiting?.fail(message.message);
      return;
    }
    const step = advance(this.state, message);
    if (step.resync) {
      this.resync();
      return;
    }
    if (message.type === 'snapshot') {
      clearTimeout(this.#resync);
      this.#resync = undefined;
      this.fault = '';
    }
    this.state = step.state;
    this.receivedAt = receivedAt;
    this.#changed();
  }
}
