/**
 * Every limit, by name, with what happens at it. `docs/operations.md` shows the same table.
 * Sizes are bytes, times milliseconds.
 */
export const LIMITS = {
  /** One command. Over it: TOO_LARGE, definite. */
  commandBytes: 1024 * 1024,
  /** One frame of the app socket (a command, base64, and its wrapping fit). Over it: TOO_LARGE, then the connection closes. */
  appFrameBytes: 4 * 1024 * 1024,
  /** One frame between sidecars. Over it: the connection closes. */
  peerFrameBytes: 16 * 1024 * 1024,
  /** Open requests of one app connection. Over it: OVERLOADED, definite. */
  requestsPerConnection: 4096,
  /** App connections of one sidecar. Over it: OVERLOADED, then the connection closes. */
  appConnections: 1024,
  /** From connect to `hello`. Over it: the connection closes. */
  helloMs: 5_000,
  /** Bytes waiting to be read by one app connection. Over it: we stop reading its requests until they drained. */
  appOutputBytes: 4 * 1024 * 1024,
  /** Entries delivered to an app and not yet applied, where the app names no window. Then delivery waits. */
  windowEntries: 4096,
  windowBytes: 4 * 1024 * 1024,
  /** Bytes waiting for one peer. Over it: messages are dropped and counted (Raft sends again). */
  peerQueueBytes: 32 * 1024 * 1024,
  /** Entries of one append message: commands of at most so many bytes, at least one entry. */
  appendBytes: 512 * 1024,
  appendEntries: 4096,
  /** Appends on their way to one follower. Then the leader waits for a reply: what piles up goes in the next. */
  inflightAppends: 4,
  inflightBytes: 2 * 1024 * 1024,
  /** Entries in the leader's log that are not committed. Over it: OVERLOADED, definite. */
  uncommittedBytes: 64 * 1024 * 1024,
  /** Proposals and reads of all clients that wait for an answer. Over it: OVERLOADED, definite. */
  pendingRequests: 65_536,
  /** Newest entries kept in memory for followers and apps; older ones are read from the disk. */
  tailBytes: 32 * 1024 * 1024,
  /** Writes waiting for the disk. Over it: the node refuses proposals (OVERLOADED) and appends. */
  storeQueueBytes: 128 * 1024 * 1024,
  /** One page of `/v1/log`. Larger asks are clipped. */
  logPageEntries: 5_000,
  logPageBytes: 4 * 1024 * 1024,
  /** HTTP bodies other than a command (which has `commandBytes`). Over it: 413. */
  httpBodyBytes: 100 * 1024,
  httpConnections: 512,
  /** Longest and default time a request may wait for its answer. Longer asks are clipped. */
  requestMs: 10_000,
  requestMsMax: 600_000,
  /** How often a proposal that was surely lost is forwarded again. Then: LEADER_LOST. */
  reforwards: 16,
  /** Graceful stop: leadership handed over, requests answered. Over it: we stop anyway. */
  shutdownMs: 5_000,
} as const;
