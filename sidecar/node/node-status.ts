/**
 * `/v1/status`: how this node stands, and on a leader how each follower does.
 *
 * MUST: say of everything that is behind why, as far as this node can know; be made from one moment.
 */
import {
  type AppStatus,
  type BehindReason,
  type CertificateStatus,
  INSPECT_PROTOCOL,
  type MemberStatus,
  type NodeStatus,
  type ProgressStatus,
} from '../../shared/inspect.ts';
import type { Faults } from '../faults/faults.ts';
import type { Progress } from '../raft/progress.ts';
import { applyLag } from './apply-lag.ts';
import { describeFinding } from './divergence.ts';
import type { Node } from './node.ts';

export interface StatusParts {
  readonly node: Node;
  readonly version: string;
  /** Absent: none may be planted. */
  readonly faults: Faults | undefined;
  /** Highest index handed to the app. */
  readonly delivered: () => number;
  readonly certificates: () => readonly CertificateStatus[];
}

export function nodeStatus(parts: StatusParts, members: readonly MemberStatus[]): NodeStatus {
  const { node, version, faults } = parts;
  const { raft } = node.driver;
  const { app, recorder } = node;
  const { electionMinMs, electionMaxMs, heartbeatMs } = node.options.raft;
  return {
    protocol: INSPECT_PROTOCOL,
    cluster: node.options.cluster,
    node: node.id,
    group: node.group,
    version,
    role: raft.role,
    term: raft.term,
    leader: raft.leader === '' ? null : raft.leader,
    votedFor: raft.vote === '' ? null : raft.vote,
    commitIndex: raft.commitIndex,
    appliedIndex: app.applied,
    deliveredIndex: parts.delivered(),
    durableIndex: raft.durableIndex,
    firstIndex: raft.log.firstIndex,
    lastIndex: raft.log.lastIndex,
    lastTerm: raft.log.lastTerm,
    snapshotIndex: node.snapshots?.newestIndex ?? 0,
    membership: raft.membership,
    members,
    progress: raft.progress().map((p) => progressStatus(node, p)),
    app: appStatus(node),
    divergence: node.states.findings.map((finding) => ({ ...finding, reason: describeFinding(finding) })),
    sessions: { open: node.sessions.machine.table.size },
    store: storeStatus(node),
    uptimeMs: Date.now() - node.startedAt,
    generation: recorder.events.generation,
    now: recorder.clock.now(),
    timing: { electionMinMs, electionMaxMs, heartbeatMs },
    leaderContactMs: leaderContact(node),
    applyLag: applyLag(node),
    control: faults !== undefined,
    faults: faults?.list() ?? [],
    certificates: parts.certificates(),
  };
}

function leaderContact({ driver: { raft } }: Node): number | null {
  if (raft.leader === '' || raft.role === 'LEADER') return null;
  const ms = performance.now() - raft.leaderContact;
  return Number.isFinite(ms) ? Math.max(0, Math.round(ms)) : null;
}

function appStatus({ app, sessions }: Node): AppStatus {
  const { state, condition, name, epoch, reason, since, entry, fit, incidents, knows } = app;
  const version = sessions.machine.table.appVersion;
  return {
    state,
    condition,
    name,
    epoch,
    reason,
    since,
    entry: entry ?? null,
    fit,
    incidents,
    version,
    knows,
  };
}

function storeStatus(node: Node): NodeStatus['store'] {
  const { queuedWrites, queuedBytes, oldestWriteMs, commits, lastCommitMs } = node.options.store.stats();
  const { whole } = node.driver.raft;
  const { proof } = node.options.stored;
  const full = node.closed?.code === 'NO_SPACE';
  const unproven = whole || proof.whole ? '' : proof.reason;
  return {
    state: full ? 'NO_SPACE' : 'OK',
    reason: full ? (node.closed?.message ?? '') : unproven,
    whole,
    queuedWrites,
    queuedBytes,
    oldestWriteMs,
    commits,
    lastCommitMs,
  };
}

function progressStatus(node: Node, p: Progress): ProgressStatus {
  const { lastIndex } = node.driver.raft.log;
  const now = performance.now();
  return {
    id: p.id,
    matchIndex: p.match,
    nextIndex: p.next,
    state: p.state,
    inflightBytes: p.inflightBytes,
    lagEntries: lastIndex - p.match,
    lagMs: Math.round(lagMs(node, p, now)),
    lastContactMs: p.answered ? Math.max(0, Math.round(now - p.lastContact)) : null,
    appliedIndex: p.applied,
    commitIndex: p.commit,
    behind: behindReason(node, p, now),
    fit: p.fit,
  };
}

/** For how long the first entry that it lacks has been in the log. */
function lagMs(node: Node, p: Progress, now: number): number {
  const { log } = node.driver.raft;
  if (p.match === log.lastIndex) return 0;
  const missing = log.entryAt(Math.max(p.match + 1, log.tailFirst));
  const missingMs = missing === undefined ? 0 : Math.max(0, Date.now() - missing.time);
  // A new leader does not know yet what it has: then all we know is since when we have been asking.
  return p.match === 0 ? Math.min(missingMs, now - node.recorder.roleSince) : missingMs;
}

function behindReason(node: Node, p: Progress, now: number): BehindReason {
  const { electionMaxMs, inflightAppends, inflightBytes } = node.options.raft;
  if (p.match === node.driver.raft.log.lastIndex) return 'NONE';
  if (now - p.lastContact >= electionMaxMs) return 'NO_CONTACT';
  if (p.state === 'PROBE') return 'PROBING';
  if (p.state === 'SNAPSHOT') return 'SNAPSHOT';
  if (p.fetching !== 0) return 'FETCHING';
  return p.windowIsFull(inflightAppends, inflightBytes) ? 'WINDOW_FULL' : 'CATCHING_UP';
}
