/** A small cluster as the page's tests see it: n1 leads, n2 is a little behind, n3 has a tail of its own and an app that stalls. */

import { type NodeSample, type NodeTerms, viewCluster } from '../../shared/cluster-view.ts';
import type { NodeEvent } from '../../shared/events.ts';
import type { Explanation } from '../../shared/explain/types.ts';
import type { NodeStatus, ProgressStatus, TermsView } from '../../shared/inspect.ts';
import type { EntryDetails, PanelSnapshot, SeriesPoint } from '../../shared/panel-protocol.ts';
import type { TermRun } from '../../shared/term-runs.ts';
import { QUIET_STATUS } from '../support/quiet.ts';

/** The moment of every picture. */
export const NOW = 1_700_000_000_000;

export function statusOf(node: string, more: Partial<NodeStatus> = {}): NodeStatus {
  return {
    protocol: 1,
    cluster: 'orders',
    node,
    group: '',
    version: '0.1.0',
    role: 'FOLLOWER',
    term: 7,
    leader: 'n1',
    votedFor: 'n1',
    commitIndex: 990,
    appliedIndex: 980,
    deliveredIndex: 985,
    durableIndex: 1_000,
    firstIndex: 11,
    lastIndex: 1_000,
    lastTerm: 7,
    snapshotIndex: 10,
    membership: { voters: ['n1', 'n2', 'n3'], outgoing: [], learners: [] },
    members: ['n1', 'n2', 'n3'].map((id) => ({
      id,
      peer: `127.0.0.1:700${id.slice(1)}`,
      http: `http://127.0.0.1:800${id.slice(1)}`,
      kind: 'VOTER',
      self: id === node,
      connected: true,
      reason: '',
    })),
    progress: [],
    app: { state: 'CONNECTED', name: 'kv', epoch: 1, reason: '', since: NOW },
    ...QUIET_STATUS,
    uptimeMs: 60_000,
    generation: `run-${node}`,
    now: NOW,
    leaderContactMs: 10,
    applyLag: { entries: 10, ms: 40 },
    ...more,
  };
}

export function progressOf(
  id: string,
  matchIndex: number,
  more: Partial<ProgressStatus> = {},
): ProgressStatus {
  return {
    id,
    matchIndex,
    nextIndex: matchIndex + 1,
    state: 'REPLICATE',
    inflightBytes: 0,
    lagEntries: 1_000 - matchIndex,
    lagMs: 1_500,
    lastContactMs: 12,
    appliedIndex: Math.min(matchIndex, 980),
    commitIndex: Math.min(matchIndex, 990),
    behind: 'CATCHING_UP',
    ...more,
  };
}

export const LEADER_STATUS = statusOf('n1', {
  role: 'LEADER',
  leaderContactMs: null,
  progress: [progressOf('n2', 995), progressOf('n3', 400, { state: 'PROBE', behind: 'PROBING' })],
});

export const LEADER_TERMS: TermsView = terms(
  [
    { term: 1, first: 11, last: 100 },
    { term: 3, first: 101, last: 400 },
    { term: 7, first: 401, last: 1_000 },
  ],
  990,
  980,
);

export function terms(runs: readonly TermRun[], commitIndex: number, appliedIndex: number): TermsView {
  return { runs, snapshotIndex: 10, snapshotTerm: 1, commitIndex, appliedIndex };
}

const SAMPLES: readonly NodeSample[] = [
  LEADER_STATUS,
  statusOf('n2', { lastIndex: 995, commitIndex: 988 }),
  statusOf('n3', {
    lastIndex: 450,
    commitIndex: 400,
    appliedIndex: 390,
    app: {
      state: 'STALLED',
      name: 'kv',
      epoch: 1,
      reason: 'it applied nothing for 12 s',
      since: NOW - 12_000,
    },
  }),
].map((status) => ({
  id: status.node,
  http: `http://127.0.0.1:800${status.node.slice(1)}`,
  link: { state: 'CONNECTED', reason: '', since: NOW - 60_000 },
  status,
  statusAt: NOW,
}));

export const TERMS: readonly NodeTerms[] = [
  { node: 'n1', source: 'NODE', terms: LEADER_TERMS },
  {
    node: 'n2',
    source: 'NODE',
    terms: terms(
      [
        { term: 1, first: 11, last: 100 },
        { term: 3, first: 101, last: 400 },
        { term: 7, first: 401, last: 995 },
      ],
      988,
      980,
    ),
  },
  {
    node: 'n3',
    source: 'NODE',
    terms: terms(
      [
        { term: 1, first: 11, last: 100 },
        { term: 3, first: 101, last: 400 },
        { term: 5, first: 401, last: 450 },
      ],
      400,
      390,
    ),
  },
];

/** 250 events: elections, commits, links. Every hundredth ms before NOW one. */
export const EVENTS: readonly NodeEvent[] = Array.from({ length: 250 }, (_none, at): NodeEvent => {
  const node = `n${(at % 3) + 1}`;
  const base = { node, generation: `run-${node}`, seq: at + 1, at: NOW - (249 - at) * 100, term: 7 };
  if (at === 100)
    return { ...base, kind: 'ROLE', cause: 'VOTE_WON', role: 'LEADER', was: 'CANDIDATE', leader: node };
  if (at % 5 === 0)
    return { ...base, kind: 'PEER_DOWN', cause: 'LOST', peer: 'n2', reason: 'the connection was reset' };
  return { ...base, kind: 'COMMIT', cause: 'QUORUM', index: 700 + at, entries: 1 };
});

export const POINTS: readonly SeriesPoint[] = Array.from({ length: 120 }, (_none, at) => ({
  at: NOW - (119 - at) * 250,
  throughput: at === 0 ? null : 100 + at,
  replicatedLag: [0, at % 7, 400 + at],
  appliedLag: [10, 10, 500],
}));

export function snapshot(more: Partial<PanelSnapshot> = {}): PanelSnapshot {
  return {
    type: 'snapshot',
    generation: 1,
    sequence: 1,
    cluster: viewCluster('orders', SAMPLES, NOW),
    terms: TERMS,
    events: EVENTS,
    forgotten: 12,
    series: { nodes: ['n1', 'n2', 'n3'], points: POINTS },
    ...more,
  };
}

export const EXPLANATION: Explanation = {
  about: 'leader',
  id: '',
  cause: 'LEADER_PAUSED',
  certainty: 'LIKELY',
  answer: 'n3 was paused for 2.1 s, so n1 was elected in term 7.',
  evidence: [
    { node: 'n3', at: NOW - 5_000, seq: 9, generation: 'run-n3', text: 'the process did not run for 2.1 s' },
    { node: 'n1', text: 'term 7' },
  ],
  next: 'Find out what stopped n3.',
  stages: [
    { node: 'n1', name: 'durable', fromMs: 0, toMs: 2.5 },
    { node: 'n2', name: 'committed', fromMs: 2.5, toMs: 9 },
  ],
};

export const ENTRY: EntryDetails = {
  node: 'n1',
  index: 1_000,
  term: 7,
  kind: 'COMMAND',
  size: 17,
  time: NOW,
  decoded: { decoder: 'JSON', text: '{ "set": "x=1" }' },
};

/** A log of `entries` entries and `elections` terms on so many nodes. */
export function longLog(entries: number, elections: number, nodes: number): PanelSnapshot {
  const size = Math.floor(entries / elections);
  const runs = Array.from({ length: elections }, (_none, at) => ({
    term: at + 1,
    first: at * size + 1,
    last: at === elections - 1 ? entries : (at + 1) * size,
  }));
  const names = Array.from({ length: nodes }, (_none, at) => `n${at + 1}`);
  const samples = names.map(
    (id): NodeSample => ({
      id,
      http: '',
      link: { state: 'CONNECTED', reason: '', since: NOW },
      status: statusOf(id, {
        role: id === 'n1' ? 'LEADER' : 'FOLLOWER',
        term: elections,
        lastIndex: entries,
        commitIndex: entries - 5,
        appliedIndex: entries - 9,
        progress:
          id === 'n1'
            ? names.slice(1).map((one) =>
                progressOf(one, entries - 3, {
                  lagEntries: 3,
                  commitIndex: entries - 5,
                  appliedIndex: entries - 9,
                }),
              )
            : [],
      }),
      statusAt: NOW,
    }),
  );
  return snapshot({
    cluster: viewCluster('orders', samples, NOW),
    terms: names.map((node) => ({
      node,
      source: 'NODE',
      terms: { ...terms(runs, entries - 5, entries - 9), snapshotIndex: 0, snapshotTerm: 0 },
    })),
  });
}
