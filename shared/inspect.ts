/**
 * Shapes of the HTTP answers (PROTOCOL §3), shared by the sidecar, the CLI and the editor.
 * Times are milliseconds; indexes and terms are safe integers; hashes are hex.
 */
import type { AppState } from './app-conditions.ts';
import type { Membership, Role } from './entry.ts';
import type { FaultStatus } from './faults.ts';
import type { TermRun } from './term-runs.ts';

export interface MemberStatus {
  readonly id: string;
  readonly peer: string;
  /** HTTP base URL, '' while unknown. */
  readonly http: string;
  readonly kind: 'VOTER' | 'LEARNER';
  readonly self: boolean;
  readonly connected: boolean;
  readonly reason: string;
  /** Who should lead: the highest, where it can. Absent from older sidecars. */
  readonly priority?: number;
}

/** One follower as the leader sees it. */
export interface ProgressStatus {
  readonly id: string;
  readonly matchIndex: number;
  readonly nextIndex: number;
  readonly state: 'PROBE' | 'REPLICATE' | 'SNAPSHOT';
  readonly inflightBytes: number;
  /** Entries of our log that it is not known to have. */
  readonly lagEntries: number;
  /** For how long it has been behind, 0 when it is not. */
  readonly lagMs: number;
  /** Since its last reply; null when it never replied in this term. */
  readonly lastContactMs: number | null;
  readonly appliedIndex: number;
  /** What it said it has committed. */
  readonly commitIndex: number;
  /** Why it is behind, as the leader sees it; NONE when it is not. */
  readonly behind: BehindReason;
  /** May it lead: is its app healthy, as far as it said? Absent from older sidecars. */
  readonly fit?: boolean;
}

/**
 * NO_CONTACT: it does not answer. PROBING: its log does not fit ours, the place where it does is being looked for.
 * SNAPSHOT: it needs a snapshot. FETCHING: what it needs is being read from our disk. WINDOW_FULL: as much as allowed is
 * on its way and not yet durable there. CATCHING_UP: it answers, and gets more. */
export type BehindReason =
  | 'NONE'
  | 'NO_CONTACT'
  | 'PROBING'
  | 'SNAPSHOT'
  | 'FETCHING'
  | 'WINDOW_FULL'
  | 'CATCHING_UP';

/** How far one thing trails another: in entries, and for how long the first missing one has been missing (ms). */
export interface Lag {
  readonly entries: number;
  readonly ms: number;
}

/** The latest time that an app fell into a condition which is not as it should be. */
export interface AppIncident {
  /** One of APP_CONDITIONS; a newer sidecar may know more. */
  readonly condition: string;
  /** How often since this process started. */
  readonly count: number;
  readonly at: number;
  readonly reason: string;
  /** The entry that it was about, null where it was about none. */
  readonly entry: number | null;
}

export interface AppStatus {
  readonly state: AppState;
  /** Which exactly: one of APP_CONDITIONS; `conditionOf` reads it. Absent, as `entry` and `incidents`, from sidecars before 0.2. */
  readonly condition?: string;
  readonly name: string;
  readonly epoch: number;
  readonly reason: string;
  /** Since when it is in this condition, ms since the epoch. */
  readonly since: number;
  /** The entry that this is about (the one it cannot apply, the oldest one it has not applied); null where it is about none. */
  readonly entry?: number | null;
  /** Good enough for its node to lead. */
  readonly fit?: boolean;
  /** The version of the commands where it stands, and the newest one that the app knows. Absent from older sidecars. */
  readonly version?: number;
  readonly knows?: number;
  /** At most one of each condition. */
  readonly incidents?: readonly AppIncident[];
}

/** Apps that have different states after the same entries, as the leader found. */
export interface DivergenceStatus {
  /** MINORITY: the app of the one of `nodes` is wrong. UNDECIDED: those of `nodes` differ, and no majority says which is right. */
  readonly verdict: 'MINORITY' | 'UNDECIDED';
  readonly nodes: readonly string[];
  /** It happened in the entries after `after` (0: not known after which) up to `through`. */
  readonly after: number;
  readonly through: number;
  /** One sentence. */
  readonly reason: string;
}

export interface StoreStatus {
  /** OK, NO_SPACE or FAULT. */
  readonly state: string;
  readonly reason: string;
  readonly whole: boolean;
  readonly queuedWrites: number;
  readonly queuedBytes: number;
  readonly oldestWriteMs: number;
  readonly commits: number;
  readonly lastCommitMs: number;
}

/** One use of a certificate of this node, while it has TLS. */
export interface CertificateStatus {
  readonly use: CertificateUse;
  /** EXPIRING: it needs to be renewed. EXPIRED: nobody takes it any more. */
  readonly state: 'VALID' | 'EXPIRING' | 'EXPIRED';
  /** Its last moment, ms since the epoch. */
  readonly notAfter: number;
  /** Why the files as they are now are not used, one sentence; '' where they are. */
  readonly reason: string;
}
export const CERTIFICATE_USES = ['PEERS', 'HTTP'] as const;
export type CertificateUse = (typeof CERTIFICATE_USES)[number];

/** Of the HTTP answers and the event stream. It grows when those who know only the old one would misread the new. */
export const INSPECT_PROTOCOL = 1;

export interface NodeStatus {
  /** Whoever asks compares it with INSPECT_PROTOCOL; a sidecar that does not say it speaks 1. */
  readonly protocol: number;
  readonly cluster: string;
  readonly node: string;
  readonly group: string;
  readonly version: string;
  readonly role: Role;
  readonly term: number;
  readonly leader: string | null;
  readonly votedFor: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly deliveredIndex: number;
  readonly durableIndex: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly snapshotIndex: number;
  readonly membership: Membership;
  readonly members: readonly MemberStatus[];
  /** Empty unless this node leads. */
  readonly progress: readonly ProgressStatus[];
  readonly app: AppStatus;
  /** On the leader: apps that differ now, empty where none do (or none tell hashes of their state). Absent from older sidecars. */
  readonly divergence?: readonly DivergenceStatus[];
  readonly sessions: { readonly open: number };
  readonly store: StoreStatus;
  readonly uptimeMs: number;
  /** Names this run of the process; events are numbered within it (events.ts). */
  readonly generation: string;
  /** Wall clock of the node when it answered, ms since the epoch. */
  readonly now: number;
  readonly timing: {
    readonly electionMinMs: number;
    readonly electionMaxMs: number;
    readonly heartbeatMs: number;
  };
  /** Follower: since it last heard the leader; null while it knows none, or leads. */
  readonly leaderContactMs: number | null;
  /** Committed here and not yet applied by the local app. */
  readonly applyLag: Lag;
  /** May faults be planted (`--control`)? */
  readonly control: boolean;
  /** The faults that are planted in it now. Absent from older sidecars. */
  readonly faults?: readonly FaultStatus[];
  /** Empty without TLS. Absent from older sidecars. */
  readonly certificates?: readonly CertificateStatus[];
}

/** When one node saw an entry pass each stage: wall clock of that node, ms with fractions; absent where it did not, or forgot. */
export interface StageTimes {
  /** A client handed it to this node: since when the oldest command of its batch waited. */
  readonly proposed?: number;
  /** In the log in memory, on its way to the disk (and, on the leader, to the followers). */
  readonly appended?: number;
  /** On this node's disk. */
  readonly durable?: number;
  /** Known here to be committed. */
  readonly committed?: number;
  /** Handed to the local app. */
  readonly delivered?: number;
  /** The local app said it is applied. */
  readonly applied?: number;
}

export const STAGES = ['proposed', 'appended', 'durable', 'committed', 'delivered', 'applied'] as const;

export interface LogEntryView {
  readonly index: number;
  readonly term: number;
  readonly kind: string;
  readonly time: number;
  readonly session: number | null;
  readonly sequence: number | null;
  /** Bytes of the command. */
  readonly size: number;
  /** Chain hash, hex. */
  readonly hash: string;
  /** Base64. */
  readonly command: string;
  /** With `?stages=true`, for recent entries. */
  readonly stages?: StageTimes;
}

export interface LogPage {
  readonly from: number;
  readonly to: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly entries: readonly LogEntryView[];
}

export interface TermsView {
  readonly runs: readonly TermRun[];
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

export interface LeaderView {
  readonly leader: string | null;
  readonly http: string | null;
  readonly term: number;
  /** True when this node leads and has heard from a quorum within an election timeout. */
  readonly isLeader: boolean;
}

/** The connection of a gateway to one replica. */
export interface UpstreamStatus {
  readonly id: string;
  readonly state: 'WAITING' | 'CONNECTING' | 'OPEN' | 'LEAVING' | 'REFUSED';
  /** Why it gets no requests now, '' when it may. */
  readonly reason: string;
  /** Requests on their way to it, and how many there may be. */
  readonly inFlight: number;
  readonly window: number;
}

/** `/v1/status` of a gateway: it keeps no log, so it has none of the positions of a node. */
export interface GatewayStatus {
  readonly protocol: number;
  readonly cluster: string;
  /** The gateway's own name; it is no member of the cluster. */
  readonly node: string;
  readonly group: string;
  readonly version: string;
  readonly role: 'GATEWAY';
  readonly term: number;
  readonly leader: string | null;
  readonly clients: number;
  readonly requests: { readonly open: number; readonly waiting: number; readonly commandBytes: number };
  readonly pressure: 'OK' | 'SLOW_DOWN' | 'STOP';
  readonly upstreams: readonly UpstreamStatus[];
  readonly uptimeMs: number;
  /** Wall clock when it answered, ms since the epoch. */
  readonly now: number;
}

/** A check by name; `ok` false carries one sentence. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly reason: string;
}

/** Contents of an endpoint file (PROTOCOL §2). */
export interface EndpointFile {
  readonly pid: number;
  readonly cluster: string;
  readonly node: string;
  readonly http: string;
  /** The file of the CA that its HTTPS certificate is of; absent without TLS, and where any other CA made it. */
  readonly ca?: string;
  readonly appSocket: string;
  readonly tokenFile: string;
  readonly control: boolean;
  readonly version: string;
}

/** Contents of the token file (PROTOCOL §2): one secret per scope. */
export interface TokenFile {
  readonly view: string;
  readonly write: string;
  readonly admin: string;
}
