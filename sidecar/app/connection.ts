/**
 * The conversation with one app: hello first, then requests, and for a state machine its delivery.
 *
 * MUST: answer a frame that may not be said with an error and go on; end the connection only for broken
 * framing, a refused hello, a position that cannot be, or when one side says goodbye.
 */
import type { Socket } from 'node:net';
import type {
  AppFrame,
  HelloFrame,
  RestoredFrame,
  RestoreRefusedFrame,
  SidecarFrame,
  StateMachineHello,
} from '../../shared/app-frames.ts';
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { BadFrame } from '../../shared/wire/app-codec.ts';
import type { AppContext, Dismissal } from './context.ts';
import { Delivery, type DeliveryEnd, type Refused } from './delivery.ts';
import { positionOf, refuseHello, welcome, windowOf } from './greeting.ts';
import type { AppHost, AppPosition, Plan, RestorePlan } from './host.ts';
import { Link } from './link.ts';
import { Requests } from './requests.ts';
import { Restore } from './restore.ts';
import { SnapshotIntake } from './snapshot-intake.ts';

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
  /** While it is given a snapshot: what is to be done once it has it. */
  #restoring: { readonly restore: Restore; readonly letIn: () => void } | undefined;
  #intake: SnapshotIntake | undefined;
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
        drained: () => {
          this.#delivery?.drained();
          this.#restoring?.restore.pump();
        },
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
    this.#restoring?.restore.stop();
    this.#restoring = undefined;
    this.#intake?.stop();
    this.#intake = undefined;
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
        return this.#toIntake(frame.type, (intake) => intake.begin(frame));
      case 'snapshotChunk':
        return this.#toIntake(frame.type, (intake) => intake.chunk(frame));
      case 'snapshotEnd':
        return this.#toIntake(frame.type, (intake) => intake.end(frame));
      case 'restored':
        return this.#restored(frame);
      case 'restoreRefused':
        return this.#restoreRefused(frame);
    }
  }

  #toIntake(what: string, act: (intake: SnapshotIntake) => void): void {
    if (this.#intake !== undefined) return act(this.#intake);
    const message = `${what} is only for a state machine that said in hello that it has snapshots`;
    this.#refuse(refusal('BAD_REQUEST', message));
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
        else this.#follow(plan, position, machine, ticket);
      },
      (error: unknown) => {
        const cause = error instanceof Error ? error : new Error(String(error));
        this.#context.fault(cause);
        this.#turnAway(refusal('SHUTTING_DOWN', `the log cannot be read: ${cause.message}`));
      },
    );
  }

  #follow(plan: Plan, position: AppPosition, machine: StateMachineHello, ticket: number): void {
    const { host, limits } = this.#context;
    this.#phase = 'OPEN';
    this.#link.send(welcome(host.facts(), limits, host.nextEpoch(), plan));
    this.#tellPressure();
    if ('restore' in plan) this.#restore(plan.restore, machine, ticket);
    else this.#letIn(position, machine, ticket);
    this.#link.release();
  }

  #restore(plan: RestorePlan, machine: StateMachineHello, ticket: number): void {
    const link = this.#link;
    const sink = {
      send: (frame: SidecarFrame, bytes: number) => link.send(frame, bytes),
      get backlog() {
        return link.backlog;
      },
      fault: (error: Error) => this.#context.fault(error),
    };
    const restore = new Restore(plan, sink, this.#context.limits.deliveryBytes);
    const letIn = (): void => {
      if (this.#context.slot.overtaken(ticket)) this.#leave('SUPERSEDED');
      else this.#letIn(plan.position, machine, ticket);
    };
    this.#restoring = { restore, letIn };
    restore.begin();
  }

  #restored(frame: RestoredFrame): void {
    const restoring = this.#restoring;
    if (restoring === undefined)
      return this.#refuse(refusal('BAD_REQUEST', 'restored came where no snapshot was given'));
    const lie = restoring.restore.refusalOf(frame);
    if (lie !== undefined) return this.#link.fail('BAD_REQUEST', lie);
    this.#restoring = undefined;
    restoring.restore.stop();
    restoring.letIn();
  }

  #restoreRefused({ reason }: RestoreRefusedFrame): void {
    const restoring = this.#restoring;
    if (restoring === undefined)
      return this.#refuse(refusal('BAD_REQUEST', 'restoreRefused came where no snapshot was given'));
    this.#context.host.restoreRefused(restoring.restore.plan, reason);
    this.#leave('RESTORE_REFUSED');
  }

  #letIn(position: AppPosition, machine: StateMachineHello, ticket: number): void {
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
      ...{ epoch, after: position.appliedIndex, knows: position.version },
    });
    const { snapshots } = machine;
    slot.take(ticket, {
      ...{ delivery, snapshots },
      dismiss: (why) => this.#dismissed(why),
      send: (frame) => link.send(frame),
    });
    this.#delivery = delivery;
    if (snapshots !== 'NONE') {
      this.#intake = new SnapshotIntake(host, epoch, {
        hold: () => link.hold(),
        release: () => link.release(),
        refuse: (no) => this.#refuse(no),
      });
    }
    delivery.started();
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
      case 'RESTORE':
        this.#ends = 'LEFT';
        this.#stopDelivery(
          'the log begins behind what the app has applied: it is to come back for a snapshot',
        );
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
