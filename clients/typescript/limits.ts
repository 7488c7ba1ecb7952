/**
 * Every limit of the client, by name, with what happens at it. `connect` takes others.
 * Sizes are bytes, times milliseconds.
 */
export const CLIENT_LIMITS = {
  /** A whole call, with all its tries, where the caller names no time. Then: Indefinite where it may have happened, else Definite. */
  callMs: 10_000,
  /** The longest that a caller may name. Longer ones are clipped. */
  callMaxMs: 86_400_000,
  /** One try of what may be tried again. Then it counts as unanswered, and is tried again. */
  tryMs: 3_000,
  /** How much longer than a try the node has to say TIMEOUT by itself, which tells us that it is there. */
  tryGraceMs: 500,
  /** From dialling a node to its welcome. Over it: the next one is dialled. */
  dialMs: 2_000,
  /** Pause before the next try or the next node after failures in a row: doubled from the first to the last, less up to half of it by chance. */
  backoffMinMs: 50,
  backoffMaxMs: 1_000,
  /** A node may ask us to try again later than this. We come back after this long. */
  retryAfterMaxMs: 5_000,
  /** A node that owes us answers and was silent for so long is asked for a sign of life, and then given up. */
  pingMs: 1_000,
  silentMs: 3_000,
  /** Answers in a row by which a node says that it cannot (OVERLOADED, TIMEOUT, LEADER_LOST, INTERNAL). Then we move on. */
  failuresToMove: 3,
  /** A node that says STOP for longer than this is left, where there is another. */
  stopMs: 5_000,
  /** Requests on the way on one connection (less where the node says so). What is beyond it waits. */
  inFlight: 256,
  /** While the node says SLOW_DOWN: one in so many of them may be proposals. */
  slowDown: 8,
  /** Commands of one session that have a number and no answer. What is beyond it waits for its number. */
  sessionInFlight: 64,
  /** Calls that have not ended, and the bytes of their commands. Over it: Definite OVERLOADED, by the client itself. */
  calls: 4_096,
  callsBytes: 64 * 1024 * 1024,
  /** Bytes that the node has not taken from us yet. Over it: what follows waits. */
  outputBytes: 1024 * 1024,
  /** One frame from a node. Over it: the connection is given up. */
  frameBytes: 8 * 1024 * 1024,
  /** Connections that were left and still owe answers. Over it: the oldest one is closed, its answers are lost. */
  leftLinks: 4,
  /** How long a session lives without a sign of us, where the caller names no time; and the longest a cluster grants. */
  ttlMs: 60_000,
  ttlMaxMs: 86_400_000,
  /** A silent session is kept alive this many times in its time to live. */
  keepsPerTtl: 3,
} as const;

export type ClientLimits = { readonly [Name in keyof typeof CLIENT_LIMITS]: number };
