/**
 * Every limit, by name, with what happens at it.
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
  /** Connections to the app socket that wait to be accepted (the system may allow fewer). Over it: the system refuses them. */
  appBacklog: 4096,
  /** Connections told of a change (of roles, of pressure) in one turn of the event loop. Over it: the rest is told in the next. */
  appBroadcast: 1024,
  /** From connect to `hello`. Over it: the connection closes. */
  helloMs: 5_000,
  /** Bytes waiting to be read by one app connection. Over it: we stop reading its requests until they drained. */
  appOutputBytes: 4 * 1024 * 1024,
  /** The same, when answers to requests already taken still pile up. Over it: the connection is cut. */
  appOutputBytesMax: 32 * 1024 * 1024,
  /** Entries delivered to an app and not yet applied, where the app names no window. Then delivery waits. */
  windowEntries: 4096,
  windowBytes: 4 * 1024 * 1024,
  /** The largest window an app may name. Larger asks are clipped. */
  windowEntriesMax: 65_536,
  windowBytesMax: 64 * 1024 * 1024,
  /** One delivery to an app (at least one entry). The rest goes in the next. */
  deliveryEntries: 512,
  deliveryBytes: 256 * 1024,
  /** An entry delivered and not applied for so long, with no sign of the app. Then: the app is LAGGING, or STALLED. */
  appLagMs: 1_000,
  appStallMs: 10_000,
  /** The oldest committed entry that the app has not applied was committed so long ago, though the app gives signs. Then: the app is LAGGING. */
  appBehindMs: 5_000,
  /** A leader whose app has not been healthy for so long hands leadership over, if another node has a healthy one (setting `appGraceMs`). */
  appGraceMs: 5_000,
  /** The hash of its state that an app tells, in bytes. Over it: BAD_REQUEST. */
  stateHashBytes: 64,
  /** Hashes of one app's state that are kept, the newest, to compare them with those of other nodes; and those that go into one message. */
  stateHashes: 1_024,
  stateHashesSent: 256,
  /** Hashes, and what was found with them, are told again after so long, since messages may be lost. */
  stateHashesAgainMs: 5_000,
  /** Apps differ and no majority says which is right: others may still say something, so it is told of only after so long. */
  undecidedMs: 2_000,
  /** One result of an app. Over it: the proposer gets an error in its place. */
  resultBytes: 1024 * 1024,
  /** The name an app gives itself, in characters. Over it: BAD_REQUEST. */
  appNameChars: 200,
  /** From our last frame on an app connection to its end. Over it: the connection is cut. */
  appLingerMs: 1_000,
  /** When a request was refused as OVERLOADED by a connection's own limits: try again after so long. */
  overloadedRetryMs: 100,
  /**
   * A connection that was refused a request as OVERLOADED is not read for so long; 0: it is read on, as a sidecar must, since
   * its app's acknowledgements come on the same connection.
   */
  overloadedRestMs: 0,
  /** Bytes waiting for one peer. Over it: messages are dropped and counted (Raft sends again). */
  peerQueueBytes: 32 * 1024 * 1024,
  /** Nodes of the cluster that our own log does not name, and that are answered all the same. Over it: UNKNOWN_NODE. */
  peerGuests: 8,
  /** TCP connect to a peer, and from there to its handshake reply. Over it: given up, dialled again later. */
  peerConnectMs: 2_000,
  peerHandshakeMs: 5_000,
  /** TLS handshakes that one listener has open. Over it: the new connection is closed at once. */
  tlsHandshakes: 64,
  /** From an HTTP connection to the end of its TLS handshake. Over it: the connection closes. (Peers: `peerHandshakeMs`.) */
  tlsHandshakeMs: 5_000,
  /** How often the files of certificates are looked at. What changed, and is the same at two looks, counts. */
  tlsReloadMs: 1_000,
  /** One such file. Over it: refused. */
  tlsFileBytes: 256 * 1024,
  /** How long before its end a certificate is warned of, and how often that is said in the log. */
  certificateWarnMs: 14 * 86_400_000,
  certificateWarnAgainMs: 86_400_000,
  /** The same refusal of a TLS connection from the same address is said in the log once in so long, for so many of them. */
  tlsRefusalMs: 60_000,
  tlsRefusals: 256,
  /** First frame of each side of a peer connection. Over it: the connection closes. */
  peerHelloBytes: 4 * 1024,
  /** Incoming peer connections. Over it: closed at once. */
  peerConnections: 256,
  /** Nothing could be sent to a peer although bytes wait. Over it: the connection closes and is dialled again. */
  peerStallMs: 5_000,
  /** Pause before a peer is dialled again: doubled from the first to the last. */
  peerRedialMinMs: 20,
  peerRedialMaxMs: 1_000,
  /** Pause before a peer that refused us is asked again. */
  peerRefusedMs: 3_000,
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
  /** Commands of proposals that wait for an answer, in bytes. Over it: OVERLOADED, definite. */
  pendingBytes: 128 * 1024 * 1024,
  /** Commands of this node's clients that are given to a leader and not committed, and bytes of them. What waits beyond it is taken from all clients in turn. */
  proposalWindow: 4_096,
  proposalWindowBytes: 8 * 1024 * 1024,
  /** Newest results of the app that are kept for proposals whose place becomes known a moment later, in bytes. Those before are answered without one. */
  recentResultBytes: 16 * 1024 * 1024,
  /** Newest entries kept in memory for followers and apps, with what keeping them costs (raft/log.ts); older ones are read from the disk. */
  tailBytes: 16 * 1024 * 1024,
  /** Writes waiting for the disk. Over it: the node refuses proposals (OVERLOADED) and appends. */
  storeQueueBytes: 128 * 1024 * 1024,
  /** One row of the log table (at least one entry). Then the next row begins. */
  storeRowBytes: 1024 * 1024,
  /** One commit. What waits beyond it goes into the next. */
  storeCommitBytes: 8 * 1024 * 1024,
  /** A vote (a node id) in the hard state, in bytes of UTF-8: it must fit a slot of the guard file. Over it: refused. */
  storeVoteBytes: 128,
  /** Newest records checked against their chain hashes at every start; older ones when they are read. */
  storeCheckBytes: 16 * 1024 * 1024,
  /** Space kept in the data folder for the day on which the disk is full. It is dropped then, and made again once there is twice as much. None on disks of less than 64 MiB. */
  storeReserveBytes: 8 * 1024 * 1024,
  /** Newest commands handed over at start to warm the tail cache. */
  storeStartTailBytes: 8 * 1024 * 1024,
  /** One page of `/v1/log`. Larger asks are clipped. */
  logPageEntries: 5_000,
  logPageBytes: 4 * 1024 * 1024,
  /** HTTP bodies other than a command (which has `commandBytes`). Over it: 413. */
  httpBodyBytes: 100 * 1024,
  /** Open HTTP connections. Over it: the new connection is closed at once. */
  httpConnections: 512,
  /** HTTP requests (of the routes that need a token) that wait for an answer. Over it: 503 OVERLOADED, definite. */
  httpRequests: 2_048,
  /** From a connection's first byte to the end of the headers. Over it: 408, then the connection closes. */
  httpHeadersMs: 10_000,
  /** From the first byte to the end of the body. Over it: the connection closes (408 where nothing was started). */
  httpReceiveMs: 30_000,
  /** How long an idle HTTP connection is kept. Then it closes. */
  httpKeepAliveMs: 30_000,
  /** Longest and default time a request may wait for its answer. Longer asks are clipped. */
  requestMs: 10_000,
  requestMsMax: 600_000,
  /** Open sessions of a cluster. Over it: opening one is refused with OVERLOADED; nobody else's is ended for it. */
  sessions: 16_384,
  /** How long a session lives without a sign of its client: default, least and most. Other asks are clipped. */
  sessionTtlMs: 60_000,
  sessionTtlMsMin: 1_000,
  sessionTtlMsMax: 86_400_000,
  /** Commands of one session whose place in the log is remembered, newest first. A retry of an older one is answered as a duplicate without its result. */
  sessionPlaces: 1_024,
  /** Results kept for retries: of one session, bytes of each, and bytes in all on one node (those of the session that was silent longest go first). A retry is then answered as a duplicate whose result is gone. */
  sessionReplies: 1_024,
  sessionReplyBytes: 64 * 1024,
  sessionRepliesBytes: 64 * 1024 * 1024,
  /** Verdicts on entries of sessions that this node remembers for the answer to its clients. An older one: TIMEOUT, indefinite. */
  sessionVerdicts: 65_536,
  /** How long the leader holds a command that came before its predecessor. Then: SEQUENCE_GAP, definite. */
  sessionHoldMs: 1_000,
  /** Commands that the leader holds so, and bytes of them. Over either: OVERLOADED, definite. */
  sessionHeld: 8_192,
  sessionHeldBytes: 32 * 1024 * 1024,
  /** Sessions that one entry of the log may end. The rest goes into the next. */
  sessionExpiries: 1_000,
  /** The highest version of an app's commands. Over it: BAD_REQUEST. */
  appVersionMax: 2_147_483_647,
  /** The reason an operator gives for skipping a command or for a new version, in characters. Over it: BAD_REQUEST. */
  skipReasonChars: 500,
  /** How often the leader looks for sessions that were silent too long. */
  sessionSweepMs: 500,
  /** How long other nodes are asked for a reply that this one does not have, how often, and how many such questions may be open. Then, or over it: the duplicate is answered without its result. */
  replyAskMs: 2_000,
  replyAskAgainMs: 100,
  replyQuestions: 1_024,
  /** How long other nodes are asked what their apps know before a new version of commands, and how many such questions may be open. Then, or over it: refused. */
  versionAskMs: 1_000,
  versionQuestions: 16,
  /** Sessions of one app connection that are told to it when they expire. Over it: the oldest one is not told. */
  sessionsPerConnection: 1_024,
  /** How often supposed leaders may send a proposal on to each other before this node waits to hear of a leader by itself. */
  forwardHops: 4,
  /** How often a proposal that was surely lost (or is in a session) is forwarded again. Then: OVERLOADED, or LEADER_LOST where an earlier try may have been taken. */
  reforwards: 16,
  /** Newest events kept for `/v1/events`. Then the oldest is forgotten; a reader sees the gap in the sequence. */
  eventsKept: 8_192,
  /** Commit events: at most one in so long while somebody watches, and while nobody does. One tells of all since the last. */
  commitEventMs: 250,
  commitEventUnwatchedMs: 5_000,
  /** An event that says the same as the last of its kind (and peer) is recorded again only after so long. */
  sameEventMs: 5_000,
  /** Rejected appends of one peer: at most one event in so long. */
  rejectedEventMs: 250,
  /** Rises of one watermark kept for stage times. Then the oldest is forgotten, and its entries have no time. */
  stageSamples: 32_768,
  /** A log write that takes longer is slow. At most one event of it in `slowWriteEventMs`. */
  slowWriteMs: 100,
  slowWriteEventMs: 1_000,
  /** The event loop stood still for longer: it is slow. */
  slowLoopMs: 100,
  /** Open event streams. Over it: 503 OVERLOADED, definite. */
  eventStreams: 64,
  /** Written to one event stream at a time, in bytes (one event at least). The rest waits until its reader took that. */
  eventStreamBytes: 64 * 1024,
  /** A silent stream gets a comment this often, so that both sides notice a dead link. */
  eventStreamKeepAliveMs: 5_000,
  /** A reader that took nothing of what was written for so long is cut off; it can resume. */
  eventStreamStallMs: 10_000,
  /** When a stream ends: readers come back after so long. */
  eventStreamRetryMs: 1_000,
  /** Connections to one gateway (fewer where the system allows fewer open files). Over it: OVERLOADED, then the connection closes. */
  gatewayClients: 16_384,
  /** Open requests of one client of a gateway. Over it: OVERLOADED, definite, and it is not read for `gatewayRestMs`. */
  gatewayClientRequests: 256,
  /** The same in bytes of commands. */
  gatewayClientBytes: 8 * 1024 * 1024,
  /**
   * Open requests of all clients of a gateway, and the bytes of their commands. No client may hold more of either than is
   * still free, so a crowd leaves room for whoever comes next. Over it: OVERLOADED, definite.
   */
  gatewayRequests: 65_536,
  gatewayRequestBytes: 128 * 1024 * 1024,
  gatewayRestMs: 100,
  /** Bytes waiting to be read by one client of a gateway. As `appOutputBytes` and `appOutputBytesMax`. */
  gatewayOutputBytes: 256 * 1024,
  gatewayOutputBytesMax: 4 * 1024 * 1024,
  /** Bytes waiting to be read by all clients of a gateway. Over it: those with the most are cut. */
  gatewayOutputBytesAll: 256 * 1024 * 1024,
  /** Replicas that one gateway knows. Over it: refused at start, or not taken from the endpoint files. */
  gatewayReplicas: 32,
  /**
   * Requests on their way from a gateway to one replica: it begins with the second, never goes below the first, and is never
   * more than the replica's own limit. Beyond it they wait in the gateway, where clients take turns.
   */
  gatewayWindowMin: 16,
  gatewayWindowFirst: 64,
  /** How often the window is at its least for a moment, to see again how fast the replica is without a queue. */
  gatewayWindowProbeMs: 10_000,
  /** Bytes written to one replica and not taken by it. Over it: nothing more is sent until it took some. */
  gatewayUpstreamBytes: 4 * 1024 * 1024,
  /** From dialling a replica to its welcome. Over it: given up, dialled again later. */
  gatewayWelcomeMs: 5_000,
  /** Pause before a replica is dialled again: doubled from the first to the last. */
  gatewayRedialMinMs: 20,
  gatewayRedialMaxMs: 1_000,
  /** Pause before a replica that refused us is asked again. */
  gatewayRefusedMs: 3_000,
  /** How often a replica is pinged, and how long it may say nothing. Then: the connection is cut and dialled again. */
  gatewayPingMs: 500,
  gatewaySilentMs: 2_000,
  /** The same for a replica that another one leads now. */
  gatewaySuspectMs: 500,
  /** How long after its time a request may still be open at a replica. Then: the connection is cut. */
  gatewayOverdueMs: 5_000,
  /** A replica that cannot serve now (its app is absent, its disk is full) is passed over for so long. */
  gatewayAvoidMs: 1_000,
  /** The leader's replica is out of reach: how long requests wait for another leader. Then: any replica gets them, to forward. */
  gatewayHoldMs: 1_000,
  /** Pause before a request is tried again: doubled from the first to the last. */
  gatewayRetryMinMs: 10,
  gatewayRetryMaxMs: 500,
  /** How often endpoint files are read for replicas that came. */
  gatewayDiscoverMs: 2_000,
  /** `pressure` is raised at once, and lowered when it was lower for so long. */
  gatewayPressureMs: 1_000,
  /** Connections of an agent-check port. Over it: the new one is closed at once. */
  agentConnections: 64,
  /** How long one of them may stay open, and what it may send. Over it: it is cut. */
  agentMs: 1_000,
  agentBytes: 1_024,
  /** A reason in an agent-check's answer, in characters. Longer ones are clipped. */
  agentReasonChars: 100,
  /** One try to tell news of leadership (a POST, a run of the command). Over it: cut, or killed; tried again. */
  newsTryMs: 5_000,
  /** Tries for one piece of news. Then it is given up; newer news begins anew. */
  newsTries: 8,
  /** Pause before news is tried again: doubled from the first to the last. Newer news does not wait for it. */
  newsRetryMinMs: 100,
  newsRetryMaxMs: 5_000,
  /** What is read of an answer to a POST. The rest is cut off: only its status counts. */
  newsAnswerBytes: 64 * 1024,
  /** What is kept of the complaint of a command that failed. */
  newsComplaintBytes: 4 * 1024,
  /** Members of a cluster, learners too. Over it: adding one is refused. */
  members: 32,
  /** How long a learner must have kept up before it is given a vote. */
  promoteAfterMs: 1_000,
  /** It keeps up while it lacks at most so many entries. */
  promoteLagEntries: 1_024,
  /** One piece of a snapshot on its way to a peer, at most. Smaller ones on a slow connection. */
  snapshotChunkBytes: 512 * 1024,
  /** A peer that is fetching a snapshot is asked again after so long without an answer; so is an app that could give none. */
  snapshotAskAgainMs: 1_000,
  /** An app that was asked for a snapshot and gives nothing for so long is given up; a snapshot that no peer asked for so long is not kept for it. */
  snapshotIdleMs: 30_000,
  /** Readers of snapshots over HTTP on one node. Over it: 503 OVERLOADED, definite. One that takes nothing for `snapshotIdleMs` is cut off. */
  snapshotReaders: 4,
  /** The log is kept for the sake of peers that catch up until it has so many times what makes a snapshot due. Then they need a snapshot. */
  logKeepIntervals: 4,
  /** Defaults of the settings `snapshotBytes`, `snapshotEntries`, `snapshotSendBytes` (a second). */
  snapshotBytes: 64 * 1024 * 1024,
  snapshotEntries: 500_000,
  snapshotSendBytes: 32 * 1024 * 1024,
  /** After so many bytes of snapshots that passed through, what is left of them in memory is given back. */
  snapshotGarbageBytes: 8 * 1024 * 1024,
  /** The name an app gives to the format of its snapshots, in characters. Over it: BAD_REQUEST. */
  snapshotFormatChars: 200,
  /** Faults planted in one node at a time. Over it: OVERLOADED. */
  faults: 16,
  /** The longest time to live of one; of a PAUSE, in which nothing can be asked of the node. Over it: BAD_REQUEST. */
  faultTtlMs: 600_000,
  faultPauseMs: 60_000,
  /** The longest DELAY, its jitter too. Over it: BAD_REQUEST. */
  faultDelayMs: 10_000,
  /** Messages of one peer and direction that a DELAY holds back, and the bytes of what they carry. Over it: they are lost. */
  faultHeldMessages: 16_384,
  faultHeldBytes: 64 * 1024 * 1024,
  /** Graceful stop: leadership handed over, requests answered. Over it: we stop anyway. */
  shutdownMs: 5_000,
} as const;
