/**
 * The check of `/v1/status` (NodeStatus), as the browser host reads it and as it comes inside cluster views.
 *
 * MUST: name every field of NodeStatus, so that the type says true.
 */
import { APP_STATES } from '../../shared/app-conditions.ts';
import type { Membership, Role } from '../../shared/entry.ts';
import { FAULT_DIRECTIONS, FAULT_KINDS, type FaultStatus } from '../../shared/faults.ts';
import {
  type AppIncident,
  type AppStatus,
  CERTIFICATE_USES,
  type CertificateStatus,
  type DivergenceStatus,
  type Lag,
  type MemberStatus,
  type NodeStatus,
  type ProgressStatus,
  type StoreStatus,
} from '../../shared/inspect.ts';
import { isFlag, isIndex, isNumber, isText, listOf, oneOf, optional, orNull, shape } from './guards.ts';

/** Members of one cluster. Over it the status is refused. */
const MEMBERS = 256;
/** Kinds of trouble of one app. Over it as well. */
const INCIDENTS = 64;
/** Uses of certificates. Over it as well. */
const CERTIFICATES = 16;
/** Planted faults. Over it as well. */
const FAULTS = 256;

export const isRole = oneOf<Role>(['LEADER', 'FOLLOWER', 'CANDIDATE', 'LEARNER']);
const isNames = listOf(isText, MEMBERS);

const isMember = shape<MemberStatus>({
  id: isText,
  peer: isText,
  http: isText,
  kind: oneOf(['VOTER', 'LEARNER']),
  self: isFlag,
  connected: isFlag,
  reason: isText,
  priority: optional(isNumber),
});

const isProgress = shape<ProgressStatus>({
  id: isText,
  matchIndex: isIndex,
  nextIndex: isIndex,
  state: oneOf(['PROBE', 'REPLICATE', 'SNAPSHOT']),
  inflightBytes: isIndex,
  lagEntries: isIndex,
  lagMs: isNumber,
  lastContactMs: orNull(isNumber),
  appliedIndex: isIndex,
  commitIndex: isIndex,
  behind: oneOf(['NONE', 'NO_CONTACT', 'PROBING', 'SNAPSHOT', 'FETCHING', 'WINDOW_FULL', 'CATCHING_UP']),
  fit: optional(isFlag),
});

const isIncident = shape<AppIncident>({
  condition: isText,
  count: isIndex,
  at: isNumber,
  reason: isText,
  entry: orNull(isIndex),
});

const isApp = shape<AppStatus>({
  state: oneOf(APP_STATES),
  name: isText,
  epoch: isIndex,
  reason: isText,
  since: isNumber,
  condition: optional(isText),
  entry: optional(orNull(isIndex)),
  fit: optional(isFlag),
  version: optional(isIndex),
  knows: optional(isIndex),
  incidents: optional(listOf(isIncident, INCIDENTS)),
});

const isDivergence = shape<DivergenceStatus>({
  verdict: oneOf(['MINORITY', 'UNDECIDED']),
  nodes: isNames,
  after: isIndex,
  through: isIndex,
  reason: isText,
});

const isCertificate = shape<CertificateStatus>({
  use: oneOf(CERTIFICATE_USES),
  state: oneOf(['VALID', 'EXPIRING', 'EXPIRED']),
  notAfter: isNumber,
  reason: isText,
});

const isFault = shape<FaultStatus>({
  id: isText,
  kind: oneOf(FAULT_KINDS),
  peer: isText,
  direction: oneOf(FAULT_DIRECTIONS),
  delayMs: isNumber,
  jitterMs: isNumber,
  share: isNumber,
  ttlMs: isNumber,
  since: isNumber,
  until: isNumber,
  messages: isIndex,
});

const isStore = shape<StoreStatus>({
  state: isText,
  reason: isText,
  whole: isFlag,
  queuedWrites: isIndex,
  queuedBytes: isIndex,
  oldestWriteMs: isNumber,
  commits: isIndex,
  lastCommitMs: isNumber,
});

export const isNodeStatus = shape<NodeStatus>({
  protocol: isIndex,
  cluster: isText,
  node: isText,
  group: isText,
  version: isText,
  role: isRole,
  term: isIndex,
  leader: orNull(isText),
  votedFor: orNull(isText),
  commitIndex: isIndex,
  appliedIndex: isIndex,
  deliveredIndex: isIndex,
  durableIndex: isIndex,
  firstIndex: isIndex,
  lastIndex: isIndex,
  lastTerm: isIndex,
  snapshotIndex: isIndex,
  membership: shape<Pick<Membership, 'voters' | 'outgoing' | 'learners'>>({
    voters: isNames,
    outgoing: isNames,
    learners: isNames,
  }),
  members: listOf(isMember, MEMBERS),
  progress: listOf(isProgress, MEMBERS),
  app: isApp,
  divergence: optional(listOf(isDivergence, MEMBERS)),
  sessions: shape<NodeStatus['sessions']>({ open: isIndex }),
  store: isStore,
  uptimeMs: isNumber,
  generation: isText,
  now: isNumber,
  timing: shape<NodeStatus['timing']>({
    electionMinMs: isNumber,
    electionMaxMs: isNumber,
    heartbeatMs: isNumber,
  }),
  leaderContactMs: orNull(isNumber),
  applyLag: shape<Lag>({ entries: isIndex, ms: isNumber }),
  control: isFlag,
  faults: optional(listOf(isFault, FAULTS)),
  certificates: optional(listOf(isCertificate, CERTIFICATES)),
});
