/**
 * The node as HTTP sees it: status, log pages, term runs, health checks, and requests as promises.
 */

import { type Refusal, refusal } from '../../shared/codes.ts';
import { type Entry, entryKindName } from '../../shared/entry.ts';
import type {
  Check,
  LeaderView,
  LogEntryView,
  LogPage,
  MemberStatus,
  NodeStatus,
  ProgressStatus,
  TermsView,
} from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { ProposeResult } from '../app/host.ts';
import type { HttpHost, HttpProposal } from '../http/host.ts';
import type { PeerAddress } from '../peers/contract.ts';
import type { Progress } from '../raft/progress.ts';
import type { NodeAppHost } from './app-host.ts';
import type { Node } from './node.ts';

export interface HttpHostParts {
  readonly node: Node;
  readonly app: NodeAppHost;
  readonly version: string;
  readonly members: readonly PeerAddress[];
  /** Our own HTTP base URL, once bound. */
  readonly http: () => string;
  /** Highest index handed to the app. */
  readonly delivered: () => number;
  readonly metrics: () => Promise<{ contentType: string; text: string }>;
}

export class NodeHttpHost implements HttpHost {
  readonly #parts: HttpHostParts;

  constructor(parts: HttpHostParts) {
    this.#parts = parts;
  }

  status(): NodeStatus {
    const { node, version } = this.#parts;
    const { raft } = node.driver;
    const { app } = node;
    return {
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
      deliveredIndex: this.#parts.delivered(),
      durableIndex: raft.durableIndex,
      firstIndex: raft.log.firstIndex,
      lastIndex: raft.log.lastIndex,
      lastTerm: raft.log.lastTerm,
      snapshotIndex: 0,
      membership: raft.membership,
      members: this.members(),
      progress: raft.progress().map((p) => this.#progress(p)),
      app: { state: app.state, name: app.name, epoch: app.epoch, reason: app.reason, since: app.since },
      sessions: { open: 0 },
      store: this.#store(),
      uptimeMs: Date.now() - node.startedAt,
    };
  }

  #store(): NodeStatus['store'] {
    const { node } = this.#parts;
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

  #progress(p: Progress): ProgressStatus {
    const { log } = this.#parts.node.driver.raft;
    const lagEntries = log.lastIndex - p.match;
    const missing = log.entryAt(Math.max(p.match + 1, log.tailFirst));
    const contact = performance.now() - p.lastContact;
    return {
      id: p.id,
      matchIndex: p.match,
      nextIndex: p.next,
      state: p.state,
      inflightBytes: p.inflightBytes,
      lagEntries,
      lagMs: lagEntries === 0 || missing === undefined ? 0 : Math.max(0, Date.now() - missing.time),
      lastContactMs: Number.isFinite(contact) ? Math.round(contact) : null,
      appliedIndex: p.applied,
    };
  }

  leader(): LeaderView {
    const { raft } = this.#parts.node.driver;
    const http = this.members().find((member) => member.id === raft.leader)?.http ?? '';
    return {
      leader: raft.leader === '' ? null : raft.leader,
      http: http === '' ? null : http,
      term: raft.term,
      isLeader: raft.holdsQuorum(),
    };
  }

  members(): readonly MemberStatus[] {
    const { node, members } = this.#parts;
    const links = new Map(node.options.transport.links().map((link) => [link.id, link]));
    const { learners } = node.driver.raft.membership;
    return members.map((member) => {
      const link = links.get(member.id);
      const self = member.id === node.id;
      return {
        id: member.id,
        peer: `${member.host}:${member.port}`,
        http: self ? this.#parts.http() : (link?.http ?? ''),
        kind: learners.includes(member.id) ? 'LEARNER' : 'VOTER',
        self,
        connected: self || link?.state === 'CONNECTED',
        reason: self ? '' : (link?.reason ?? 'no link'),
      };
    });
  }

  readiness(): readonly Check[] {
    const { node } = this.#parts;
    const { raft } = node.driver;
    const lag = raft.commitIndex - node.app.applied;
    const check = (name: string, ok: boolean, reason: string): Check => ({
      name,
      ok,
      reason: ok ? '' : reason,
    });
    return [
      check('leader', raft.leader !== '', 'no leader is known'),
      check('log', raft.whole, 'the log is being repaired from the peers'),
      check('disk', node.closed?.code !== 'NO_SPACE', 'the disk is full'),
      check('app', node.app.state === 'CONNECTED', `the app is ${node.app.state}: ${node.app.reason}`),
      check(
        'caught-up',
        raft.commitIndex > 0 && lag <= LIMITS.windowEntries,
        `the app is ${lag} entries behind`,
      ),
      check('running', node.closed?.code !== 'SHUTTING_DOWN', 'the sidecar is stopping'),
    ];
  }

  async log(from: number, to: number, limit: number): Promise<LogPage> {
    const { node } = this.#parts;
    const { log, commitIndex } = node.driver.raft;
    const { firstIndex } = log;
    const first = Math.max(from, firstIndex);
    const last = Math.min(to, log.lastIndex);
    const maxEntries = Math.min(limit, LIMITS.logPageEntries);
    const entries = first > last ? [] : await node.entries(first, last, maxEntries, LIMITS.logPageBytes);
    return {
      from: first,
      to: entries.at(-1)?.index ?? first - 1,
      firstIndex,
      lastIndex: log.lastIndex,
      commitIndex,
      entries: entries.map(view),
    };
  }

  terms(): TermsView {
    const { node } = this.#parts;
    const { raft } = node.driver;
    return {
      runs: raft.log.runs.list(),
      snapshotIndex: 0,
      snapshotTerm: 0,
      commitIndex: raft.commitIndex,
      appliedIndex: node.app.applied,
    };
  }

  propose(request: HttpProposal): Promise<ProposeResult | Refusal> {
    return new Promise((resolve) => {
      this.#parts.app.propose({ ...request, expectedTerm: undefined, wait: 'APPLIED' }, resolve);
    });
  }

  read(request: Parameters<HttpHost['read']>[0]): Promise<{ index: number } | Refusal> {
    return new Promise((resolve) => this.#parts.app.read(request, resolve));
  }

  async transfer(to: string): Promise<{ leader: string; term: number } | Refusal> {
    const { node, members } = this.#parts;
    const leader = node.driver.raft.leader === '' ? undefined : node.driver.raft.leader;
    if (to !== '' && !members.some((member) => member.id === to)) {
      return refusal('BAD_REQUEST', `${to} is not a member of this cluster`, { leader });
    }
    if (to !== '' && to === leader) return { leader: to, term: node.driver.raft.term };
    if (leader === undefined) return refusal('OVERLOADED', 'no leader is known', { retryAfterMs: 1_000 });
    const failed = await node.transfer(to);
    if (failed !== undefined) return refusal('OVERLOADED', failed, { retryAfterMs: 1_000 });
    if (to !== '' && node.driver.raft.leader !== to) {
      return refusal('OVERLOADED', `${node.driver.raft.leader} leads instead`, { retryAfterMs: 1_000 });
    }
    return { leader: node.driver.raft.leader, term: node.driver.raft.term };
  }

  metrics(): Promise<{ contentType: string; text: string }> {
    return this.#parts.metrics();
  }
}

function view(entry: Entry): LogEntryView {
  return {
    index: entry.index,
    term: entry.term,
    kind: entryKindName(entry.kind),
    time: entry.time,
    session: entry.session === 0 ? null : entry.session,
    sequence: entry.sequence === 0 ? null : entry.sequence,
    size: entry.command.length,
    hash: Buffer.from(entry.hash ?? '', 'latin1').toString('hex'),
    command: Buffer.from(entry.command.buffer, entry.command.byteOffset, entry.command.length).toString(
      'base64',
    ),
  };
}
