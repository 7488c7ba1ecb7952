/**
 * The conversation with one app: hello first, then requests, and for a state machine its delivery.
 *
 * MUST: answer a frame that may not be said with an error and go on; end the connection only for broken
 * framing, a refused hello, a position that cannot be, or when one side says goodbye.
 */
import type { Socket } from 'node:net';
import type { AppFrame, HelloFrame, SidecarFrame, StateMachineHello } from '../../shared/app-frames.ts';
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { BadFrame } from '../../shared/wire/app-codec.ts';
import type { AppContext, Dismissal } from './context.ts';
import { Delivery, type DeliveryEnd, type Refused } from './delivery.ts';
import { positionOf, refuseHello, welcome, windowOf } from './greeting.ts';
import type { AppHost, AppPosition } from './host.ts';
import { Link } from './link.ts';
import { Requests } from './requests.ts';

/** NEW until its hello; GREETING while a state machine's plan is made; then OPEN. */
type Phase = 'NEW' | 'GREETING' | 'OPEN' | 'GONE';

export class Connection {
  readonly #context: AppContext;
  /** Takes the requests of this connection. */
  readonly #host: AppHost;
  readonly #link: Link;
  readonly #requests: Requests;
  readonly #helloTimer: NodeJS.Timeout;
  /** One connection too many: it is told so when it says something. */
  readonly #surplus: boolean;
  #phase: Phase = 'NEW';
  #delivery: Delivery | undefined;
  /** How its delivery ends when the connection does. */
  #ends: DeliveryEnd['how'] = 'BROKE';
  /** How to end once the open requests are answered; undefined while the connection is to stay. */
  #endWhenIdle: (() => void) | undefined;

  constructor(socket: Socket, context: AppContext, surplus: boolean) {
    this.#context = context;
    this.#surplus = surplus;
    this.#link = new Link(
      socket,
      context.limits,
      {
        frame: (frame) => this.#frame(frame),
        badFrame: (bad) => this.#badFrame(bad),
        ended: () => this.#appEnded(),
        drained: () => this.#delivery?.drained(),
        gone: (reason) => this.#gone(reason),
      },
      (link) => context.flushSoon(link),
    );
    this.#host = context.hostFor();
    this.#requests = new Requests(
      this.#host,
      context.limits,
      (frame, bytes) => this.#link.send(frame, bytes),
      () => this.#endWhenIdle?.(),
      () => this.#link.rest(context.limits.overloadedRestMs),
    );
    const { helloMs } = context.limits;
    this.#helloTimer = setTimeout(
      () => this.#link.fail('BAD_REQUEST', `no hello came within ${helloMs} ms`),
      helloMs,
    );
    this.#helloTimer.unref();
  }

  get openRequests(): number {
    return this.#requests.open;
  }

  get backlog(): number {
    return this.#link.backlog;
  }

  /** Sends a frame that concerns everybody; nothing before the welcome. */
  broadcast(frame: SidecarFrame): void {
    if (this.#phase === 'OPEN') this.#link.send(frame);
  }

  /** Tells of those sessions that were opened, kept or used here. */
  sessionsExpired(sessions: ReadonlySet<number>): void {
    for (const session of this.#requests.forgetSessions(sessions)) {
      this.#link.send({ type: 'sessionExpired', session });
    }
  }

  /** Ends it at once, because all connections together have too much that is not read. */
  shed(): void {
    this.#link.cut(
      `the app did not read: ${this.backlog} bytes were waiting when all connections had too many`,
    );
  }

  /** Goodbye as soon as the open requests are answered, at the latest after the linger time. */
  shutDown(reason: string): void {
    const end = () => this.#leave(reason);
    this.#whenIdle(end);
    setTimeout(end, this.#context.limits.appLingerMs).unref();
  }

  #whenIdle(end: () => void): void {
    if (this.#requests.open === 0) end();
    else this.#endWhenIdle = end;
  }

  #leave(reason: string): void {
    this.#ends = 'LEFT';
    this.#link.send({ type: 'goodbye', reason });
    this.#link.finish(`the sidecar said goodbye: ${reason}`);
  }

  #gone(reason: string): void {
    this.#phase = 'GONE';
    clearTimeout(this.#helloTimer);
    this.#requests.drop();
    this.#host.left?.();
    this.#stopDelivery(reason);
  }

  #stopDelivery(reason: string, entry?: number): void {
    if (this.#delivery === undefined) return;
    this.#context.slot.leave(this.#delivery);
    this.#delivery.stop({ how: this.#ends, reason, entry });
    this.#delivery = undefined;
  }

  /** The app sends nothing more, so it can apply nothing; answers it waits for are still sent. */
  #appEnded(): void {
    const reason = 'the app ended the connection';
    this.#stopDelivery(reason);
    this.#whenIdle(() => this.#link.finish(reason));
  }

  #refuse(reason: Refusal, id?: number): void {
    this.#requests.refuse(reason, id);
  }

  #badFrame(bad: BadFrame): void {
    this.#refuse(refusal('BAD_REQUEST', bad.message), bad.id);
  }

  #frame(frame: AppFrame): void {
    if (this.#phase === 'OPEN') return this.#openFrame(frame);
    if (frame.type === 'hello') return this.#hello(frame);
    if (frame.type === 'goodbye') return this.#leave('GOODBYE');
    this.#refuse(refusal('BAD_REQUEST', 'the first frame must be hello'), idOf(frame));
  }

  #openFrame(frame: AppFrame): void {
    switch (frame.type) {
      case 'propose':
        return this.#requests.propose(frame);
      case 'applied':
        return this.#toDelivery(frame.type, (delivery) => delivery.acknowledge(frame));
      case 'read':
        return this.#requests.read(frame);
      case 'applyFailed':
        return this.#toDelivery(frame.type, (delivery) => delivery.fail(frame));
      case 'resume':
        return this.#toDelivery(frame.type, (delivery) => delivery.resume(frame));
      case 'ping':
        return this.#link.send({ type: 'pong', id: frame.id });
      case 'goodbye':
        return this.#leave('GOODBYE');
      case 'hello':
        return this.#refuse(refusal('BAD_REQUEST', 'hello was said already on this connection'));
      case 'openSession':
      case 'keepSession':
      case 'closeSession':
        return this.#requests.session(frame);
      case 'snapshotBegin':
      case 'snapshotChunk':
      case 'snapshotEnd':
      case 'restored':
      case 'restoreRefused':
        return this.#refuse(refusal('UNSUPPORTED', 'this sidecar has no snapshots yet'));
    }
  }

  #toDelivery(what: string, act: (delivery: Delivery) => Refused | undefined): void {
    if (this.#delivery === undefined) {
      return this.#refuse(
        refusal('BAD_REQUEST', `${what} is only for a connection that said hello as a state machine`),
      );
    }
    const no = act(this.#delivery);
    if (no === undefined) return;
    if (no.fatal) {
      this.#ends = 'LIED';
      this.#link.fail('BAD_REQUEST', no.message);
    } else this.#refuse(refusal('BAD_REQUEST', no.message));
  }

  // -------------------------------------------------------------- hello

  #hello(hello: HelloFrame): void {
    const { host, limits, token } = this.#context;
    if (this.#surplus) {
      const message = `this sidecar has ${limits.appConnections} app connections, which is the limit`;
      return this.#turnAway(refusal('OVERLOADED', message, { retryAfterMs: limits.overloadedRetryMs }));
    }
    const facts = host.facts();
    const no = refuseHello(hello, facts, token, limits);
    if (no !== undefined) {
      if (hello.stateMachine !== undefined) host.turnedAway(no, hello.stateMachine.appliedIndex);
      return this.#turnAway(no);
    }
    clearTimeout(this.#helloTimer);
    if (hello.stateMachine !== undefined) return this.#greetStateMachine(hello, hello.stateMachine);
    this.#phase = 'OPEN';
    this.#link.send(welcome(facts, limits, 0, undefined));
    this.#tellPressure();
  }

  #turnAway(no: Refusal): void {
    this.#refuse(no);
    this.#leave(no.code);
  }

  /** Frames that follow the hello wait until the plan is there. */
  #greetStateMachine(hello: HelloFrame, machine: StateMachineHello): void {
    const { host, slot } = this.#context;
    const ticket = slot.ticket();
    const position = positionOf(hello, machine);
    this.#phase = 'GREETING';
    this.#link.hold();
    host.plan(position).then(
      (plan) => {
        if (this.#phase !== 'GREETING') return;
        if ('code' in plan) {
          host.turnedAway(plan, position.appliedIndex);
          this.#turnAway(plan);
        } else if (slot.overtaken(ticket)) this.#leave('SUPERSEDED');
        else this.#letIn(position, machine, plan.replayFrom, ticket);
      },
      (error: unknown) => {
        const cause = error instanceof Error ? error : new Error(String(error));
        this.#context.fault(cause);
        this.#turnAway(refusal('SHUTTING_DOWN', `the log cannot be read: ${cause.message}`));
      },
    );
  }

  #letIn(position: AppPosition, machine: StateMachineHello, replayFrom: number, ticket: number): void {
    const { host, limits, slot, flushSoon, fault } = this.#context;
    const epoch = host.attached(position);
    const link = this.#link;
    const sink = {
      send: (frame: SidecarFrame, bytes: number) => link.send(frame, bytes),
      get backlog() {
        return link.backlog;
      },
      wake: () => flushSoon(undefined),
      fault,
    };
    const delivery = new Delivery(host, sink, limits, windowOf(machine, limits), {
      ...{ epoch, after: replayFrom - 1, knows: position.version },
    });
    slot.take(ticket, delivery, (why) => this.#dismissed(why));
    this.#delivery = delivery;
    this.#phase = 'OPEN';
    link.send(welcome(host.facts(), limits, epoch, replayFrom));
    this.#tellPressure();
    delivery.started();
    link.release();
  }

  #dismissed(why: Dismissal): void {
    switch (why.reason) {
      case 'SUPERSEDED':
        // Who took over is news of its own.
        this.#delivery?.stop(undefined);
        this.#delivery = undefined;
        break;
      case 'SKIPPED':
        // It is to come back, and absent meanwhile.
        this.#ends = 'LEFT';
        this.#stopDelivery('an operator skipped the command that the app could not apply');
        break;
      case 'APP_DIVERGED':
        this.#ends = 'DIVERGED';
        this.#refuse(refusal('APP_DIVERGED', why.message));
        this.#stopDelivery(why.message, why.entry);
        break;
    }
    this.#leave(why.reason);
  }

  #tellPressure(): void {
    const level = this.#context.pressure();
    if (level !== 'OK') this.#link.send({ type: 'pressure', level });
  }
}

function idOf(frame: AppFrame): number | undefined {
  return 'id' in frame ? frame.id : undefined;
}
