/**
 * Every word the page says, in one table, so that a host can give another language.
 *
 * MUST: hold whole sentences with {0}, {1}, … for what varies: other languages order words otherwise.
 */

const ENGLISH = {
  waiting: 'Waiting for the first answer…',
  messageUnreadable: 'The host sent something that this page cannot read; the newest data may be missing.',
  answerUnreadable: 'The answer is not one that this page can read.',
  requestsFull: 'Too many questions wait for an answer already.',
  requestTimeout: 'No answer came in time.',
  actFailed: 'That did not work: {0}',
  notInBrowser: 'There is no editor here to open it in.',

  // header
  leaderIs: 'Leader {0}',
  noLeader: 'No leader',
  term: 'Term {0}',
  commit: 'Committed {0}',
  'health.HEALTHY': 'Healthy',
  'health.DEGRADED': 'Degraded',
  'health.NO_LEADER': 'No leader',
  'health.UNREACHABLE': 'Unreachable',
  problems: 'Problems',
  'severity.ERROR': 'Error',
  'severity.WARNING': 'Warning',
  'severity.INFO': 'Note',
  whyLeader: 'Why this leader?',
  whyNoLeader: 'Why no leader?',
  leaderNow: '{0} is leader in term {1}',
  leaderGone: 'No leader is known',

  // nodes
  nodes: 'Nodes',
  node: 'Node',
  role: 'Role',
  'role.LEADER': 'Leader',
  'role.FOLLOWER': 'Follower',
  'role.CANDIDATE': 'Candidate',
  'role.LEARNER': 'Learner',
  'role.': 'Not known',
  replicatedLag: 'Replicated lag',
  committedLag: 'Committed lag',
  appliedLag: 'Applied lag',
  link: 'Link',
  app: 'App',
  problem: 'Problem',
  planted: 'Planted faults',
  plantedFault: 'Planted fault: {0}, for another {1}',
  ask: 'Ask',
  whyBehind: 'Why behind?',
  whyBehindNode: 'Why behind? {0}',
  lag: '{0} entries, {1}',
  lagOne: '1 entry, {0}',
  noLag: 'none',
  unknown: 'not known',
  'link.CONNECTING': 'Connecting',
  'link.CONNECTED': 'Connected',
  'link.SILENT': 'Silent',
  'link.RETRYING': 'Retrying',
  'link.WRONG_CLUSTER': 'Wrong cluster',
  'link.UNAUTHORIZED': 'Unauthorised',
  'link.INCOMPATIBLE': 'Incompatible',
  'link.UNKNOWN': 'Not attached',
  because: '{0}: {1}',

  // tabs
  views: 'Views',
  tabLog: 'Log',
  tabTime: 'Time',

  // matrix
  logMatrix: 'Log matrix',
  matrixHelp:
    'Arrows move the cell, + and - zoom, Home and End go to the ends, [ and ] to the previous and next term, Enter opens the entry, c compares with the leader.',
  matrixRange: 'Indexes {0} to {1} of {2} to {3}',
  matrixEmpty: 'No log is known yet.',
  whole: 'Whole log',
  unsettled: 'Unsettled',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  earlier: 'Earlier',
  later: 'Later',
  position: 'Position in the log',
  showTable: 'Table',
  fromLeader: 'as its leader knows',
  endsAt: 'through {0}',
  cell: '{0}, index {1}, {2}',
  'cell.COMMITTED': 'term {0}, committed',
  'cell.UNCOMMITTED': 'term {0}, uncommitted',
  'cell.MISSING': 'missing',
  'cell.COMPACTED': 'no longer in the log (in the snapshot)',
  'cell.UNKNOWN': 'not known',
  cellApplied: '{0}, applied',
  cellDiffers: "{0}, differs from the leader's",
  legend: 'Marks',
  legendTerms: 'Colours of the terms in view',
  legendCommit: 'C committed through here',
  legendApplied: 'A applied through here',
  legendMatch: 'M match: the leader knows it is here',
  legendSnapshot: 'S in the snapshot through here',
  legendHatched: 'Hatched: uncommitted',
  legendDotted: 'Dotted: no longer in the log',
  termColumn: 'Term',
  first: 'First index',
  last: 'Last index',
  count: 'Entries',
  state: 'State',
  runsTable: 'Term runs in view',
  marksTable: 'Marks of each node',
  snapshot: 'Snapshot',
  match: 'Match',
  committed: 'Committed',
  applied: 'Applied',
  lastEntry: 'Last',
  stateCommitted: 'committed',
  stateUncommitted: 'uncommitted',
  stateBoth: 'committed through {0}',
  moreRuns: '{0} more runs are not listed; zoom in to see them.',
  compareEqual: 'The logs of {0} and {1} are equal through {2}.',
  comparePrefix: 'The logs of {0} and {1} agree through {2}; from {3} on only one has entries.',
  compareConflict: 'The logs of {0} and {1} agree through {2} and differ from {3} on.',
  compareUnknown: 'The logs of {0} and {1} share no index that both still have.',
  compareSelf: '{0} is the leader itself.',

  // entry
  entry: 'Entry {0} on {1}',
  entryFacts: 'Term {0}, {1}, {2} bytes, {3}',
  entryDecoded: 'Payload as {0}',
  openLog: 'Open in the log',
  whyEntry: 'What became of it?',
  close: 'Close',
  entryCut: 'cut: first {0} of {1} bytes',

  // charts
  charts: 'Lag and throughput',
  chartLag: 'Lag in entries',
  chartThroughput: 'Committed entries per second',
  lagKind: 'Lag',
  cursorAt: 'At {0}',
  nowAt: 'Now, {0}',
  seriesSummary: '{0}: {1}, at most {2}',
  time: 'Time',
  throughput: 'Throughput',
  noPoints: 'No measurements yet.',
  tableNewest: 'The newest {0} of {1} measurements.',

  // timeline
  timeline: 'Events',
  timelineHelp: 'Left and right move the time cursor; Page Up and Page Down move it by events.',
  timeCursor: 'Time cursor',
  timeRange: 'Range',
  'range.30000': '30 seconds',
  'range.60000': '1 minute',
  'range.300000': '5 minutes',
  'range.0': 'Everything',
  kindFilter: 'Kind',
  nodeFilter: 'Node',
  all: 'All',
  'group.election': 'Roles and votes',
  'group.log': 'Log',
  'group.links': 'Links',
  'group.app': 'App',
  'group.process': 'Disk and process',
  eventList: 'Events, newest first',
  eventsShown: '{0} to {1} of {2}',
  eventsForgotten: '{0} older events were forgotten.',
  noEvents: 'No events.',
  backToNow: 'Back to now',
  newer: 'Newer',
  older: 'Older',
  clocks: 'Each node has its own clock: across nodes, nearness in time is no order.',

  // explain
  explain: 'Explanation',
  explaining: 'Asking…',
  'certainty.CERTAIN': 'Certain',
  'certainty.LIKELY': 'Likely',
  'certainty.UNKNOWN': 'Not known',
  evidence: 'Evidence',
  nextStep: 'Next step',
  stages: 'Where its time went',
  stage: '{0} {1}: {2}',
  'about.leader': 'Why this leader?',
  'about.lag': 'Why is {0} behind?',
  'about.entry': 'What became of entry {0}?',
  'about.member': 'How is {0}?',

  // login
  loginTitle: 'A token is needed',
  loginWhere:
    'The log, the events and the explanations need the view token of this sidecar. It is in the file that its endpoint file names as tokenFile; endpoint files are in $XDG_RUNTIME_DIR/outrigger (or ~/.outrigger/run/outrigger), one folder per cluster. A link ending in #token=TOKEN opens this page with it.',
  loginRefused: 'The sidecar refused that token.',
  loginMalformed: 'A token has letters, digits, - and _ only.',
  token: 'Token',
  use: 'Use',

  // browser host
  memberNoAddress: 'seen through {0} only',
  cannotReach: 'the sidecar cannot be reached',
  silent: 'the connection stands and nothing is answered',
  statusUnreadable: 'it answers in a form that this page cannot read; its version may be another',
  answered: 'the sidecar answered {0}',
} as const;

export type TextKey = keyof typeof ENGLISH;

let table: Readonly<Record<string, string>> = ENGLISH;

/** Takes another language's words. Whatever is missing or not text stays English. */
export function setStrings(words: unknown): void {
  if (typeof words !== 'object' || words === null) return;
  const known = Object.entries(words).filter(
    (pair): pair is [string, string] => pair[0] in ENGLISH && typeof pair[1] === 'string',
  );
  table = { ...ENGLISH, ...Object.fromEntries(known) };
}

export function text(key: TextKey, ...values: readonly string[]): string {
  return (table[key] ?? ENGLISH[key]).replace(/\{(\d)\}/g, (_whole, at: string) => values[Number(at)] ?? '');
}
