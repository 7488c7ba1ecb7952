/**
 * Sessions on one node: what the log says of them (machine/), the leader's door for their commands, and their end.
 *
 * MUST: hand the machine every stretch of the committed log before the app gets it, and every acknowledgement.
 */
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { Command } from '../../shared/messages.ts';
import { encodeSessionExpire } from '../../shared/wire/session-entries.ts';
import { ExpiryWatch } from '../machine/expiry-watch.ts';
import { Sequencer } from '../machine/sequencer.ts';
import { SessionMachine } from '../machine/session-machine.ts';
import { Intake, type IntakeHost, type Waiting } from './intake.ts';

/** The log of this node, as far as sessions look at it. */
export interface SessionLog {
  readonly lastIndex: number;
  readonly lastTime: number;
  /** Undefined where it is not all in memory. */
  slice(from: number, to: number, maxEntries: number, maxBytes: number): Entry[] | undefined;
}

export class NodeSessions {
  readonly machine = new SessionMachine();
  readonly intake: Intake;
  readonly #sequencer = new Sequencer<Waiting>(() => this.machine.ahead);
  readonly #expiry = new ExpiryWatch();
  readonly #host: IntakeHost;
  #leads = false;
  #sweepDue = 0;

  constructor(host: IntakeHost) {
    this.#host = host;
    this.intake = new Intake(host, this.#sequencer);
  }

  /** Commands that wait at this leader for the one before them. */
  get held(): number {
    return this.#sequencer.held;
  }

  roleChanged(leads: boolean, log: SessionLog): void {
    if (leads) {
      const { position } = this.machine.ahead;
      const { lastIndex } = log;
      const all = Number.MAX_SAFE_INTEGER;
      const tail = position >= lastIndex ? [] : log.slice(position + 1, lastIndex, all, all);
      this.#sequencer.elected(tail, lastIndex);
      this.#expiry.reset();
    } else if (this.#leads) this.intake.deposed();
    this.#leads = leads;
  }

  /** Call now and then. */
  keepHouse(now: number, wall: number, log: SessionLog): void {
    this.intake.expire(now);
    if (!this.#leads || now < this.#sweepDue) return;
    this.#sweepDue = now + LIMITS.sessionSweepMs;
    const clusterTime = Math.max(log.lastTime, Math.floor(wall));
    const due = this.#expiry.due(this.machine.ahead, now, clusterTime, LIMITS.sessionExpiries);
    if (due.length > 0) this.#host.append([expireCommand(due)]);
  }
}

function expireCommand(sessions: readonly number[]): Command {
  const kind = EntryKind.SESSION_EXPIRE;
  return { kind, command: encodeSessionExpire(sessions), session: 0, sequence: 0 };
}
