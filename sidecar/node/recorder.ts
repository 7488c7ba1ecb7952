/**
 * Writes down what happens to this node: events with their causes (shared/events.ts), and the watermarks from which stage
 * times of entries are read.
 *
 * MUST: cost nothing per entry, and per rise of a watermark no more than one sample; note a pause of the process before
 * whatever followed from it; bound how often the same thing is said.
 * MUST NOT: change what the node does.
 */
import type { EventCause, RaftEvent } from '../../shared/events.ts';
import { describeFault, type FaultStatus } from '../../shared/faults.ts';
import type { CertificateUse } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { PeerLinkStatus } from '../peers/contract.ts';
import type { Raft } from '../raft/raft.ts';
import type { NoteEffect, RoleEffect, TransferCause } from '../raft/types.ts';
import { RecordClock } from '../record/clock.ts';
import { EventLog } from '../record/events.ts';
import { EntryStages } from '../record/stages.ts';
import { DiskWatch } from './disk-watch.ts';
import type { Finding } from './divergence.ts';
import type { AppChange } from './local-app.ts';
import { LoopWatch } from './loop-watch.ts';

type Fields = Omit<RaftEvent, 'seq' | 'at' | 'term'> & { readonly term?: number };

/** How often links are looked over for peers that refuse us: a refused dial is no change of a link. */
const LINKS_MS = 1_000;

const TRANSFER_CAUSES: Record<TransferCause, EventCause> = {
  ASKED: 'TRANSFER_ASKED',
  UNFIT: 'APP_UNHEALTHY',
  PRIORITY: 'PRIORITY',
};

export class Recorder {
  readonly events = new EventLog();
  readonly clock = new RecordClock();
  readonly stages: EntryStages;
  readonly #raft: () => Raft;
  readonly #turnMs: number;
  /** Undefined until the node takes its turns. */
  #loop: LoopWatch | undefined;
  readonly #disk: DiskWatch;
  #role: RaftEvent['role'];
  /** When the role changed last, on the monotonic clock. */
  #roleSince = performance.now();
  #commit = 0;
  #commitAt = Number.NEGATIVE_INFINITY;
  #linksDue = 0;
  /** Peers that refuse us, with the reason they gave. */
  readonly #refusing = new Map<string, string>();
  /** When an event that may repeat itself was recorded last, and what it said; by kind and peer. */
  readonly #said = new Map<string, { readonly what: string; readonly at: number }>();

  /** `turnMs`: how often `turn` is called. `raft`: the core, which a restart replaces. */
  constructor(raft: () => Raft, lastIndex: number, turnMs: number) {
    this.#raft = raft;
    this.stages = new EntryStages(lastIndex);
    this.#turnMs = turnMs;
    this.#disk = new DiskWatch(({ ms, ...news }) => this.#record({ ...news, ms: Math.round(ms) }));
  }

  get roleSince(): number {
    return this.#roleSince;
  }

  // ---------------------------------------------------------------- life of the process

  /** The disk was read. */
  started(): void {
    const { role, log } = this.#raft();
    this.#role = role;
    this.#record({ kind: 'STARTED', cause: 'STARTED', role, index: log.lastIndex });
  }

  /** From now on `turn` is called. */
  turnsBegin(): void {
    this.#loop = new LoopWatch(this.#turnMs, performance.now());
  }

  /** Consensus began again from the disk: what was not durable is gone. */
  restarted(): void {
    const { role, log } = this.#raft();
    this.#role = role;
    this.stages.truncated(log.lastIndex);
  }

  /** An operator's SKIP of the command at `index` is committed. */
  skipped(index: number): void {
    this.#record({ kind: 'SKIPPED', cause: 'OPERATOR', index });
  }

  /** The app's log reached an APP_VERSION at `index`: what follows is of `version`. */
  appVersion(index: number, version: number): void {
    this.#record({ kind: 'APP_VERSION', cause: 'OPERATOR', index, version });
  }

  stopping(cause: 'SHUTTING_DOWN' | 'FAULT', reason: string): void {
    this.#record({ kind: 'STOPPING', cause, reason });
  }

  /** The regular turn of the node; `oldestWriteMs`: how long the oldest write has been waiting for the disk. */
  turn(now: number, oldestWriteMs: number, links: () => readonly PeerLinkStatus[]): void {
    this.#stalled(this.#loop?.turn(now), now);
    this.clock.follow();
    this.#disk.look(oldestWriteMs, now);
    this.#recordCommit(now);
    if (now < this.#linksDue) return;
    this.#linksDue = now + LINKS_MS;
    for (const { id, state, reason } of links()) if (state === 'REFUSED') this.#refused(id, reason);
  }

  #recordCommit(now: number): void {
    const { commitIndex, role } = this.#raft();
    if (commitIndex <= this.#commit) return;
    // Nobody reads them now: do not let them push out what is worth more.
    const pause = this.events.watched ? LIMITS.commitEventMs : LIMITS.commitEventUnwatchedMs;
    if (now - this.#commitAt < pause) return;
    const cause = role === 'LEADER' ? 'QUORUM' : 'LEADER_SAID';
    this.#record({ kind: 'COMMIT', cause, index: commitIndex, entries: commitIndex - this.#commit });
    this.#commit = commitIndex;
    this.#commitAt = now;
  }

  // ---------------------------------------------------------------- consensus

  role(effect: RoleEffect): void {
    const { role, term, leader, cause, silentMs } = effect;
    const was = this.#role ?? role;
    if (was !== role) this.#roleSince = performance.now();
    this.#role = role;
    // A candidate that nobody answers asks again at every timeout: that is no change.
    if (this.#repeats('ROLE', '', `${role} ${term} ${leader} ${cause}`, LIMITS.sameEventMs)) return;
    const ms = Number.isFinite(silentMs) ? { ms: Math.round(silentMs) } : {};
    this.#record({ kind: 'ROLE', cause, term, role, was, leader, ...ms });
  }

  note(note: NoteEffect): void {
    const { peer } = note;
    switch (note.about) {
      case 'VOTE_GIVEN':
      case 'VOTE_RECEIVED': {
        const { about: kind, term, preVote, granted } = note;
        const cause = granted ? 'GRANTED' : refusalCause(note.reason);
        if (this.#repeats(kind, peer, `${term} ${preVote} ${cause}`, LIMITS.sameEventMs)) return;
        return this.#record({ kind, cause, term, peer, granted, preVote });
      }
      case 'CONTACT_LOST':
        return this.#record({ kind: note.about, cause: 'NO_REPLY', peer, ms: Math.round(note.ms) });
      case 'CONTACT_REGAINED':
        return this.#record({ kind: note.about, cause: 'REPLIED', peer, ms: Math.round(note.ms) });
      case 'APPEND_REJECTED': {
        const { about: kind, cause, index, hint } = note;
        if (this.#repeats(kind, peer, '', LIMITS.rejectedEventMs)) return;
        return this.#record({ kind, cause, peer, index, through: hint });
      }
      case 'TRUNCATED': {
        const { about: kind, first, last, oldTerm } = note;
        return this.#record({ kind, cause: 'CONFLICT', peer, index: first, through: last, oldTerm });
      }
      case 'TRANSFER_STARTED': {
        return this.#record({ kind: note.about, cause: TRANSFER_CAUSES[note.cause], peer });
      }
      case 'SNAPSHOT_OUTRUN':
        return this.snapshotOutrun(peer, note.index, note.first);
      case 'CAMPAIGN_POSTPONED':
        return this.#record({ kind: note.about, cause: 'APP_UNHEALTHY', peer });
    }
  }

  transferFailed(peer: string, reason: string): void {
    this.#record({ kind: 'TRANSFER_FAILED', cause: 'TRANSFER_FAILED', peer, reason });
  }

  /** The entry at `index` says who the members are, not committed yet. */
  membership(index: number, words: string): void {
    this.#record({ kind: 'MEMBERSHIP', cause: 'OPERATOR', index, reason: words });
  }

  snapshotTaken(index: number, bytes: number, ms: number): void {
    this.#record({ kind: 'SNAPSHOT_TAKEN', cause: 'TAKEN', index, bytes, ms: Math.round(ms) });
  }

  snapshotFailed(reason: string): void {
    if (this.#repeats('SNAPSHOT_FAILED', '', reason, LIMITS.sameEventMs)) return;
    this.#record({ kind: 'SNAPSHOT_FAILED', cause: 'FAILED', reason });
  }

  snapshotFetching(peer: string, index: number, bytes: number, cause: 'BEGUN' | 'RESUMED'): void {
    this.#record({ kind: 'SNAPSHOT_FETCHING', cause, peer, index, bytes });
  }

  snapshotInstalled(index: number, bytes: number): void {
    this.stages.committed.rise(index, this.clock.now());
    this.#record({ kind: 'SNAPSHOT_INSTALLED', cause: 'FETCHED', index, bytes });
  }

  /** What is kept of the log is less than comes in while a snapshot is sent, or while an app takes one. */
  snapshotOutrun(peer: string, index: number, first: number): void {
    if (this.#repeats('SNAPSHOT_OUTRUN', peer, String(index), LIMITS.sameEventMs)) return;
    this.#record({ kind: 'SNAPSHOT_OUTRUN', cause: 'GAP', peer, index, through: first });
  }

  compacted(index: number): void {
    this.#record({ kind: 'COMPACTED', cause: 'SNAPSHOT', index });
  }

  whole(): void {
    this.#record({ kind: 'WHOLE', cause: 'REPAIRED' });
  }

  // ---------------------------------------------------------------- watermarks

  /** Entries up to `last` are on their way to the disk, after those from `truncateFrom` on were dropped. */
  appended(truncateFrom: number | undefined, last: number | undefined): void {
    if (truncateFrom !== undefined) this.stages.truncated(truncateFrom - 1);
    if (last !== undefined) this.stages.appended.rise(last, this.clock.now());
  }

  /** `at` on the monotonic clock: what followed from it was done since. */
  durable(index: number, at: number): void {
    this.stages.durable.rise(index, this.clock.at(at));
  }

  committed(index: number): void {
    this.stages.committed.rise(index, this.clock.now());
  }

  delivered(index: number): void {
    this.stages.delivered.rise(index, this.clock.now());
  }

  applied(index: number): void {
    this.stages.applied.rise(index, this.clock.now());
  }

  /** Commands of our own clients, waiting since `waitedSince` (monotonic), have these places in the log. */
  placed(first: number, last: number, waitedSince: number): void {
    this.stages.proposed.add(first, last, this.clock.at(waitedSince));
  }

  // ---------------------------------------------------------------- surroundings

  /** The link on which we send to `peer`. */
  link(peer: string, up: boolean, reason: string): void {
    this.#refusing.delete(peer);
    if (up) this.#record({ kind: 'PEER_UP', cause: 'CONNECTED', peer });
    else this.#record({ kind: 'PEER_DOWN', cause: 'LOST', peer, reason });
  }

  #refused(peer: string, reason: string): void {
    if (this.#refusing.get(peer) === reason) return;
    this.#refusing.set(peer, reason);
    this.#record({ kind: 'PEER_DOWN', cause: 'REFUSED', peer, reason });
  }

  /** `index`: how far the app is. */
  app({ state, condition, reason, entry }: AppChange, index: number): void {
    const about = entry === undefined ? {} : { entry };
    this.#record({ kind: 'APP', cause: `APP_${state}`, state, condition, reason, index, ...about });
  }

  /** Apps have different states after the same entries. */
  appsDiffer({ verdict, nodes, after, through }: Finding, reason: string): void {
    const who = nodes.length === 1 ? { peer: nodes[0] ?? '' } : {};
    this.#record({ kind: 'APP_DIVERGED', cause: verdict, index: after, through, reason, ...who });
  }

  /** One commit of the log took `ms`. */
  wrote(ms: number): void {
    const now = performance.now();
    this.#stalled(this.#loop?.late(now), now);
    this.#disk.wrote(ms, now);
  }

  diskFull(reason: string): void {
    this.#record({ kind: 'DISK_FULL', cause: 'NO_SPACE', reason });
  }

  /** Somebody planted a fault, or one is over. */
  fault(fault: FaultStatus, cause: 'BEGAN' | 'OPERATOR' | 'EXPIRED'): void {
    const { id, kind: state, peer, ttlMs, since } = fault;
    const what = { state, ...(peer === '' ? {} : { peer }), reason: `${id}: it ${describeFault(fault)}` };
    if (cause === 'BEGAN') this.#record({ ...what, kind: 'FAULT_BEGAN', cause: 'OPERATOR', ms: ttlMs });
    else this.#record({ ...what, kind: 'FAULT_ENDED', cause, ms: Math.max(0, Date.now() - since) });
  }

  /** News of a certificate that is for these uses; `ms` until it ends. */
  certificate(
    cause: 'EXPIRING' | 'EXPIRED' | 'RENEWED' | 'REFUSED',
    uses: readonly CertificateUse[],
    reason: string,
    ms: number,
  ): void {
    this.#record({ kind: 'CERTIFICATE', cause, state: uses.join('+'), reason, ms: Math.round(ms) });
  }

  diskHasSpace(): void {
    this.#record({ kind: 'DISK_SPACE', cause: 'SPACE' });
  }

  // ----------------------------------------------------------------

  #stalled(stall: ReturnType<LoopWatch['turn']>, now: number): void {
    if (stall === undefined) return;
    this.#disk.stalled(stall.ms, now);
    this.#append({ kind: 'LOOP_SLOW', cause: stall.cause, ms: Math.round(stall.ms) });
  }

  #record(fields: Fields): void {
    const now = performance.now();
    this.#stalled(this.#loop?.late(now), now);
    this.#append(fields);
  }

  #append(fields: Fields): void {
    this.events.record({ at: this.clock.now(), term: this.#raft().term, ...fields });
  }

  /** True when the last event of this kind and peer said the same, and was recorded less than `ms` ago. */
  #repeats(kind: string, peer: string, what: string, ms: number): boolean {
    const key = `${kind} ${peer}`;
    const now = performance.now();
    const last = this.#said.get(key);
    if (last !== undefined && last.what === what && now - last.at < ms) return true;
    this.#said.set(key, { what, at: now });
    return false;
  }
}

/** The core's word for a refused vote, as an event's cause. */
function refusalCause(reason: string): EventCause {
  switch (reason) {
    case 'VOTED_OTHER':
      return 'ALREADY_VOTED';
    case 'OLD_TERM':
    case 'LOG_BEHIND':
    case 'LEADER_ALIVE':
    case 'LOG_UNPROVEN':
      return reason;
    case 'NOT_VOTER':
      return 'NOT_A_VOTER';
    default:
      // A newer version's word for it: that it was refused is certain.
      return 'REFUSED';
  }
}
