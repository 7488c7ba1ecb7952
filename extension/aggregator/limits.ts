/**
 * Every limit and pace of the aggregator, by name, with what happens at it. Sizes are bytes, times milliseconds.
 *
 * MUST: hold what bounds memory, connections and messages, so that one misbehaving sidecar costs a known amount.
 */
export const AGGREGATOR_LIMITS = {
  /** Answers. Over it: the request is given up, the link says so. */
  statusBytes: 1024 * 1024,
  termsBytes: 64 * 1024 * 1024,
  logBytes: 32 * 1024 * 1024,
  replyBytes: 2 * 1024 * 1024,
  errorBytes: 64 * 1024,
  /** Log and terms requests of one node that wait for an answer. Over it: refused. */
  requestsPerNode: 16,
  /** One line of an event stream, in characters. Over it: the stream is closed, the link is INCOMPATIBLE. */
  eventChars: 64 * 1024,
  /** Events of one node in one `eventWindowMs`. Over it: we stop reading until the next; the sidecar waits, then forgets. */
  eventsPerWindow: 1_000,
  eventWindowMs: 100,
  /** Events kept of each node. Then the oldest is forgotten, and counted. */
  eventsPerNode: 2_000,
  /** Nodes of one cluster, clusters at once, addresses typed by hand per cluster. Over it: not shown, and said. */
  nodesPerCluster: 64,
  clusters: 32,
  addresses: 16,
  /** Clusters that were detached and are not watched by themselves. Then the oldest is forgotten. */
  detached: 100,
  /** Open panels, and requests of one that wait for an answer. Over it: refused. */
  panels: 16,
  requestsPerPanel: 32,
  /** Events in one `raft/newEvents`. The rest goes in the next. */
  newEvents: 500,
  /** Text proposed by hand, in bytes of UTF-8. Over it: refused (the sidecar's own limit). */
  proposalBytes: 1024 * 1024,
} as const;

/** Paces. Tests may give others. */
export interface Timing {
  /** From one answer to `/v1/status` to the next question, while somebody looks. What changes a picture comes as an event at once. */
  readonly pollMs: number;
  /** The shortest such pause, however many events call for a look at once. */
  readonly pollMinMs: number;
  /** The connection stands and nothing came for so long: the node is SILENT. */
  readonly silentMs: number;
  /** One question as a whole. Then it is given up and asked anew. */
  readonly requestMs: number;
  /** A log page or term runs: a disk may be slow. */
  readonly pageMs: number;
  /** A proposal or a transfer waits for a quorum and an app. */
  readonly actMs: number;
  /** Pause before a node that cannot be reached or used is tried again: doubled from the first to the last, ±25 %. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** How often endpoint files are looked at (besides at each change that the system tells). */
  readonly scanMs: number;
  /** Term runs of one node are asked at most once in so long. */
  readonly termsMs: number;
  /** `raft/clustersChanged`: at most once in so long; at once after a role change, but never faster than the second. */
  readonly clustersMs: number;
  readonly urgentMs: number;
  /** `raft/newEvents`: at most once in so long. */
  readonly newEventsMs: number;
  /** Ages and lags in time go on while nothing else changes: looked at again after so long. */
  readonly ageMs: number;
  /** One point of the charts. */
  readonly pointMs: number;
}

export const TIMING: Timing = {
  pollMs: 500,
  pollMinMs: 50,
  silentMs: 750,
  requestMs: 5_000,
  pageMs: 10_000,
  actMs: 15_000,
  retryMinMs: 100,
  retryMaxMs: 1_000,
  scanMs: 1_000,
  termsMs: 250,
  clustersMs: 250,
  urgentMs: 25,
  newEventsMs: 100,
  ageMs: 1_000,
  pointMs: 500,
};
