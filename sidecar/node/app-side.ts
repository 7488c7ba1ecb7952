/**
 * The node's side of its app: where the app stands, what of the log it is given, what became of it, and whether its state is
 * that of the others.
 *
 * MUST: keep sessions, results and what waits for the app at the index that the app has applied; take nothing from an app that
 * is gone (another epoch).
 */
import { randomInt } from 'node:crypto';
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { Entry } from '../../shared/entry.ts';
import type { AppliedResult, AppPosition } from '../app/host.ts';
import { answerOf } from '../machine/answer.ts';
import type { SessionTable } from '../machine/session-table.ts';
import type { ProposalOutcome, Ticket } from '../routing/port.ts';
import { describeFinding } from './divergence.ts';
import { type AppChange, LocalApp } from './local-app.ts';
import type { Node } from './node.ts';
import { RecentResults } from './results.ts';
import { StateWatch } from './state-watch.ts';

/** When a request was refused because the local app has stopped: try again here after so long. */
const APP_STOPPED_RETRY_MS = 1_000;

function skippedAt(index: number): Refusal {
  return refusal('SKIPPED', `an operator skipped the command at ${index}: no app was given it`);
}

export class AppSide {
  readonly app = new LocalApp((change) => this.#appChanged(change));
  readonly states: StateWatch;
  readonly #node: Node;
  readonly #results = new RecentResults();

  constructor(node: Node) {
    this.#node = node;
    this.states = this.#watchStates();
  }

  #watchStates(): StateWatch {
    const { transport, raft, log } = this.#node.options;
    return new StateWatch({
      id: raft.id,
      group: raft.group,
      voters: () => this.#node.driver.raft.membership.voters,
      send: (message) => transport.send(message),
      newLife: () => randomInt(2 ** 47),
      alarm: (finding) => {
        log.error(finding, describeFinding(finding));
        this.#node.recorder.appsDiffer(finding, describeFinding(finding));
      },
      condemned: (finding) => {
        this.#condemned(describeFinding(finding), finding.through);
        this.#node.snapshots?.condemned(finding.after);
      },
    });
  }

  /** `table`: the sessions where the app stands. Returns the epoch of the app. */
  attach(position: AppPosition, table: SessionTable): number {
    const { sessions, recorder, reads, snapshots } = this.#node;
    snapshots?.attached(position.snapshots === 'EXTERNAL');
    this.app.attached(position, this.#committedForApps());
    this.states.attached();
    this.#results.clear();
    sessions.machine.startAt(table);
    recorder.stages.appIsAt(position.appliedIndex);
    reads.appliedIs(position.appliedIndex);
    return this.app.epoch;
  }

  /** Decides what of a stretch of the committed log the app gets. */
  decide(entries: readonly Entry[], through: number): readonly Entry[] {
    const { skips, sessions, proposals, options, recorder } = this.#node;
    const { machine } = sessions;
    const before = machine.ahead.position;
    const versionBefore = machine.ahead.appVersion;
    const decided = machine.decide(entries, through);
    const delivered = decided.some(({ index }) => skips.has(index))
      ? decided.filter(({ index }) => !skips.has(index))
      : decided;
    proposals.decided(before, through);
    const expired = machine.takeExpired();
    if (expired.length > 0) options.listener.sessionsExpired(expired);
    const { appVersion } = machine.ahead;
    if (appVersion !== versionBefore) recorder.appVersion(through, appVersion);
    return delivered;
  }

  applied(epoch: number, through: number, results: readonly AppliedResult[]): void {
    if (epoch !== this.app.epoch) return;
    const { recorder, sessions, proposals, reads } = this.#node;
    const before = this.app.applied;
    this.app.advanced(through);
    recorder.applied(through);
    this.#results.add(results);
    sessions.machine.applied(through, results);
    proposals.applied(before, through);
    reads.appliedIs(through);
  }

  outcomeOf(ticket: Ticket): ProposalOutcome | Refusal {
    const { sessions, skips } = this.#node;
    const outcome = answerOf(sessions.machine, ticket, (index) => this.#results.at(index)?.result);
    const skipped = 'code' in outcome ? 0 : outcome.index;
    return skips.has(skipped) ? skippedAt(skipped) : outcome;
  }

  #appChanged(change: AppChange): void {
    const { name: app, applied } = this.app;
    this.#node.options.log.info({ app, ...change }, 'app state changed');
    this.#node.recorder.app(change, applied);
    this.tellFitness();
  }

  /** A node should lead only with a healthy app, if another has one. */
  tellFitness(): void {
    const { driver } = this.#node;
    const { fit } = this.app;
    if (fit !== driver.raft.fit) driver.step({ type: 'fitness', fit });
  }

  /** The app of this node has a state of its own: it is not let go on. */
  #condemned(message: string, entry: number): void {
    this.#node.options.listener.diverged(message, entry);
    if (!this.app.connected && this.app.condition !== 'DIVERGED')
      this.app.turnedAway(refusal('APP_DIVERGED', message), entry);
  }

  /** What is committed, as far as it can concern an app: a log of nothing but a NOOP for each term does not. */
  #committedForApps(): number {
    const { commitIndex, log } = this.#node.driver.raft;
    const noops = log.baseIndex === 0 ? log.runs.list().length : 0;
    return noops >= commitIndex ? 0 : commitIndex;
  }

  /** Why nothing that waits for the app is taken now, or undefined. */
  refusalNow(): Refusal | undefined {
    if (this.app.state === 'ABSENT')
      return refusal('APP_ABSENT', 'no app is connected to this sidecar to apply the command');
    return this.hasStopped();
  }

  /** Why nothing that waits for the app is taken: it has not applied anything for too long, and would not this either. */
  hasStopped(): Refusal | undefined {
    const { app } = this;
    const { id, options } = this.#node;
    if (app.state !== 'STALLED' || app.stoppedMs(performance.now()) <= options.raft.handOverMs)
      return undefined;
    const message = `the app of ${id} applies nothing (${app.condition}): ask another node`;
    return refusal('OVERLOADED', message, { retryAfterMs: APP_STOPPED_RETRY_MS });
  }
}
