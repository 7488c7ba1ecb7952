/**
 * One client of the gateway, as its connection to the app socket (or to HTTP) sees it: its requests become tickets.
 *
 * MUST: bound what the client has open, by its own limits and by what all clients together leave free, so that no crowd takes
 * the last place; keep no more memory than a command needs.
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { LIMITS } from '../../shared/limits.ts';
import { clippedTtl } from '../../shared/session-ttl.ts';
import type {
  AppHost,
  NodeFacts,
  ProposeRequest,
  ProposeResult,
  ReadRequest,
  SessionRequest,
  SessionResult,
} from '../app/host.ts';
import type { Answer } from './answer.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Ask, Lane, Ticket } from './ticket.ts';
import { Line } from './turns.ts';

export type ClientLimits = {
  readonly [Name in keyof Pick<
    typeof LIMITS,
    | 'gatewayClientBytes'
    | 'gatewayClientRequests'
    | 'gatewayRequestBytes'
    | 'gatewayRequests'
    | 'overloadedRetryMs'
  >]: number;
};

/** What all clients share. */
export interface ClientContext {
  readonly dispatcher: Dispatcher;
  readonly limits: ClientLimits;
  facts(): NodeFacts;
  /** Why nothing is taken now; undefined while the gateway is open. */
  closed(): Refusal | undefined;
  /** A request was refused here, and no replica ever heard of it. */
  refused(kind: Ask['kind'], reason: Refusal): void;
}

const SESSION_KINDS = { OPEN: 'openSession', KEEP: 'keepSession', CLOSE: 'closeSession' } as const;
const NO_LOG =
  'a gateway has no log to deliver: connect a state machine to the app socket of its own replica';

export class Client implements AppHost {
  readonly #context: ClientContext;
  readonly #lines: Readonly<Record<Lane, Line>> = { LEADER: new Line(), ANY: new Line() };
  readonly #open = new Set<Ticket>();
  #bytes = 0;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  facts(): NodeFacts {
    return this.#context.facts();
  }

  propose(request: ProposeRequest, done: (outcome: ProposeResult | Refusal) => void): void {
    const { session, sequence, ackBelow, expectedTerm, wait, timeoutMs } = request;
    const command = ownBytes(request.command);
    const inSession = session === 0 ? {} : { session, sequence, ackBelow };
    this.#ask(
      {
        kind: 'propose',
        lane: 'LEADER',
        repeatable: session !== 0,
        leaderOnly: expectedTerm !== undefined,
        bytes: command.length,
        timeoutMs,
        frame: (id, left) => ({
          type: 'propose',
          id,
          command,
          ...inSession,
          expectedTerm,
          wait,
          timeoutMs: left,
        }),
      },
      done,
      (answer) => (answer.type === 'proposed' ? proposed(answer) : undefined),
    );
  }

  /** One that is opened twice leaves a session behind that nobody uses: it ends by itself. */
  session(request: SessionRequest, done: (outcome: SessionResult | Refusal) => void): void {
    const { act, timeoutMs } = request;
    const kind = SESSION_KINDS[act];
    const base = { kind, lane: 'LEADER', repeatable: true, leaderOnly: false, bytes: 0, timeoutMs } as const;
    if (act === 'OPEN') {
      const { ttlMs } = request;
      this.#ask({ ...base, frame: (id) => ({ type: 'openSession', id, ttlMs }) }, done, (answer) =>
        answer.type === 'sessionOpened'
          ? { session: answer.session, ttlMs: clippedTtl(ttlMs ?? 0) }
          : undefined,
      );
      return;
    }
    const { session } = request;
    const type = act === 'KEEP' ? 'keepSession' : 'closeSession';
    const good = act === 'KEEP' ? 'sessionKept' : 'sessionClosed';
    this.#ask({ ...base, frame: (id) => ({ type, id, session }) }, done, (answer) =>
      answer.type === good ? { session } : undefined,
    );
  }

  read(request: ReadRequest, done: (outcome: { readonly index: number } | Refusal) => void): void {
    const { consistency, index, timeoutMs } = request;
    const lane = consistency === 'STALE' || consistency === 'AT_LEAST' ? 'ANY' : 'LEADER';
    this.#ask(
      {
        ...{ kind: 'read', lane, repeatable: true, leaderOnly: false, bytes: 0, timeoutMs },
        frame: (id, left) => ({ type: 'read', id, consistency, index, timeoutMs: left }),
      },
      done,
      (answer) => (answer.type === 'readReady' ? { index: answer.index } : undefined),
    );
  }

  left(): void {
    this.#context.dispatcher.forget(this.#open, this.#lines);
    this.#open.clear();
    this.#bytes = 0;
  }

  // -------------------------------------------------------------- for state machines only

  plan(): Promise<Refusal> {
    return Promise.resolve(refusal('UNSUPPORTED', NO_LOG));
  }
  committedAfter(): undefined {
    return undefined;
  }
  versionFor(): never {
    throw new Error(NO_LOG);
  }
  decide(): never {
    throw new Error(NO_LOG);
  }
  resumed(): void {
    throw new Error(NO_LOG);
  }
  attached(): number {
    throw new Error(NO_LOG);
  }
  delivered(): void {
    throw new Error(NO_LOG);
  }
  applied(): void {
    throw new Error(NO_LOG);
  }
  stateHash(): void {
    throw new Error(NO_LOG);
  }
  appNews(): void {
    throw new Error(NO_LOG);
  }
  nextEpoch(): number {
    return 0;
  }
  async snapshotBegun(): Promise<Refusal> {
    return refusal('UNSUPPORTED', NO_LOG);
  }
  restoreRefused(): void {
    throw new Error(NO_LOG);
  }
  durableThrough(): void {
    throw new Error(NO_LOG);
  }
  turnedAway(): void {
    // A gateway lets no state machine in: nothing here depends on it.
  }

  // -------------------------------------------------------------- admission

  #ask<T>(
    ask: Omit<Ask, 'done'>,
    done: (outcome: T | Refusal) => void,
    read: (answer: Answer) => T | undefined,
  ): void {
    const { dispatcher, closed, refused } = this.#context;
    const no = closed() ?? this.#noRoom(ask.bytes);
    if (no !== undefined) {
      refused(ask.kind, no);
      done(no);
      return;
    }
    const ticket: Ticket = dispatcher.take(
      {
        ...ask,
        done: (outcome) => {
          this.#open.delete(ticket);
          this.#bytes -= ask.bytes;
          if ('code' in outcome) done(outcome);
          else
            done(read(outcome) ?? refusal('INTERNAL', `a replica answered ${ask.kind} with ${outcome.type}`));
        },
      },
      this.#lines[ask.lane],
    );
    this.#open.add(ticket);
    this.#bytes += ask.bytes;
  }

  #noRoom(bytes: number): Refusal | undefined {
    const { dispatcher, limits } = this.#context;
    const { gatewayClientRequests, gatewayClientBytes, gatewayRequests, gatewayRequestBytes } = limits;
    const overloaded = (message: string) =>
      refusal('OVERLOADED', message, { retryAfterMs: limits.overloadedRetryMs });
    if (this.#open.size >= gatewayClientRequests || this.#bytes + bytes > gatewayClientBytes) {
      return overloaded('this client has as many requests or bytes open as one may have');
    }
    // No more than is still free: one client gets half of all at most, two a third each, and there is always a place left.
    if (this.#open.size >= gatewayRequests - dispatcher.open) {
      return overloaded(`${dispatcher.open} requests wait in this gateway`);
    }
    if (this.#bytes + bytes > gatewayRequestBytes - dispatcher.bytes) {
      return overloaded(`${dispatcher.bytes} bytes of commands wait in this gateway`);
    }
    return undefined;
  }
}

function proposed(answer: Extract<Answer, { type: 'proposed' }>): ProposeResult {
  const { index, term, result, duplicate, resultLost } = answer;
  return {
    index,
    term,
    ...(result === undefined ? {} : { result }),
    ...(duplicate === undefined ? {} : { duplicate }),
    ...(resultLost === undefined ? {} : { resultLost }),
  };
}

/** A command is a view into all that was read with it: where that is much more, it gets memory of its own. */
function ownBytes(command: Uint8Array): Uint8Array {
  return command.buffer.byteLength > 2 * command.length + 1024 ? Uint8Array.from(command) : command;
}
