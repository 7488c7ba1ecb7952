/**
 * The metrics of one sidecar (`/metrics`), on a registry of their own.
 *
 * MUST: cost the hot path no more than adding to a number; everything else is collected when somebody scrapes.
 * Names and labels are public: dashboards and alerts are written against them. Labels take a bounded number of
 * values (roles, causes, codes, peers), never one per session or command.
 */
import { Histogram } from 'prom-client';
import { APP_CONDITIONS, APP_STATES, type AppCondition, type AppState } from '../../shared/app-conditions.ts';
import { CAUSES, type Cause } from '../../shared/causes.ts';
import { DEFINITE_CODES, type ErrorCode, INDEFINITE_CODES } from '../../shared/codes.ts';
import type { Role } from '../../shared/entry.ts';
import type { CertificateUse } from '../../shared/inspect.ts';
import { NEWS_OUTCOMES, NEWS_WAYS, type NewsOutcome, type NewsWay } from '../../shared/leader-news.ts';
import { type Row, SampledRegistry } from './registry.ts';
import { registerSnapshots, type SnapshotSample } from './snapshot-metrics.ts';

/** How a request ended: OK, or the code it was refused or failed with. */
export type Outcome = 'OK' | ErrorCode;
export const OUTCOMES: readonly Outcome[] = ['OK', ...DEFINITE_CODES, ...INDEFINITE_CODES];

export const CONSISTENCIES = ['LINEARIZABLE', 'LEASE', 'AT_LEAST', 'STALE'] as const;
export type Consistency = (typeof CONSISTENCIES)[number];

export const ROLES: readonly Role[] = ['LEADER', 'FOLLOWER', 'CANDIDATE', 'LEARNER'];

export interface PeerSample {
  readonly id: string;
  /** Entries of our log it is not known to have; undefined unless we lead. */
  readonly matchLagEntries: number | undefined;
  readonly droppedMessages: number;
  readonly queueBytes: number;
}

/** Where the node stands now; made once per scrape. */
export interface Sample {
  readonly role: Role;
  /** Leads, and has heard from a quorum within an election timeout. */
  readonly isLeader: boolean;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly deliveredIndex: number;
  readonly durableIndex: number;
  readonly lastIndex: number;
  readonly storeQueueBytes: number;
  readonly storeOldestWriteMs: number;
  readonly appState: AppState;
  readonly appCondition: AppCondition;
  readonly appFit: boolean;
  readonly appVersion: number;
  readonly appKnows: number;
  /** On the leader: nodes whose apps differ, and the highest index at which apps were compared and equal. */
  readonly appsDiffer: number;
  readonly appsEqualAt: number;
  /** How often the app fell into each condition that is trouble. */
  readonly appIncidents: ReadonlyMap<AppCondition, number>;
  readonly peers: readonly PeerSample[];
  /** Open sessions, commands that wait at this leader for the one before them, and bytes of results kept for retries. */
  readonly sessions: number;
  readonly sessionCommandsHeld: number;
  readonly sessionReplyBytes: number;
  /** Undefined where none are taken. */
  readonly snapshots: SnapshotSample | undefined;
  /** Until the certificate of each use ends; empty without TLS. */
  readonly certificates: readonly { readonly use: CertificateUse; readonly seconds: number }[];
}

export interface MetricsOptions {
  readonly sample: () => Sample;
}

type Tally<K extends string> = Record<K, number>;

/** What a disk takes for one durable commit, from a fast NVMe (0.1 ms) to a stuck one (5 s). */
const FSYNC_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5,
];

export class Metrics {
  readonly #sampled: SampledRegistry<Sample>;
  #elections = 0;
  readonly #leaderChanges = tally(CAUSES);
  readonly #proposals = tally(OUTCOMES);
  readonly #forwards = tally(OUTCOMES);
  readonly #reads: Record<Consistency, Tally<Outcome>>;
  readonly #news: Record<NewsWay, Tally<NewsOutcome>> = {
    url: tally(NEWS_OUTCOMES),
    command: tally(NEWS_OUTCOMES),
  };
  readonly #fsync: Histogram;

  constructor({ sample }: MetricsOptions) {
    this.#sampled = new SampledRegistry(sample);
    this.#reads = {
      LINEARIZABLE: tally(OUTCOMES),
      LEASE: tally(OUTCOMES),
      AT_LEAST: tally(OUTCOMES),
      STALE: tally(OUTCOMES),
    };
    this.#fsync = new Histogram({
      name: 'outrigger_fsync_seconds',
      help: 'Time one durable commit of the log took, disk included. Its tail is the floor of every proposal; a 99th percentile over 10 ms means a slow disk.',
      buckets: FSYNC_BUCKETS,
      registers: [this.#sampled.registry],
    });
    this.#registerState();
    this.#registerRequests();
    this.#registerStoreAndApp();
    registerSnapshots(this.#sampled, (now) => now.snapshots);
    this.#registerPeers();
    this.#sampled.rows(
      'outrigger_certificate_expiry_seconds',
      'Seconds until the certificate that this node shows to peers, or to HTTP clients, ends; negative after it. Absent without TLS. Below 14 days it wants to be renewed.',
      ['use'],
      (now) =>
        now.certificates.map(({ use, seconds }): Row => [{ use: use.toLowerCase() }, Math.round(seconds)]),
    );
    this.#sampled.process();
  }

  /** One durable commit took so many seconds. */
  observeFsync(seconds: number): void {
    this.#fsync.observe(seconds);
  }

  /** Another node leads now, or none does, for this cause. */
  leaderChanged(cause: Cause): void {
    this.#leaderChanges[cause]++;
  }

  electionStarted(): void {
    this.#elections++;
  }

  /** `times` proposals taken by this node ended like this. */
  countProposal(outcome: Outcome, times = 1): void {
    this.#proposals[outcome] += times;
  }

  /** `times` reads taken by this node ended like this. */
  countRead(consistency: Consistency, outcome: Outcome, times = 1): void {
    this.#reads[consistency][outcome] += times;
  }

  /** `times` commands that this node sent on to the leader were answered like this. */
  countForward(outcome: Outcome, times = 1): void {
    this.#forwards[outcome] += times;
  }

  /** News of leadership, or a try to tell it, ended like this. */
  countNews(way: NewsWay, outcome: NewsOutcome): void {
    this.#news[way][outcome]++;
  }

  /** Everything as Prometheus text, from one sample. */
  scrape(): Promise<{ contentType: string; text: string }> {
    return this.#sampled.scrape();
  }

  /** Stops measuring the event loop. */
  close(): void {
    this.#sampled.close();
  }

  #registerState(): void {
    const state = (name: string, help: string, value: (now: Sample) => number) =>
      this.#sampled.gauge(name, help, value);
    this.#sampled.oneOf(
      'outrigger_role',
      'Role of this node: 1 for the role it has, 0 for the others.',
      'role',
      ROLES,
      (now) => now.role,
    );
    state(
      'outrigger_is_leader',
      '1 while this node leads and hears from a quorum. The sum over a cluster should be 1; 0 for long means no writes.',
      (now) => (now.isLeader ? 1 : 0),
    );
    state(
      'outrigger_term',
      'Current Raft term. Steady growth means elections that do not settle.',
      (now) => now.term,
    );
    state(
      'outrigger_commit_index',
      'Highest index known to be on a quorum of disks.',
      (now) => now.commitIndex,
    );
    state(
      'outrigger_applied_index',
      'Highest index the local app says it has applied.',
      (now) => now.appliedIndex,
    );
    state('outrigger_delivered_index', 'Highest index handed to the local app.', (now) => now.deliveredIndex);
    state('outrigger_durable_index', 'Highest index on the disk of this node.', (now) => now.durableIndex);
    state(
      'outrigger_last_index',
      'Highest index in the log of this node, durable or not.',
      (now) => now.lastIndex,
    );
    this.#sampled.totals(
      'outrigger_leader_changes_total',
      'Changes of the leader this node follows or is, by cause. More than a few per hour want a look at disk, network and CPU.',
      ['cause'],
      () => CAUSES.map((cause) => [{ cause }, this.#leaderChanges[cause]]),
    );
    this.#sampled.totals(
      'outrigger_elections_started_total',
      'Elections this node campaigned in, lost ones included.',
      [],
      () => [[{}, this.#elections]],
    );
    this.#sampled.totals(
      'outrigger_leader_news_total',
      'News of leadership told to the URL or the command of the configuration, by outcome. FAILED counts tries; GIVEN_UP means that a balancer does not know.',
      ['way', 'outcome'],
      () =>
        NEWS_WAYS.flatMap((way) =>
          NEWS_OUTCOMES.map((outcome): Row => [{ way, outcome }, this.#news[way][outcome]]),
        ),
    );
  }

  #registerRequests(): void {
    this.#sampled.totals(
      'outrigger_proposals_total',
      'Proposals taken by this node, by how they ended (OK or an error code). The rate of OK is the write throughput.',
      ['outcome'],
      () => seen(this.#proposals).map(([outcome, count]) => [{ outcome }, count]),
    );
    this.#sampled.totals(
      'outrigger_reads_total',
      'Reads taken by this node, by consistency and by how they ended.',
      ['consistency', 'outcome'],
      () =>
        CONSISTENCIES.flatMap((consistency) =>
          seen(this.#reads[consistency]).map(([outcome, count]): Row => [{ consistency, outcome }, count]),
        ),
    );
    this.#sampled.totals(
      'outrigger_forwards_total',
      'Commands this node sent on to the leader, by how that was answered. Clients that dial the leader make it 0.',
      ['outcome'],
      () => seen(this.#forwards).map(([outcome, count]) => [{ outcome }, count]),
    );
    this.#sampled.gauge(
      'outrigger_sessions',
      'Open sessions, as of what the app has applied.',
      (now) => now.sessions,
    );
    this.#sampled.gauge(
      'outrigger_session_commands_held',
      'Commands of sessions that came before their predecessor and wait for it at this leader. Lasting: a client leaves gaps.',
      (now) => now.sessionCommandsHeld,
    );
    this.#sampled.gauge(
      'outrigger_session_reply_bytes',
      'Bytes of results kept for retries. At the limit the oldest are dropped, and retries are told that theirs is gone.',
      (now) => now.sessionReplyBytes,
    );
  }

  #registerStoreAndApp(): void {
    this.#sampled.gauge(
      'outrigger_store_queue_bytes',
      'Bytes that wait for the disk. Growth means that the disk does not keep up.',
      (now) => now.storeQueueBytes,
    );
    this.#sampled.gauge(
      'outrigger_store_oldest_write_seconds',
      'Age of the oldest write that is not durable, 0 when there is none. A leader steps down when it nears an election timeout.',
      (now) => now.storeOldestWriteMs / 1000,
    );
    this.#sampled.oneOf(
      'outrigger_app_state',
      'State of the local app: 1 for the state it is in, 0 for the others. Only CONNECTED is healthy.',
      'state',
      APP_STATES,
      (now) => now.appState,
    );
    this.#sampled.oneOf(
      'outrigger_app_condition',
      'How exactly the local app stands: 1 for the condition it is in, 0 for the others. docs/protocol.md says what each means.',
      'condition',
      APP_CONDITIONS.filter((condition) => condition !== 'SUPERSEDED'),
      (now) => now.appCondition,
    );
    this.#sampled.gauge(
      'outrigger_app_fit',
      '1 while the local app is healthy enough for this node to lead. 0 on the leader for longer than the grace period means that no other node is better.',
      (now) => (now.appFit ? 1 : 0),
    );
    this.#sampled.gauge(
      'outrigger_app_version',
      'Version of the commands in force where the local app stands (APP_VERSION entries).',
      (now) => now.appVersion,
    );
    this.#sampled.gauge(
      'outrigger_app_version_known',
      'Newest version of the commands that the local app knows. Below outrigger_app_version of any node: the app stops at that entry.',
      (now) => now.appKnows,
    );
    this.#sampled.gauge(
      'outrigger_apps_differ',
      'On the leader: nodes whose apps have another state than others after the same entries. Anything but 0 is a bug of the app.',
      (now) => now.appsDiffer,
    );
    this.#sampled.gauge(
      'outrigger_apps_equal_index',
      'On the leader: highest index at which the states of apps were compared and equal. 0 for long means that apps tell no hashes of their state.',
      (now) => now.appsEqualAt,
    );
    this.#sampled.totals(
      'outrigger_app_incidents_total',
      'How often the local app fell into each condition that is not as it should be (CRASHED, FAILED, DIVERGED, …).',
      ['condition'],
      (now) => [...now.appIncidents].map(([condition, count]) => [{ condition }, count]),
    );
    this.#sampled.gauge(
      'outrigger_app_lag_entries',
      'Committed entries that the local app has not applied. Growth means that the app is slower than the writes.',
      (now) => Math.max(0, now.commitIndex - now.appliedIndex),
    );
  }

  #registerPeers(): void {
    const peers = (name: string, help: string, value: (peer: PeerSample) => number | undefined) =>
      this.#sampled.rows(name, help, ['peer'], (now) =>
        now.peers.flatMap((peer): Row[] => {
          const found = value(peer);
          return found === undefined ? [] : [[{ peer: peer.id }, found]];
        }),
      );
    peers(
      'outrigger_peer_match_lag_entries',
      'Entries of the log of this leader that the peer is not known to have. Absent unless this node leads.',
      (peer) => peer.matchLagEntries,
    );
    peers('outrigger_peer_queue_bytes', 'Bytes that wait to be sent to the peer.', (peer) => peer.queueBytes);
    this.#sampled.totals(
      'outrigger_peer_dropped_messages_total',
      'Messages to the peer that were dropped because its queue was full or it was not connected. Raft sends them again.',
      ['peer'],
      (now) => now.peers.map((peer) => [{ peer: peer.id }, peer.droppedMessages]),
    );
  }
}

function tally<K extends string>(keys: readonly K[]): Tally<K> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Tally<K>;
}

/** What happened at least once, and OK always, so that its rate is there from the start. */
function seen(counts: Tally<Outcome>): [Outcome, number][] {
  return OUTCOMES.filter((outcome) => outcome === 'OK' || counts[outcome] > 0).map((one) => [
    one,
    counts[one],
  ]);
}
