/**
 * The link to one sidecar: asks its status, follows its events, and says in what state this is and why.
 *
 * MUST: never give up while it runs, with a pause that grows where nothing answers; send no token before the address has
 * said that it is the right node of the right cluster (over HTTPS its certificate says so); stop everything at `stop`. Events may come twice or with gaps
 * across reconnects: their numbers tell (clusters/history.ts).
 * MUST NOT: decide what a cluster is.
 */
import type * as z from 'zod';
import type { LinkState, LinkView } from '../../../shared/cluster-view.ts';
import type { RaftEvent } from '../../../shared/events.ts';
import type { FaultStatus } from '../../../shared/faults.ts';
import { INSPECT_PROTOCOL, type NodeStatus } from '../../../shared/inspect.ts';
import { nodeStatusSchema, protocolSchema } from '../../../shared/inspect-schema.ts';
import { InspectError } from '../contract.ts';
import { AGGREGATOR_LIMITS, type Timing } from '../limits.ts';
import { Wakeable } from '../wakeable.ts';
import { checkValue, faultOf, LinkFault, readAnswer, readValue } from './answers.ts';
import { EventFollower } from './event-follower.ts';
import type { Position } from './event-stream.ts';
import { type Answered, type Ask, ask, RequestFailure } from './request.ts';
import { Connections, isSecure, tlsOptionsFor } from './secure.ts';
import type { Scope, TokenSource } from './tokens.ts';

export interface LinkTarget {
  readonly cluster: string;
  /** '' where only the address is known. */
  readonly node: string;
  /** A base URL (`address.ts`). */
  readonly http: string;
  /** PEM file of the CA of its certificate, '' where none is known. */
  readonly ca: string;
  readonly tokens: TokenSource;
}

export interface LinkListener {
  /** Its state changed, or a new status is there. */
  onChange(link: NodeLink): void;
  onEvent(link: NodeLink, position: Position, event: RaftEvent | undefined): void;
  /** A bug of ours: the link has ended. */
  onBug(error: unknown): void;
}

/** Events after which the status is worth a look at once. */
const TELLING: ReadonlySet<string> = new Set([
  ...['ROLE', 'APP', 'PEER_UP', 'PEER_DOWN', 'WHOLE', 'STOPPING'],
  ...['FAULT_BEGAN', 'FAULT_ENDED'],
]);

export class NodeLink {
  readonly #timing: Timing;
  readonly #now: () => number;
  readonly #listener: LinkListener;
  /** A question that was under way when the link stopped: its connection is not kept either. */
  readonly #connections = new Connections(() => this.#running !== undefined);
  readonly #events: EventFollower;
  readonly #wake = new Wakeable();
  #target: LinkTarget;
  #running: AbortController | undefined;
  #view: LinkView;
  /** This address has said that it is the node we mean, and nothing spoke against it since. */
  #verified = false;
  /** Of the last look at the status; undefined when it was good, or there was none. */
  #fault: LinkFault | undefined;
  #retryMs: number;
  #openRequests = 0;
  status: NodeStatus | undefined;
  statusAt: number | undefined;

  constructor(target: LinkTarget, timing: Timing, now: () => number, listener: LinkListener) {
    this.#target = target;
    this.#timing = timing;
    this.#now = now;
    this.#listener = listener;
    this.#retryMs = timing.retryMinMs;
    this.#view = { state: 'CONNECTING', reason: 'it was not asked yet', since: now() };
    this.#events = new EventFollower(timing, {
      onEvent: (position, event) => this.#heard(position, event),
      onFault: () => {
        this.#judge();
        this.pollSoon();
      },
      onBug: (error) => listener.onBug(error),
    });
  }

  get target(): LinkTarget {
    return this.#target;
  }

  get view(): LinkView {
    return this.#view;
  }

  /** Why no events come although the node answers; '' when they do. */
  get eventsReason(): string {
    return this.#events.reason;
  }

  /** Idempotent. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    this.#retryMs = this.#timing.retryMinMs;
    this.#run(this.#running.signal).catch((error: unknown) => this.#listener.onBug(error));
  }

  /** Closes every connection that nobody waits for; the last known state stays. Idempotent. */
  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
    this.#events.close();
    this.#connections.closeIdle();
  }

  /** `stop`, for good. */
  dispose(): void {
    this.stop();
    this.#connections.destroy();
  }

  /** The node is (also) somewhere else now. Tried there at once. */
  setTarget(target: LinkTarget): void {
    const renamed = target.node !== this.#target.node && this.#target.node !== '';
    const moved = target.http !== this.#target.http || target.ca !== this.#target.ca || renamed;
    const retokened = target.tokens.origin !== this.#target.tokens.origin;
    this.#target = target;
    if (!moved && !retokened) return;
    if (retokened) this.#events.close();
    if (!moved) return;
    this.#verified = false;
    this.#fault = undefined;
    const wasRunning = this.#running !== undefined;
    this.stop();
    this.#set('CONNECTING', `${target.http} was not asked yet`);
    if (wasRunning) this.start();
  }

  /** Asks the status now, or as soon as `pollMinMs` allows. */
  pollSoon(): void {
    this.#wake.wake();
  }

  /** Who is there? Needs no token. Rejects with InspectError. */
  async identify(): Promise<NodeStatus> {
    return this.#asking(async () => {
      const fault = await this.#look(new AbortController().signal);
      if (fault !== undefined) throw fault;
      if (this.status === undefined) throw new InspectError('it did not say who it is');
      return this.status;
    });
  }

  /** A GET with the view token. Rejects with InspectError, at once where the node is known not to answer. */
  async get<T>(path: string, schema: z.ZodType<T>, maxBytes: number, signal?: AbortSignal): Promise<T> {
    const { pageMs } = this.#timing;
    return this.#asking(async () => {
      const answer = await this.#authorized(
        'view',
        { method: 'GET', path, timeoutMs: pageMs, maxBytes },
        signal,
      );
      return readAnswer(answer, schema);
    });
  }

  /** A POST; any answer but 200 rejects. Never tried twice. Rejects with InspectError. */
  async post(scope: Scope, path: string, contentType: string, body: Uint8Array): Promise<Answered> {
    const { actMs } = this.#timing;
    const maxBytes = AGGREGATOR_LIMITS.replyBytes;
    return this.#asking(async () => {
      const answer = await this.#authorized(scope, {
        method: 'POST',
        path,
        timeoutMs: actMs,
        maxBytes,
        contentType,
        body,
      });
      if (answer.status !== 200) readValue(answer);
      return answer;
    });
  }

  /** A DELETE; false where there is no such thing any more. Never tried twice. Rejects with InspectError. */
  async delete(scope: Scope, path: string): Promise<boolean> {
    const { actMs } = this.#timing;
    const maxBytes = AGGREGATOR_LIMITS.replyBytes;
    return this.#asking(async () => {
      const answer = await this.#authorized(scope, { method: 'DELETE', path, timeoutMs: actMs, maxBytes });
      if (answer.status === 404) return false;
      readValue(answer);
      return true;
    });
  }

  /** A fault that it has just confirmed is seen at once: a node that stands still cannot tell of it itself. */
  knowFault(fault: FaultStatus): void {
    const { status } = this;
    if (status === undefined) return;
    const others = (status.faults ?? []).filter(({ id }) => id !== fault.id);
    this.status = { ...status, faults: [...others, fault] };
    this.#listener.onChange(this);
  }

  async #asking<T>(work: () => Promise<T>): Promise<T> {
    const who = this.#target.node === '' ? this.#target.http : this.#target.node;
    if (this.#openRequests >= AGGREGATOR_LIMITS.requestsPerNode) {
      throw new InspectError(`${who}: ${this.#openRequests} requests wait for it already`);
    }
    this.#openRequests += 1;
    try {
      return await work();
    } catch (error) {
      if (error instanceof InspectError) throw new InspectError(`${who}: ${error.message}`, { cause: error });
      throw new InspectError(`${who}: ${faultOf(error).message}`, { cause: error });
    } finally {
      this.#openRequests -= 1;
    }
  }

  async #authorized(
    scope: Scope,
    question: Omit<Ask, 'token' | 'signal'>,
    signal = new AbortController().signal,
  ): Promise<Answered> {
    const known = this.#running !== undefined && this.#view.state !== 'CONNECTING';
    if (known && this.#view.state !== 'CONNECTED') throw new InspectError(this.#view.reason);
    if (!this.#verified) {
      const fault = await this.#look(signal);
      if (fault !== undefined) throw fault;
    }
    const token = await this.#target.tokens.read(scope);
    return await this.#ask(this.#target, { ...question, token, signal });
  }

  async #ask(target: LinkTarget, question: Ask): Promise<Answered> {
    const { http } = target;
    const tls = await tlsOptionsFor(http, target).catch((error: unknown) => {
      if (error instanceof InspectError)
        throw new RequestFailure('UNREACHABLE', error.message, { cause: error });
      throw error;
    });
    return await ask(this.#connections.agentFor(http), http, { ...question, tls });
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { pollMs, pollMinMs, retryMinMs, retryMaxMs } = this.#timing;
    while (!signal.aborted) {
      const began = performance.now();
      const fault = await this.#look(signal);
      if (signal.aborted) return;
      const spent = performance.now() - began;
      if (fault === undefined) {
        this.#retryMs = retryMinMs;
        await this.#wake.pause(Math.max(pollMs - spent, pollMinMs), pollMinMs, signal);
      } else if (fault.state === 'SILENT') {
        // It waited long enough already: a question must stand there when the node runs again.
        await this.#wake.pause(pollMinMs, pollMinMs, signal);
      } else {
        const pause = this.#retryMs * (0.75 + Math.random() / 2);
        this.#retryMs = Math.min(this.#retryMs * 2, retryMaxMs);
        await this.#wake.pause(pause, pollMinMs, signal);
      }
    }
  }

  /** One look at the status. Returns why it cannot be used; undefined when it can, or when nobody waits any more. */
  async #look(signal: AbortSignal): Promise<LinkFault | undefined> {
    const { target } = this;
    const { silentMs, requestMs } = this.#timing;
    let status: NodeStatus | undefined;
    let fault: LinkFault | undefined;
    try {
      const answer = await this.#ask(target, {
        method: 'GET',
        path: '/v1/status',
        token: await statusToken(target),
        timeoutMs: requestMs,
        maxBytes: AGGREGATOR_LIMITS.statusBytes,
        signal,
        silentMs,
        onSilent: () => this.#failed(silent(silentMs)),
      });
      status = identified(answer, target);
    } catch (error) {
      fault = faultOf(error);
    }
    // Of another target, or too late: not ours to tell.
    if (target !== this.#target && target.http !== this.#target.http) return undefined;
    if (signal.aborted) return fault;
    if (status === undefined) this.#failed(fault);
    else this.#answered(status);
    return fault;
  }

  #answered(status: NodeStatus): void {
    this.#verified = true;
    this.#fault = undefined;
    this.status = status;
    this.statusAt = this.#now();
    if (this.#running !== undefined) {
      this.#events.follow(this.#target, status.generation);
    }
    if (!this.#judge()) this.#listener.onChange(this);
  }

  #failed(fault: LinkFault | undefined): void {
    this.#fault = fault;
    if (fault?.state !== 'SILENT') {
      this.#verified = false;
      // Whatever is there now is not who we talked to.
      if (fault?.state !== 'RETRYING') this.#events.close();
    }
    this.#judge();
  }

  #heard(position: Position, event: RaftEvent | undefined): void {
    this.#listener.onEvent(this, position, event);
    if (event !== undefined && TELLING.has(event.kind)) this.pollSoon();
  }

  /** Tells the state that follows from the status and the events. True when it changed. */
  #judge(): boolean {
    const fault = this.#fault ?? this.#events.fault;
    if (fault !== undefined) return this.#set(fault.state, fault.message);
    return this.statusAt === undefined ? false : this.#set('CONNECTED', '');
  }

  #set(state: LinkState, reason: string): boolean {
    if (state === this.#view.state && reason === this.#view.reason) return false;
    const since = state === this.#view.state ? this.#view.since : this.#now();
    this.#view = { state, reason, since };
    this.#listener.onChange(this);
    return true;
  }
}

/** Where other machines can ask, the status needs a token. Without one it is asked all the same: on this machine it does not. */
async function statusToken({ http, tokens }: LinkTarget): Promise<string> {
  if (!isSecure(http)) return '';
  try {
    return await tokens.read('view');
  } catch (error) {
    if (error instanceof InspectError) return '';
    throw error;
  }
}

function silent(afterMs: number): LinkFault {
  return new LinkFault(
    'SILENT',
    `its connection stands, but nothing was answered for ${afterMs / 1000} s: its process may be paused or stuck`,
  );
}

/** The status, if it is that of the node we mean. Throws LinkFault. */
function identified(answer: Answered, { cluster, node }: LinkTarget): NodeStatus {
  const value = readValue(answer);
  const { protocol } = checkValue(value, protocolSchema);
  if (protocol !== INSPECT_PROTOCOL) {
    throw new LinkFault(
      'INCOMPATIBLE',
      `it speaks protocol ${protocol}, and Outrigger here speaks ${INSPECT_PROTOCOL}: update the older one`,
    );
  }
  const status = checkValue(value, nodeStatusSchema);
  if (status.cluster !== cluster && cluster !== '') {
    throw new LinkFault('WRONG_CLUSTER', `it belongs to the cluster ${status.cluster}, not to ${cluster}`);
  }
  if (status.node !== node && node !== '') {
    throw new LinkFault('WRONG_CLUSTER', `it is the node ${status.node}, not ${node}`);
  }
  return status;
}
