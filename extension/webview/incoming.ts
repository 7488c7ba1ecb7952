/**
 * What may come into the page, from its host or from a sidecar, and the checks that it is that.
 *
 * MUST: refuse everything else; skip events of kinds that this version does not know. MUST NOT: change what it lets in.
 */
import {
  type ClusterView,
  LINK_STATES,
  type LinkView,
  type NodeTerms,
  type NodeView,
  type Problem,
} from '../../shared/cluster-view.ts';
import { EVENT_KINDS, type EventCause, type NodeEvent, type RaftEvent } from '../../shared/events.ts';
import {
  type EvidenceItem,
  EXPLAIN_CAUSES,
  type Explanation,
  QUESTIONS,
  type Stage,
} from '../../shared/explain/types.ts';
import type { Lag, LogEntryView, LogPage, TermsView } from '../../shared/inspect.ts';
import {
  type EntryDetails,
  PANEL_LIMITS,
  type PanelDelta,
  type PanelSnapshot,
  type Series,
  type SeriesPoint,
  type ToPage,
} from '../../shared/panel-protocol.ts';
import type { TermRun } from '../../shared/term-runs.ts';
import type { PlantedFault } from '../../shared/view/planted.ts';
import {
  type Guard,
  isAnything,
  isFlag,
  isIndex,
  isNumber,
  isObject,
  isText,
  listOf,
  oneOf,
  optional,
  orNull,
  shape,
} from './guards.ts';
import { isNodeStatus, isRole } from './status-guard.ts';

/** Sizes over which a message is refused as a whole: nothing honest comes near them. */
export const INCOMING_LIMITS = {
  nodes: 256,
  /** Term runs of one log: one per election that appended. */
  runs: 200_000,
  problems: 256,
  evidence: 2_000,
} as const;

const isLag = shape<Lag>({ entries: isIndex, ms: isNumber });
const isLink = shape<LinkView>({ state: oneOf(LINK_STATES), reason: isText, since: isNumber });
const isProblem = shape<Problem>({
  code: isText,
  severity: oneOf(['ERROR', 'WARNING', 'INFO']),
  text: isText,
});
const isRoleOrNone: Guard<NodeView['role']> = (value): value is NodeView['role'] =>
  value === '' || isRole(value);

const isNodeView = shape<NodeView>({
  id: isText,
  http: isText,
  link: isLink,
  status: optional(isNodeStatus),
  statusAt: optional(isNumber),
  role: isRoleOrNone,
  isLeader: isFlag,
  lag: optional(shape<NonNullable<NodeView['lag']>>({ replicated: isLag, committed: isLag, applied: isLag })),
  problems: listOf(isProblem, INCOMING_LIMITS.problems),
  planted: optional(
    listOf(
      shape<PlantedFault>({ id: isText, what: isText, leftMs: isNumber, messages: isIndex }),
      INCOMING_LIMITS.problems,
    ),
  ),
});

const isCluster = shape<ClusterView>({
  name: isText,
  health: oneOf(['HEALTHY', 'DEGRADED', 'NO_LEADER', 'UNREACHABLE']),
  leader: isText,
  term: isIndex,
  commitIndex: isIndex,
  nodes: listOf(isNodeView, INCOMING_LIMITS.nodes),
  problems: listOf(isProblem, INCOMING_LIMITS.problems),
});

const isRun = shape<TermRun>({ term: isIndex, first: isIndex, last: isIndex });
const isRunList = listOf(isRun, INCOMING_LIMITS.runs);

/** Runs continue one another, with rising terms. Everything drawn relies on that. */
const isRuns: Guard<readonly TermRun[]> = (value): value is readonly TermRun[] => {
  if (!isRunList(value)) return false;
  return value.every((run, at) => {
    const before = value[at - 1];
    const follows = before === undefined || (run.first === before.last + 1 && run.term > before.term);
    return follows && run.last >= run.first && run.first >= 1;
  });
};

export const isTermsView = shape<TermsView>({
  runs: isRuns,
  snapshotIndex: isIndex,
  snapshotTerm: isIndex,
  commitIndex: isIndex,
  appliedIndex: isIndex,
});

const isNodeTerms = shape<NodeTerms>({ node: isText, source: oneOf(['NODE', 'LEADER']), terms: isTermsView });

/** Causes are only shown, so new ones are welcome. */
const isCause: Guard<EventCause> = (value): value is EventCause => isText(value);

const eventFields = {
  seq: isIndex,
  at: isNumber,
  kind: oneOf(EVENT_KINDS),
  term: isIndex,
  cause: isCause,
  peer: optional(isText),
  role: optional(isRole),
  was: optional(isRole),
  leader: optional(isText),
  granted: optional(isFlag),
  preVote: optional(isFlag),
  index: optional(isIndex),
  through: optional(isIndex),
  oldTerm: optional(isIndex),
  entries: optional(isIndex),
  bytes: optional(isIndex),
  ms: optional(isNumber),
  state: optional(isText),
  condition: optional(isText),
  entry: optional(isIndex),
  version: optional(isIndex),
  reason: optional(isText),
};
export const isRaftEvent = shape<RaftEvent>(eventFields);
const isNodeEvent = shape<NodeEvent>({ ...eventFields, node: isText, generation: isText });

const isPoint = shape<SeriesPoint>({
  at: isNumber,
  throughput: orNull(isNumber),
  replicatedLag: listOf(orNull(isNumber), INCOMING_LIMITS.nodes),
  appliedLag: listOf(orNull(isNumber), INCOMING_LIMITS.nodes),
});
const isPoints = listOf(isPoint, PANEL_LIMITS.points);
const isSeries = shape<Series>({ nodes: listOf(isText, INCOMING_LIMITS.nodes), points: isPoints });
const isEventList = listOf(isAnything, PANEL_LIMITS.events);
const isTermsList = listOf(isNodeTerms, INCOMING_LIMITS.nodes);

type Loose<T> = Omit<T, 'events'> & { readonly events: readonly unknown[] };
const isSnapshot = shape<Loose<PanelSnapshot>>({
  type: oneOf(['snapshot']),
  generation: isNumber,
  sequence: isIndex,
  cluster: isCluster,
  terms: isTermsList,
  events: isEventList,
  forgotten: isIndex,
  series: isSeries,
});
const isDelta = shape<Omit<PanelDelta, 'events'> & { readonly events?: readonly unknown[] }>({
  type: oneOf(['delta']),
  generation: isNumber,
  sequence: isIndex,
  cluster: optional(isCluster),
  terms: optional(isTermsList),
  events: optional(isEventList),
  points: optional(isPoints),
});

/** The message, or undefined when it is none that a host sends. */
export function readMessage(value: unknown): ToPage | undefined {
  if (isSnapshot(value)) return { ...value, events: value.events.filter(isNodeEvent) };
  if (isDelta(value)) {
    const { events, ...rest } = value;
    return events === undefined ? rest : { ...rest, events: events.filter(isNodeEvent) };
  }
  if (!isObject(value) || !('type' in value) || value.type !== 'reply') return undefined;
  if (!('id' in value) || !isIndex(value.id) || !('ok' in value)) return undefined;
  if (value.ok === true && 'result' in value) {
    return { type: 'reply', id: value.id, ok: true, result: value.result };
  }
  if (value.ok === false && 'message' in value && isText(value.message)) {
    return { type: 'reply', id: value.id, ok: false, message: value.message };
  }
  return undefined;
}

const isEvidenceItem = shape<EvidenceItem>({
  node: isText,
  at: optional(isNumber),
  seq: optional(isIndex),
  generation: optional(isText),
  text: isText,
});
const isStage = shape<Stage>({ node: isText, name: isText, fromMs: isNumber, toMs: isNumber });

export const isExplanation = shape<Explanation>({
  about: oneOf(QUESTIONS),
  id: isText,
  cause: oneOf(EXPLAIN_CAUSES),
  certainty: oneOf(['CERTAIN', 'LIKELY', 'UNKNOWN']),
  answer: isText,
  evidence: listOf(isEvidenceItem, INCOMING_LIMITS.evidence),
  next: isText,
  stages: optional(listOf(isStage, INCOMING_LIMITS.evidence)),
});

export const isEntryDetails = shape<EntryDetails>({
  node: isText,
  index: isIndex,
  term: isIndex,
  kind: isText,
  size: isIndex,
  time: isNumber,
  decoded: shape<EntryDetails['decoded']>({ decoder: isText, text: isText }),
});

/** The parts of an entry of `/v1/log` that the page shows. */
type ShownEntry = Pick<LogEntryView, 'index' | 'term' | 'kind' | 'time' | 'size' | 'command'>;
export const isLogPage = shape<
  Pick<LogPage, 'firstIndex' | 'lastIndex'> & { entries: readonly ShownEntry[] }
>({
  firstIndex: isIndex,
  lastIndex: isIndex,
  entries: listOf(
    shape<ShownEntry>({
      index: isIndex,
      term: isIndex,
      kind: isText,
      time: isNumber,
      size: isIndex,
      command: isText,
    }),
    1,
  ),
});
