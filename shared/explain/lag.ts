/**
 * Why is a node behind?
 *
 * MUST: look first whether it is heard at all, then at what holds its log back, then at its app; never call applied lag
 * replicated lag. MUST be pure.
 */
import type { ProgressStatus } from '../inspect.ts';
import { trailsAfterMs } from '../view/lags.ts';
import { duration, entries } from '../wording.ts';
import { appTrouble } from './app.ts';
import { explainContact, leaderOf, recentPause, type Subject, subjectOf, wasPaused } from './contact.ts';
import { allSeen, type Finding, firstOf, type Rule, said, unknown } from './finding.ts';
import { last } from './history.ts';
import { diskFull, slowDisk } from './local.ts';
import { reachOf } from './reach.ts';
import { needsSnapshot } from './snapshot.ts';
import type { Evidence, EvidenceItem } from './types.ts';

export function explainLag(evidence: Evidence, id: string): Finding {
  const target = id === '' ? whoTrailsMost(evidence) : id;
  if (target === undefined) {
    return unknown(
      'No node of this cluster has told anything yet.',
      'Attach to a running node of this cluster.',
    );
  }
  return lagOf(subjectOf(evidence, target));
}

export function lagOf(it: Subject): Finding {
  return firstOf(RULES, it) ?? nothingFound(it);
}

const RULES: readonly Rule<Subject>[] = [
  explainContact,
  diskFull,
  resumed,
  conflict,
  (it) => needsSnapshot(it, leaderSays(it)),
  (it) => (trails(it) ? slowDisk(it, true) : undefined),
  windowFull,
  appTrouble,
  (it) => slowDisk(it, false),
  catchingUp,
  notBehind,
];

/** Does its log trail by more than what is always on its way? */
export function trails({ progress, leader }: Subject): boolean {
  if (progress === undefined || leader?.status === undefined) return false;
  return progress.lagEntries > 0 && progress.lagMs > trailsAfterMs(leader.status);
}

function amount({ lagEntries, lagMs }: ProgressStatus): string {
  return `${entries(lagEntries)} / ${duration(lagMs)}`;
}

function leaderSays({ leader, progress, id }: Subject): EvidenceItem[] {
  if (leader === undefined || progress === undefined) return [];
  const text = `the leader ${leader.node} knows of ${entries(progress.lagEntries)} of its log that ${id} has not, since ${duration(progress.lagMs)} (match ${progress.matchIndex}, ${progress.state}, ${progress.behind})`;
  return [said(leader.node, text)];
}

/** It did not run, and now it does. */
function resumed(it: Subject): Finding | undefined {
  const pause = trails(it) ? recentPause(it) : undefined;
  if (pause === undefined) return undefined;
  const finding = wasPaused(it, pause);
  return { ...finding, evidence: [...finding.evidence, ...leaderSays(it)] };
}

/** Its log and the leader's differ, and the place where they agree is being looked for. */
function conflict(it: Subject): Finding | undefined {
  const { progress, events, leader, evidence, id } = it;
  if (progress?.behind !== 'PROBING') return undefined;
  const rejected = [
    last(events, ({ kind, cause }) => kind === 'APPEND_REJECTED' && cause === 'CONFLICT'),
    last(subjectOf(evidence, leader?.node ?? '').events, (event) => rejectedBy(event, id)),
    last(events, ({ kind }) => kind === 'TRUNCATED'),
  ];
  if (rejected.every((event) => event === undefined)) return undefined;
  return {
    cause: 'LOG_CONFLICT',
    certainty: 'CERTAIN',
    answer: `The log of ${id} has other entries than the leader's, which were never committed: the place where both agree is being looked for, and what follows is replaced.`,
    evidence: [...allSeen(rejected), ...leaderSays(it)],
    next: 'Nothing: it resolves itself. Compare the two logs to see what is dropped.',
  };
}

function rejectedBy(
  { kind, peer, cause }: { kind: string; peer?: string; cause: string },
  id: string,
): boolean {
  return kind === 'APPEND_REJECTED' && peer === id && cause === 'CONFLICT';
}

function windowFull(it: Subject): Finding | undefined {
  const { progress, id, status } = it;
  if (progress?.behind !== 'WINDOW_FULL' || !trails(it)) return undefined;
  return {
    cause: 'WINDOW_FULL',
    certainty: 'LIKELY',
    answer: `${id} trails by ${amount(progress)} because as much as allowed (${progress.inflightBytes} bytes) is on its way and not acknowledged: ${status === undefined ? 'its disk or ' : ''}the network between is slower than what is written.`,
    evidence: leaderSays(it),
    next: `Look at the network to ${id}${status === undefined ? `, and ask ${id} itself for its disk` : ''}.`,
  };
}

function catchingUp(it: Subject): Finding | undefined {
  const { progress, id } = it;
  if (progress === undefined || !trails(it)) return undefined;
  return {
    cause: 'CATCHING_UP',
    certainty: progress.behind === 'NONE' ? 'LIKELY' : 'CERTAIN',
    answer: `${id} trails by ${amount(progress)} and is catching up: ${CATCHING_UP[progress.behind] ?? 'it answers and gets more'}.`,
    evidence: leaderSays(it),
    next: 'Nothing, as long as the lag shrinks.',
  };
}

const CATCHING_UP: Readonly<Partial<Record<ProgressStatus['behind'], string>>> = {
  FETCHING: "what it needs is being read from the leader's disk",
  PROBING: 'the place where its log ends is being looked for',
};

function notBehind(it: Subject): Finding | undefined {
  const { id, status, progress, leader } = it;
  if (status === undefined && progress === undefined) return undefined;
  const leads = status?.role === 'LEADER';
  const own =
    status === undefined
      ? []
      : [said(id, `${id} has committed ${status.commitIndex} and applied ${status.appliedIndex}`)];
  const known = leads || leader !== undefined;
  return {
    cause: 'NOT_BEHIND',
    certainty: known ? 'CERTAIN' : 'LIKELY',
    answer: leads
      ? `${id} leads: the others are measured against it, and its own app is up to date.`
      : `${id} is not behind${progress === undefined || progress.lagEntries === 0 ? '' : `: ${amount(progress)} are on their way, as always under load`}.`,
    evidence: [...leaderSays(it), ...own],
    next: known
      ? ''
      : 'Ask the same in the editor or at the leader: a follower alone cannot know what it has not got.',
  };
}

function nothingFound({ id, node, reach }: Subject): Finding {
  if (node === undefined) return unknown(`No node named ${id} is known.`, 'See the members of the cluster.');
  return unknown(
    `Whether ${id} is behind is not known: ${reach === 'ANSWERS' ? 'it' : 'neither it nor a leader'} has told nothing of it.`,
    `Attach to ${id} and to the leader.`,
  );
}

/** The worst off: not heard, then replicated lag, then applied lag; the first by name among equals. */
function whoTrailsMost(evidence: Evidence): string | undefined {
  const leader = leaderOf(evidence);
  const named = [
    ...evidence.nodes.map(({ node }) => node),
    ...(leader?.status?.progress ?? []).map(({ id }) => id),
  ];
  const ids = [...new Set(named)].sort();
  let worst: { readonly id: string; readonly badness: number } | undefined;
  for (const id of ids) {
    const badness = badnessOf(evidence, subjectOf(evidence, id));
    if (worst === undefined || badness > worst.badness) worst = { id, badness };
  }
  return worst?.id;
}

function badnessOf(evidence: Evidence, it: Subject): number {
  if (explainContact(it) !== undefined) return Number.POSITIVE_INFINITY;
  const { progress, status } = it;
  const replicated = trails(it) ? (progress?.lagMs ?? 0) : 0;
  const app = status === undefined || status.app.state === 'CONNECTED' ? 0 : 1;
  const leads = reachOf(it.node) === 'ANSWERS' && leaderOf(evidence)?.node === it.id ? -0.5 : 0;
  return Math.max(replicated, status?.applyLag.ms ?? 0) + app + leads;
}
