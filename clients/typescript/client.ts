/**
 * A client of an Outrigger cluster: proposals, reads and sessions over the app socket of any of its nodes, or of a gateway.
 *
 * MUST: never send a proposal without a session again once its outcome is unknown; never go back in time with
 * `readMonotonic`.
 */
import { type Address, placeOf } from './address.ts';
import { Dispatcher } from './dispatcher.ts';
import { definite, indefinite, OutriggerError } from './errors.ts';
import { type Answer, base64 } from './frames.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { Session } from './session.ts';
import {
  bytesOf,
  type Command,
  type ConnectOptions,
  type Proposed,
  type ProposeOptions,
  proposedOf,
  type ReadIndex,
  type ReadOptions,
} from './shapes.ts';

/** Connects to one of these nodes. Throws Definite when none welcomes us in time. */
export async function connect(addresses: readonly Address[], options: ConnectOptions = {}): Promise<Client> {
  const client = new Client(addresses, options);
  try {
    await client.ready(options.timeoutMs);
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

type AnswerOf<Name extends Answer['name']> = Extract<Answer, { name: Name }> & { readonly from: string };

export class Client {
  readonly #dispatcher: Dispatcher;

  /** Dials when it is first used; `connect` waits for that. */
  constructor(
    addresses: readonly Address[],
    { app = 'outrigger-client', shuffle = true, limits }: ConnectOptions = {},
  ) {
    if (addresses.length === 0) throw definite('BAD_REQUEST', 'a client needs the address of a node');
    const places = addresses.map(placeOf);
    const order = shuffle ? shuffled(places) : places;
    this.#dispatcher = new Dispatcher(order, app, { ...CLIENT_LIMITS, ...limits });
  }

  /** The node that requests go to now. */
  get node(): string | undefined {
    return this.#dispatcher.node;
  }

  /** Who leads, as far as this client was told. */
  get leader(): string | undefined {
    return this.#dispatcher.leader;
  }

  /** The highest index of any answer so far: hand it to whoever must see what this client has seen. */
  get highestIndex(): number {
    return this.#dispatcher.highestIndex;
  }

  /** Resolves when a node has welcomed us. */
  async ready(timeoutMs?: number): Promise<void> {
    await this.#ask(undefined, 'pong', timeoutMs, () => ({}));
  }

  /**
   * Proposes a command, once. Throws Definite when it did not and will not happen, Indefinite when nobody knows: then this
   * client does not try again, since it could happen twice. A session can.
   */
  async propose(command: Command, { timeoutMs, wait = 'APPLIED' }: ProposeOptions = {}): Promise<Proposed> {
    const bytes = bytesOf(command);
    const fields = { command: base64(bytes), ...(wait === 'APPLIED' ? {} : { wait }) };
    const answer = await this.#ask(
      'propose',
      'proposed',
      timeoutMs,
      (ms) => ({ ...fields, timeoutMs: ms }),
      bytes.length,
    );
    return proposedOf(answer, answer.from);
  }

  /** Waits until the app beside the node that answers may be read with this consistency. Tried again, at any node, until the deadline. */
  async read({ consistency, atLeast, timeoutMs }: ReadOptions = {}): Promise<ReadIndex> {
    const asked = consistency ?? (atLeast === undefined ? 'LINEARIZABLE' : 'AT_LEAST');
    if (asked !== 'AT_LEAST' && atLeast !== undefined)
      throw definite('BAD_REQUEST', `a read with ${asked} takes no index: say AT_LEAST`);
    const index = asked === 'AT_LEAST' ? { index: atLeast ?? this.highestIndex } : {};
    const answer = await this.#ask('read', 'readReady', timeoutMs, (ms) => ({
      consistency: asked,
      ...index,
      timeoutMs: ms,
    }));
    return { index: answer.index, node: answer.from };
  }

  /** A read that sees everything this client has seen, at whichever node. */
  readMonotonic({ timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<ReadIndex> {
    return this.read({ consistency: 'AT_LEAST', ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  /** Opens a session that ends by itself when nobody kept it alive for `ttlMs`. It is kept alive until it is closed. */
  async session({
    ttlMs,
    timeoutMs,
  }: {
    readonly ttlMs?: number;
    readonly timeoutMs?: number;
  } = {}): Promise<Session> {
    const { limits } = this.#dispatcher;
    const ttl = Math.round(Math.min(ttlMs ?? limits.ttlMs, limits.ttlMaxMs));
    const { session } = await this.#ask('openSession', 'sessionOpened', timeoutMs, () => ({ ttlMs: ttl }));
    return new Session(session, ttl, this.#dispatcher);
  }

  /** Ends everything at once: calls that wait fail, sessions that were not closed end when their time is over. */
  close(): void {
    this.#dispatcher.close();
  }

  #ask<Name extends Answer['name']>(
    request: string | undefined,
    expected: Name,
    timeoutMs: number | undefined,
    fields: (timeoutMs: number) => Readonly<Record<string, unknown>>,
    bytes = 0,
  ): Promise<AnswerOf<Name>> {
    return new Promise((resolve, reject) => {
      this.#dispatcher.submit({
        request,
        fields,
        once: request === 'propose',
        timeoutMs,
        bytes,
        done: (outcome, from) => {
          if (outcome instanceof OutriggerError) reject(outcome);
          else if (outcome.name === expected) resolve({ ...outcome, from } as AnswerOf<Name>);
          else reject(indefinite('INTERNAL', `the node answered ${request} with ${outcome.name}`));
        },
      });
    });
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  const rest = [...items];
  for (let at = rest.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [rest[at], rest[other]] = [rest[other] as T, rest[at] as T];
  }
  return rest;
}
