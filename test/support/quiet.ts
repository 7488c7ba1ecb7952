/** What tests do not care about: the parts of a status that are as in a node at rest, and an ordinary configuration of the core. */
import { ORIGIN } from '../../shared/entry.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { RaftConfig, RaftStart } from '../../sidecar/raft/types.ts';

export const QUIET_STATUS: Pick<NodeStatus, 'sessions' | 'store' | 'timing' | 'control'> = {
  sessions: { open: 0 },
  store: {
    state: 'OK',
    reason: '',
    whole: true,
    queuedWrites: 0,
    queuedBytes: 0,
    oldestWriteMs: 0,
    commits: 0,
    lastCommitMs: 0,
  },
  timing: { electionMinMs: 150, electionMaxMs: 300, heartbeatMs: 50 },
  control: false,
};

/** What a core starts from on an empty disk. */
export const EMPTY_START: RaftStart = {
  hardState: { term: 0, vote: '' },
  base: ORIGIN,
  committed: 0,
  runs: [],
  tail: [],
  mustReach: undefined,
};

/** n1 of three voters. */
export const RAFT_CONFIG: RaftConfig = {
  id: 'n1',
  group: '',
  membership: { voters: ['n1', 'n2', 'n3'], outgoing: [], learners: [] },
  electionMinMs: 150,
  electionMaxMs: 300,
  heartbeatMs: 50,
  handOverMs: LIMITS.appGraceMs,
  preVote: true,
  checkQuorum: true,
  appendBytes: LIMITS.appendBytes,
  appendEntries: LIMITS.appendEntries,
  inflightAppends: LIMITS.inflightAppends,
  inflightBytes: LIMITS.inflightBytes,
  uncommittedBytes: LIMITS.uncommittedBytes,
  tailBytes: LIMITS.tailBytes,
  random: () => 0.5,
};
