/**
 * What is asked of the explain rules, what they look at, and what they answer.
 *
 * MUST: stay plain data. The rules (the other files of this folder) are pure functions of it: no clock, no I/O, no guesses.
 * The same rules answer in a sidecar (which knows itself alone) and in the editor (which knows all nodes).
 */
import type { LinkState } from '../cluster-view.ts';
import type { NodeEvent } from '../events.ts';
import type { LogEntryView, NodeStatus, TermsView } from '../inspect.ts';

export const QUESTIONS = ['leader', 'lag', 'entry', 'member'] as const;
/**
 * leader: why did the leader change (or: why is there none)? lag: why is a node (`id`, or whoever trails most) behind?
 * entry: what became of the entry at index `id`, and where did its time go? member: how is the member `id`, and why?
 */
export type About = (typeof QUESTIONS)[number];

export interface Question {
  readonly about: About;
  /** Node id (lag, member) or index (entry); '' for none. */
  readonly id: string;
}

/** What is known of one node. Absent parts: not known (not reachable, not asked, not permitted). */
export interface NodeEvidence {
  readonly node: string;
  /** Does it answer whoever asks now? `reason` says why not. */
  readonly reachable: boolean;
  readonly reason: string;
  /** How it does not answer, where whoever asks has a link of its own to it (in the editor): SILENT is not RETRYING. */
  readonly link?: LinkState;
  readonly status?: NodeStatus;
  /** When it said that: wall clock of whoever asks, ms; absent where it was asked just now. */
  readonly statusAt?: number;
  readonly terms?: TermsView;
  /** Oldest first. May begin late (the ring forgot) or end early (the node is gone). */
  readonly events: readonly NodeEvent[];
  /** For `entry`: that entry on this node. */
  readonly entry?: LogEntryView;
}

export interface Evidence {
  readonly cluster: string;
  /** Wall clock of whoever asks, ms. */
  readonly now: number;
  readonly nodes: readonly NodeEvidence[];
}

/** CERTAIN: the evidence leaves no other reading. LIKELY: others are possible, and named. UNKNOWN: what is missing is said. */
export type Certainty = 'CERTAIN' | 'LIKELY' | 'UNKNOWN';

/** The true causes the rules can name. */
export const EXPLAIN_CAUSES = [
  // leader
  'LEADER_KILLED',
  'LEADER_PAUSED',
  'LEADER_CUT_OFF',
  'LEADER_TRANSFERRED',
  'LEADER_STOPPED',
  'LEADER_APP_UNHEALTHY',
  'LEADER_DISK_STUCK',
  'LEADER_BUSY',
  'FIRST_ELECTION',
  'RETURNED_WITH_HIGHER_TERM',
  'LEADER_STABLE',
  'NO_QUORUM',
  'SPLIT_VOTE',
  'VOTES_REFUSED',
  // lag
  'FOLLOWER_DOWN',
  'FOLLOWER_PAUSED',
  'FOLLOWER_CUT_OFF',
  'FOLLOWER_REFUSED',
  'SLOW_DISK',
  'APP_SLOW',
  'APP_STALLED',
  'APP_ABSENT',
  'APP_CRASHED',
  'APP_LIED',
  'APP_AHEAD',
  'APP_DIVERGED',
  'APP_INCOMPATIBLE',
  'APP_CATCHING_UP',
  'APP_NOT_READING',
  'APP_FAILED',
  'APP_OUTDATED',
  'APP_CONTENDED',
  'LOG_CONFLICT',
  'NEEDS_SNAPSHOT',
  'WINDOW_FULL',
  'CATCHING_UP',
  'NOT_BEHIND',
  // entry
  'COMMITTED',
  'WAITING_FOR_QUORUM',
  'WAITING_FOR_DISK',
  'OLDER_TERM',
  'OVERWRITTEN',
  'NOT_IN_LOG',
  'COMPACTED',
  // member
  'HEALTHY',
  'LOG_UNPROVEN',
  'DISK_FULL',
  'UNREACHABLE',
  'UNKNOWN',
] as const;
export type ExplainCause = (typeof EXPLAIN_CAUSES)[number];

/** One thing seen: an event (then `seq` and `generation` name it) or a number of a status (then they are absent). */
export interface EvidenceItem {
  readonly node: string;
  readonly at?: number;
  readonly seq?: number;
  readonly generation?: string;
  readonly text: string;
}

/** One bar of the waterfall of an entry: from…to in ms since the first stage. */
export interface Stage {
  readonly node: string;
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Explanation {
  readonly about: About;
  readonly id: string;
  readonly cause: ExplainCause;
  readonly certainty: Certainty;
  /** One or two sentences: what happened and why. */
  readonly answer: string;
  /** In the order in which they explain. Never empty unless the cause is UNKNOWN. */
  readonly evidence: readonly EvidenceItem[];
  /** What to do now; '' when nothing needs doing. */
  readonly next: string;
  /** About an entry: where its time went, longest path first. */
  readonly stages?: readonly Stage[];
}
