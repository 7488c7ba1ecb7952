import assert from 'node:assert/strict';
import { Metrics, type Sample } from '../../sidecar/record/metrics.ts';

const SAMPLE: Sample = {
  role: 'FOLLOWER',
  isLeader: false,
  term: 4,
  commitIndex: 100,
  appliedIndex: 90,
  deliveredIndex: 95,
  durableIndex: 101,
  lastIndex: 102,
  storeQueueBytes: 12,
  storeOldestWriteMs: 250,
  appState: 'LAGGING',
  appCondition: 'LAGGING',
  appFit: false,
  appVersion: 2,
  appKnows: 3,
  appsDiffer: 0,
  appsEqualAt: 0,
  appIncidents: new Map([['LAGGING', 3]]),
  peers: [
    { id: 'n2', matchLagEntries: 3, droppedMessages: 7, queueBytes: 1024 },
    { id: 'n3', matchLagEntries: undefined, droppedMessages: 0, queueBytes: 0 },
  ],
  sessions: 5,
  sessionCommandsHeld: 2,
  sessionReplyBytes: 4096,
  snapshots: {
    index: 80,
    bytes: 5_000,
    logBytes: 700,
    taken: 4,
    failed: 1,
    installed: 2,
    sentBytes: 9_000,
    receivedBytes: 100,
  },
  certificates: [{ use: 'PEERS', seconds: 86_400 }],
};

describe('metrics', () => {
  let now: Sample;
  let samples: number;
  let metrics: Metrics;
  beforeEach(() => {
    now = SAMPLE;
    samples = 0;
    metrics = new Metrics({
      sample: () => {
        samples++;
        return now;
      },
    });
  });
  afterEach(() => metrics.close());

  const lines = async () => (await metrics.scrape()).text.split('\n');
  const value = async (series: string) =>
    (await lines()).find((line) => line.startsWith(`${series} `))?.slice(series.length + 1);

  it('has every public name, with a help text and a type', async () => {
    const text = await lines();
    for (const name of [
      'role',
      'term',
      'commit_index',
      'applied_index',
      'delivered_index',
      'durable_index',
      'last_index',
      'is_leader',
      'leader_changes_total',
      'elections_started_total',
      'proposals_total',
      'reads_total',
      'fsync_seconds',
      'store_queue_bytes',
      'store_oldest_write_seconds',
      'peer_match_lag_entries',
      'peer_dropped_messages_total',
      'peer_queue_bytes',
      'app_state',
      'app_lag_entries',
      'event_loop_lag_seconds',
      'forwards_total',
      'sessions',
      'session_commands_held',
      'session_reply_bytes',
      'snapshot_index',
      'snapshot_disk_bytes',
      'log_bytes',
      'snapshots_total',
      'snapshot_transfer_bytes_total',
    ]) {
      const help = text.find((line) => line.startsWith(`# HELP outrigger_${name} `)) ?? '';
      assert.match(help, /\w{3,} .*\.$/, name);
      assert.ok(
        text.some((line) => line.startsWith(`# TYPE outrigger_${name} `)),
        name,
      );
    }
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total']) {
      assert.ok(
        text.some((line) => line.startsWith(`${name} `)),
        name,
      );
    }
  });

  it('shows one sample, taken at the scrape', async () => {
    const before = samples;
    const text = await lines();
    assert.equal(samples, before + 1);
    for (const line of [
      'outrigger_role{role="FOLLOWER"} 1',
      'outrigger_role{role="LEADER"} 0',
      'outrigger_is_leader 0',
      'outrigger_term 4',
      'outrigger_commit_index 100',
      'outrigger_applied_index 90',
      'outrigger_delivered_index 95',
      'outrigger_durable_index 101',
      'outrigger_last_index 102',
      'outrigger_snapshot_index 80',
      'outrigger_snapshot_disk_bytes 5000',
      'outrigger_log_bytes 700',
      'outrigger_snapshots_total{outcome="TAKEN"} 4',
      'outrigger_snapshots_total{outcome="FAILED"} 1',
      'outrigger_snapshots_total{outcome="INSTALLED"} 2',
      'outrigger_snapshot_transfer_bytes_total{direction="SENT"} 9000',
      'outrigger_snapshot_transfer_bytes_total{direction="RECEIVED"} 100',
      'outrigger_store_queue_bytes 12',
      'outrigger_store_oldest_write_seconds 0.25',
      'outrigger_app_state{state="LAGGING"} 1',
      'outrigger_app_condition{condition="LAGGING"} 1',
      'outrigger_app_condition{condition="HEALTHY"} 0',
      'outrigger_app_incidents_total{condition="LAGGING"} 3',
      'outrigger_app_state{state="CONNECTED"} 0',
      'outrigger_app_lag_entries 10',
      'outrigger_peer_match_lag_entries{peer="n2"} 3',
      'outrigger_peer_dropped_messages_total{peer="n2"} 7',
      'outrigger_peer_queue_bytes{peer="n2"} 1024',
      'outrigger_peer_queue_bytes{peer="n3"} 0',
    ]) {
      assert.ok(text.includes(line), line);
    }
    assert.ok(!text.some((line) => line.startsWith('outrigger_peer_match_lag_entries{peer="n3"}')));
  });

  it('follows the node: a peer that left is gone, the role moves', async () => {
    await lines();
    now = { ...SAMPLE, role: 'LEADER', isLeader: true, peers: [] };
    const text = await lines();
    assert.ok(text.includes('outrigger_role{role="LEADER"} 1'));
    assert.ok(text.includes('outrigger_role{role="FOLLOWER"} 0'));
    assert.ok(text.includes('outrigger_is_leader 1'));
    assert.ok(!text.some((line) => line.includes('peer="')));
  });

  it('counts, and a second scrape does not count twice', async () => {
    metrics.countProposal('OK');
    metrics.countProposal('OK', 41);
    metrics.countProposal('TIMEOUT');
    metrics.countRead('LINEARIZABLE', 'LEADER_LOST', 2);
    metrics.countForward('OK', 5);
    metrics.electionStarted();
    metrics.leaderChanged('QUORUM_LOST');
    metrics.observeFsync(0.002);
    for (let scrape = 0; scrape < 2; scrape++) {
      assert.equal(await value('outrigger_proposals_total{outcome="OK"}'), '42');
      assert.equal(await value('outrigger_proposals_total{outcome="TIMEOUT"}'), '1');
      assert.equal(await value('outrigger_proposals_total{outcome="OVERLOADED"}'), undefined);
      assert.equal(
        await value('outrigger_reads_total{consistency="LINEARIZABLE",outcome="LEADER_LOST"}'),
        '2',
      );
      assert.equal(await value('outrigger_reads_total{consistency="STALE",outcome="OK"}'), '0');
      assert.equal(await value('outrigger_forwards_total{outcome="OK"}'), '5');
      assert.equal(await value('outrigger_elections_started_total'), '1');
      assert.equal(await value('outrigger_leader_changes_total{cause="QUORUM_LOST"}'), '1');
      assert.equal(await value('outrigger_leader_changes_total{cause="STALLED"}'), '0');
      assert.equal(await value('outrigger_fsync_seconds_bucket{le="0.001"}'), '0');
      assert.equal(await value('outrigger_fsync_seconds_bucket{le="0.0025"}'), '1');
      assert.equal(await value('outrigger_fsync_seconds_count'), '1');
    }
  });

  it('keeps two nodes of one process apart', async () => {
    const other = new Metrics({ sample: () => ({ ...SAMPLE, term: 9 }) });
    other.countProposal('OK');
    assert.equal(await value('outrigger_term'), '4');
    assert.equal(await value('outrigger_proposals_total{outcome="OK"}'), '0');
    assert.match((await other.scrape()).text, /^outrigger_term 9$/m);
    assert.match((await other.scrape()).contentType, /^text\/plain; version=0.0.4/);
    other.close();
  });

  it('sees the event loop stand still', async () => {
    await lines();
    const tick = () => new Promise((resolve) => setTimeout(resolve, 50));
    await tick();
    const until = performance.now() + 200;
    while (performance.now() < until);
    await tick();
    assert.ok(Number(await value('outrigger_event_loop_lag_seconds{quantile="1"}')) > 0.1);
  });
});
