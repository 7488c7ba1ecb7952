/**
 * The open requests of one connection: admission, ids, and the answers of the node.
 *
 * MUST: answer every request exactly once while the connection lives, and none afterwards.
 * MUST NOT: keep time; the node behind the socket does.
 */
import type {
  CloseSessionFrame,
  KeepSessionFrame,
  OpenSessionFrame,
  ProposeFrame,
  ReadFrame,
  SidecarFrame,
} from '../../shared/app-frames.ts';
import { type Refusal, refusal, sessionProblem } from '../../shared/codes.ts';
import type { AppLimits } from './context.ts';
import type { AppHost, ProposeResult, SessionRequest } from './host.ts';

type SessionFrame = OpenSessionFrame | KeepSessionFrame | CloseSessionFrame;

export class Requests {
  readonly #host: AppHost;
  readonly #limits: AppLimits;
  readonly #send: (frame: SidecarFrame, bytes?: number) => void;
  readonly #idle: () => void;
  readonly #overloaded: () => void;
  readonly #open = new Set<number>();
  /** Sessions opened, kept or used here, the one used last at the end. */
  readonly #sessions = new Set<number>();

  /** `idle` is called whenever the last open request was answered, `overloaded` whenever one was refused as OVERLOADED. */
  constructor(
    host: AppHost,
    limits: AppLimits,
    send: (frame: SidecarFrame, bytes?: number) => void,
    idle: () => void,
    overloaded: () => void = () => undefined,
  ) {
    this.#host = host;
    this.#limits = limits;
    this.#send = send;
    this.#idle = idle;
    this.#overloaded = overloaded;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Forgets every open request: their answers have nowhere to go. */
  drop(): void {
    this.#open.clear();
  }

  refuse(reason: Refusal, id: number | undefined): void {
    const { code, definite, message, leader, retryAfterMs } = reason;
    this.#send({ type: 'error', id, code, definite, message, leader, retryAfterMs });
    if (code === 'OVERLOADED') this.#overloaded();
  }

  propose(frame: ProposeFrame): void {
    const { id, command } = frame;
    const { commandBytes } = this.#limits;
    if (command.length > commandBytes) {
      return this.refuse(
        refusal('TOO_LARGE', `the command has ${command.length} bytes, over the limit of ${commandBytes}`),
        id,
      );
    }
    const problem = sessionProblem(frame.session ?? 0, frame.sequence ?? 0, frame.ackBelow ?? 0);
    if (problem !== undefined) return this.refuse(refusal('BAD_REQUEST', problem), id);
    if (!this.#admit(id)) return;
    if (frame.session) this.#usesSession(frame.session);
    const request = {
      command,
      session: frame.session ?? 0,
      sequence: frame.sequence ?? 0,
      ackBelow: frame.ackBelow ?? 0,
      expectedTerm: frame.expectedTerm,
      wait: frame.wait ?? 'APPLIED',
      timeoutMs: this.#timeout(frame.timeoutMs),
    } as const;
    this.#host.propose(request, (outcome) => this.#proposed(id, outcome));
  }

  read(frame: ReadFrame): void {
    const { id, index } = frame;
    const consistency = frame.consistency ?? 'LINEARIZABLE';
    if (consistency === 'AT_LEAST' && index === undefined) {
      return this.refuse(refusal('BAD_REQUEST', 'a read with AT_LEAST needs an index'), id);
    }
    if (!this.#admit(id)) return;
    const request = { consistency, index, timeoutMs: this.#timeout(frame.timeoutMs) };
    this.#host.read(request, (outcome) => {
      if (!this.#open.delete(id)) return;
      if ('code' in outcome) this.refuse(outcome, id);
      else this.#send({ type: 'readReady', id, index: outcome.index });
      if (this.#open.size === 0) this.#idle();
    });
  }

  #proposed(id: number, outcome: ProposeResult | Refusal): void {
    if (!this.#open.delete(id)) return;
    if ('code' in outcome) this.refuse(outcome, id);
    else {
      const { index, term, result, duplicate, resultLost } = outcome;
      this.#send({ type: 'proposed', id, index, term, result, duplicate, resultLost }, result?.length);
    }
    if (this.#open.size === 0) this.#idle();
  }

  session(frame: SessionFrame): void {
    const { id } = frame;
    if (frame.type !== 'openSession' && frame.session === 0)
      return this.refuse(refusal('BAD_REQUEST', `${frame.type}.session is missing`), id);
    if (!this.#admit(id)) return;
    this.#host.session(requestOf(frame, this.#limits.requestMs), (outcome) => {
      if (!this.#open.delete(id)) return;
      if ('code' in outcome) this.refuse(outcome, id);
      else this.#sessionDone(frame, outcome.session);
      if (this.#open.size === 0) this.#idle();
    });
  }

  #sessionDone(frame: SessionFrame, session: number): void {
    const { id } = frame;
    if (frame.type === 'closeSession') {
      this.#sessions.delete(session);
      return this.#send({ type: 'sessionClosed', id });
    }
    this.#usesSession(session);
    if (frame.type === 'openSession') this.#send({ type: 'sessionOpened', id, session });
    else this.#send({ type: 'sessionKept', id });
  }

  #usesSession(session: number): void {
    this.#sessions.delete(session);
    this.#sessions.add(session);
    if (this.#sessions.size <= this.#limits.sessionsPerConnection) return;
    const [oldest] = this.#sessions;
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }

  /** Forgets these; returns those of them that were used here. Costs what the fewer of both are. */
  forgetSessions(sessions: ReadonlySet<number>): number[] {
    const [fewer, more] =
      sessions.size < this.#sessions.size ? [sessions, this.#sessions] : [this.#sessions, sessions];
    const used = [...fewer].filter((session) => more.has(session));
    for (const session of used) this.#sessions.delete(session);
    return used;
  }

  /** Opens `id`, or answers why not. */
  #admit(id: number): boolean {
    if (this.#open.has(id)) {
      this.refuse(refusal('BAD_REQUEST', `request ${id} is already open on this connection`), id);
      return false;
    }
    const { requestsPerConnection, overloadedRetryMs } = this.#limits;
    if (this.#open.size >= requestsPerConnection) {
      const message = `this connection has ${requestsPerConnection} open requests, which is the limit`;
      this.refuse(refusal('OVERLOADED', message, { retryAfterMs: overloadedRetryMs }), id);
      return false;
    }
    this.#open.add(id);
    return true;
  }

  #timeout(asked: number | undefined): number {
    if (asked === undefined) return this.#limits.requestMs;
    return Math.max(1, Math.min(asked, this.#limits.requestMsMax));
  }
}

function requestOf(frame: SessionFrame, timeoutMs: number): SessionRequest {
  if (frame.type === 'openSession') return { act: 'OPEN', ttlMs: frame.ttlMs, timeoutMs };
  return { act: frame.type === 'keepSession' ? 'KEEP' : 'CLOSE', session: frame.session, timeoutMs };
}
