/**
 * The node as HTTP sees it: status, log pages, term runs, events, health checks, and requests as promises.
 */

import { type Refusal, refusal } from '../../shared/codes.ts';
import { type Entry, entryKindName } from '../../shared/entry.ts';
import { explain } from '../../shared/explain/explain.ts';
import type { Evidence, Explanation, Question } from '../../shared/explain/types.ts';
import type { FaultPlan, FaultStatus } from '../../shared/faults.ts';
import type {
  Check,
  LeaderView,
  LogEntryView,
  LogPage,
  MemberStatus,
  NodeStatus,
  TermsView,
} from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { MemberChange } from '../../shared/messages.ts';
import type { ProposeResult, SessionResult } from '../app/host.ts';
import type {
  EventFeed,
  HttpHost,
  HttpProposal,
  HttpSessionRequest,
  MembersChanged,
  ReadableSnapshot,
  TakenSnapshot,
} from '../http/host.ts';
import type { NodeAppHost } from './app-host.ts';
import { nodeStatus, type StatusParts } from './node-status.ts';

const NO_FAULTS = refusal(
  'UNSUPPORTED',
  'faults can be planted only in a sidecar that was started with --control',
);
const TWO_VOTERS = 'with two voters the cluster stops when either of them does: add a third one';

export interface HttpHostParts extends StatusParts {
  readonly app: NodeAppHost;
  /** Our own HTTP base URL, once bound. */
  readonly http: () => string;
  readonly metrics: () => Promise<{ contentType: string; text: string }>;
}

export class NodeHttpHost implements HttpHost {
  readonly #parts: HttpHostParts;

  constructor(parts: HttpHostParts) {
    this.#parts = parts;
  }

  status(): NodeStatus {
    return nodeStatus(this.#parts, this.members());
  }

  leader(): LeaderView {
    const { node } = this.#parts;
    const { raft } = node.driver;
    const http = this.members().find((member) => member.id === raft.leader)?.http ?? '';
    return {
      leader: raft.leader === '' ? null : raft.leader,
      http: http === '' ? null : http,
      term: raft.term,
      // One that stops takes no commands any more.
      isLeader: node.closed === undefined && raft.holdsQuorum(performance.now()),
    };
  }

  members(): readonly MemberStatus[] {
    const { node } = this.#parts;
    const links = new Map(node.options.transport.links().map((link) => [link.id, link]));
    const { learners, book = [] } = node.driver.raft.membership;
    return node.members.all.map((member) => {
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
        priority: book.find(({ id }) => id === member.id)?.priority ?? 0,
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
      check('app', node.app.state === 'CONNECTED', `the app is ${node.app.condition}: ${node.app.reason}`),
      check(
        'caught-up',
        raft.commitIndex > 0 && lag <= LIMITS.windowEntries,
        raft.commitIndex === 0
          ? 'no leader has said yet what is committed'
          : `the app is ${lag} entries behind`,
      ),
      check('running', node.closed?.code !== 'SHUTTING_DOWN', 'the sidecar is stopping'),
    ];
  }

  async log(from: number, to: number, limit: number, withStages: boolean): Promise<LogPage> {
    const { node } = this.#parts;
    const { stages } = node.recorder;
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
      entries: entries.map((entry) =>
        withStages ? { ...view(entry), stages: stages.of(entry.index) } : view(entry),
      ),
    };
  }

  terms(): TermsView {
    const { node } = this.#parts;
    const { raft } = node.driver;
    return {
      runs: raft.log.runs.list(),
      snapshotIndex: raft.log.baseIndex,
      snapshotTerm: raft.log.runs.baseTerm,
      commitIndex: raft.commitIndex,
      appliedIndex: node.app.applied,
    };
  }

  events(): EventFeed {
    return this.#parts.node.recorder.events;
  }

  /** From what this node knows of itself: it does not ask the others. */
  async explain(question: Question): Promise<Explanation> {
    return explain(question, await this.#evidence(question));
  }

  async #evidence({ about, id }: Question): Promise<Evidence> {
    const { node } = this.#parts;
    const { events, clock } = node.recorder;
    const { generation } = events;
    const index = Number(id);
    const page = about === 'entry' ? await this.log(index, index, 1, true) : undefined;
    const entry = page?.entries[0];
    return {
      cluster: node.options.cluster,
      now: clock.now(),
      nodes: [
        {
          node: node.id,
          reachable: true,
          reason: '',
          status: this.status(),
          terms: this.terms(),
          events: events.since(0).map((event) => ({ ...event, node: node.id, generation })),
          ...(entry === undefined ? {} : { entry }),
        },
      ],
    };
  }

  propose(request: HttpProposal): Promise<ProposeResult | Refusal> {
    return new Promise((resolve) => {
      this.#parts.app.propose({ ...request, expectedTerm: undefined, wait: 'APPLIED' }, resolve);
    });
  }

  session(request: HttpSessionRequest): Promise<SessionResult | Refusal> {
    return new Promise((resolve) => this.#parts.app.session(request, resolve));
  }

  skip(index: number, reason: string, timeoutMs: number): Promise<{ index: number; at: number } | Refusal> {
    return new Promise((resolve) => this.#parts.app.skip(index, reason, timeoutMs, resolve));
  }

  setAppVersion(...asked: Parameters<HttpHost['setAppVersion']>): ReturnType<HttpHost['setAppVersion']> {
    return this.#parts.app.setAppVersion(...asked);
  }

  async changeMembers(change: MemberChange, timeoutMs: number): Promise<MembersChanged | Refusal> {
    const { node } = this.#parts;
    const before = node.driver.raft.membership.voters.length;
    const outcome = await node.members.change(change, timeoutMs);
    if ('code' in outcome) return outcome;
    const { index, membership } = outcome;
    const { voters, learners } = membership;
    // One of two that fails stops the cluster, as the only one did: nothing is gained until there is a third.
    const two = voters.length === 2 || (before === 1 && learners.length > 0);
    return { index, voters, learners, ...(two ? { warning: TWO_VOTERS } : {}) };
  }

  async takeSnapshot(): Promise<TakenSnapshot | Refusal> {
    const { snapshots } = this.#parts.node;
    if (snapshots === undefined) return refusal('UNSUPPORTED', 'this node takes no snapshots');
    const taken = await snapshots.take();
    if ('code' in taken) return taken;
    const { index, term } = taken.meta.point;
    return { index, term, bytes: taken.bytes };
  }

  snapshot(index: number | undefined): ReadableSnapshot | Refusal {
    const { snapshots } = this.#parts.node;
    if (snapshots === undefined) return refusal('UNSUPPORTED', 'this node takes no snapshots');
    const found = snapshots.folder.full.findLast(
      ({ meta }) => (index ?? meta.point.index) === meta.point.index,
    );
    if (found === undefined)
      return refusal('NOT_FOUND', `this node has no snapshot${index === undefined ? '' : ` of ${index}`}`);
    if (snapshots.giver.readers >= LIMITS.snapshotReaders)
      return refusal('OVERLOADED', 'others are reading snapshots of this node', { retryAfterMs: 1_000 });
    const { index: at, term } = found.meta.point;
    return {
      ...{ index: at, term, bytes: found.bytes, digest: found.digest.toString('hex') },
      read: (offset) => snapshots.giver.read(found, offset),
    };
  }

  read(request: Parameters<HttpHost['read']>[0]): Promise<{ index: number } | Refusal> {
    return new Promise((resolve) => this.#parts.app.read(request, resolve));
  }

  faults(): readonly FaultStatus[] | Refusal {
    return this.#parts.faults?.list() ?? NO_FAULTS;
  }

  plantFault(plan: FaultPlan): FaultStatus | Refusal {
    const { faults, node } = this.#parts;
    if (faults === undefined) return NO_FAULTS;
    const isPeer = plan.peer !== node.id && node.members.all.some(({ id }) => id === plan.peer);
    if (plan.peer !== '' && !isPeer)
      return refusal('BAD_REQUEST', `${plan.peer} is not a peer of ${node.id}`);
    return (
      faults.plant(plan) ??
      refusal('OVERLOADED', `${LIMITS.faults} faults are planted here already: end one`, {
        retryAfterMs: 1_000,
      })
    );
  }

  endFault(id: string): FaultStatus | Refusal {
    const { faults } = this.#parts;
    if (faults === undefined) return NO_FAULTS;
    return faults.end(id) ?? refusal('NOT_FOUND', `there is no fault ${id} here`);
  }

  async transfer(to: string): Promise<{ leader: string; term: number } | Refusal> {
    const { node } = this.#parts;
    const leader = node.driver.raft.leader === '' ? undefined : node.driver.raft.leader;
    if (to !== '' && !node.members.all.some((member) => member.id === to)) {
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
