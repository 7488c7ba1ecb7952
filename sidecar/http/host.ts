/**
 * What the HTTP surface asks of the node behind it. HTTP knows routes, tokens and origins; it knows nothing of Raft.
 */
import type { Refusal } from '../../shared/codes.ts';
import type { RaftEvent } from '../../shared/events.ts';
import type { Explanation, Question } from '../../shared/explain/types.ts';
import type { FaultPlan, FaultStatus } from '../../shared/faults.ts';
import type {
  Check,
  LeaderView,
  LogPage,
  MemberStatus,
  NodeStatus,
  TermsView,
} from '../../shared/inspect.ts';
import type { MemberChange } from '../../shared/messages.ts';

export interface HttpProposal {
  readonly command: Uint8Array;
  readonly session: number;
  readonly sequence: number;
  readonly ackBelow: number;
  readonly timeoutMs: number;
}

export interface HttpProposed {
  readonly index: number;
  readonly term: number;
  readonly result?: Uint8Array;
  /** An earlier try took effect, at `index`. */
  readonly duplicate?: boolean;
  /** A duplicate whose result this node no longer has. */
  readonly resultLost?: boolean;
}

export type HttpSessionRequest = { readonly timeoutMs: number } & (
  | { readonly act: 'OPEN'; readonly ttlMs: number | undefined }
  | { readonly act: 'KEEP' | 'CLOSE'; readonly session: number }
);

/** The newest events of this process, numbered 1, 2, 3, … without a gap. */
export interface EventFeed {
  /** Names this run of the process; letters and digits. */
  readonly generation: string;
  /** Sequence of the oldest event kept (1 while there is none), and of the newest (0 while there is none). */
  readonly first: number;
  readonly last: number;
  /** Events after `seq`, oldest first, at most `max`; those that were forgotten are missing at the front. */
  since(seq: number, max: number): readonly RaftEvent[];
  /** Calls `wake` at each new event until the returned function is called. */
  listen(wake: () => void): () => void;
}

/** What every process that serves clients answers: a sidecar, and a gateway too. `from` names the connection, nothing more. */
export interface ClientHost {
  status(): object;
  leader(): LeaderView;
  /** Every check of `/readyz`; the process is ready when all are ok. */
  readiness(): readonly Check[];
  propose(request: HttpProposal, from: object): Promise<HttpProposed | Refusal>;
  session(request: HttpSessionRequest, from: object): Promise<{ session: number; ttlMs?: number } | Refusal>;
  read(
    request: {
      consistency: 'LINEARIZABLE' | 'LEASE' | 'AT_LEAST' | 'STALE';
      index: number | undefined;
      timeoutMs: number;
    },
    from: object,
  ): Promise<{ index: number } | Refusal>;
  /** Prometheus text and its content type. */
  metrics(): Promise<{ contentType: string; text: string }>;
}

/** Who the members are, by the entry at `index`. */
export interface MembersChanged {
  readonly index: number;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  /** What an operator should know. */
  readonly warning?: string;
}

/** A snapshot of everything up to `index`, an entry of `term`; bytes of its file. */
export interface TakenSnapshot {
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
}

/** A snapshot to be read, of everything up to `index`. */
export interface ReadableSnapshot extends TakenSnapshot {
  /** Names its content; hex. */
  readonly digest: string;
  /** The bytes of its file from `offset` on. It stays on the disk until the reader is done. */
  read(offset: number): AsyncIterable<Uint8Array>;
}

/** What a sidecar answers besides. */
export interface HttpHost extends ClientHost {
  status(): NodeStatus;
  members(): readonly MemberStatus[];
  /** Entries from…to (both inclusive, clipped to the log), at most `limit` of them and of bounded size. */
  log(from: number, to: number, limit: number, withStages: boolean): Promise<LogPage>;
  terms(): TermsView;
  events(): EventFeed;
  /** Answers from what this node knows of itself. */
  explain(question: Question): Promise<Explanation>;
  /** Changes the membership; resolves once the new one alone counts, and is committed. */
  changeMembers(change: MemberChange, timeoutMs: number): Promise<MembersChanged | Refusal>;
  /** Takes a snapshot of this node's app, now. */
  takeSnapshot(): Promise<TakenSnapshot | Refusal>;
  /** The snapshot of everything up to `index`, or the newest one, with the app's bytes. */
  snapshot(index: number | undefined): ReadableSnapshot | Refusal;
  /** Has every node skip the command at `index`, for `reason`; resolves once that is committed here. */
  skip(index: number, reason: string, timeoutMs: number): Promise<{ index: number; at: number } | Refusal>;
  /**
   * Has commands be of `version` from one entry of the log on, for `reason`; resolves once that is committed here. `force`:
   * although not every app is known to know it; those that do not stop there.
   */
  setAppVersion(
    version: number,
    reason: string,
    force: boolean,
    timeoutMs: number,
  ): Promise<{ version: number; at: number } | Refusal>;
  /** The faults that are planted in this node now. UNSUPPORTED, as the next two, unless it was started for that. */
  faults(): readonly FaultStatus[] | Refusal;
  /** Plants one; a PAUSE begins a moment later. */
  plantFault(plan: FaultPlan): FaultStatus | Refusal;
  endFault(id: string): FaultStatus | Refusal;
  /** Hands leadership to `to` ('' lets the leader choose); resolves when another node leads, or with a refusal. */
  transfer(to: string): Promise<{ leader: string; term: number } | Refusal>;
}
