/**
 * What is not as it should be, of a node and of the cluster as a whole, each with its reason in one clear sentence.
 *
 * MUST: keep the codes, since views and tests match on them; judge by what a node said of itself only while it answers.
 * MUST NOT: judge wall clocks (those of nodes differ). MUST be pure.
 */
import { type AppCondition, CONDITION_WORDS, conditionOf, stateOf } from '../app-conditions.ts';
import type { NodeSample, NodeView, Problem, Severity } from '../cluster-view.ts';
import type { AppStatus, BehindReason, NodeStatus, ProgressStatus } from '../inspect.ts';
import { LIMITS } from '../limits.ts';
import { isQuorum, majorityOf, votersOf } from '../quorum.ts';
import { safeLine } from '../safe-text.ts';
import { duration, entries, list } from '../wording.ts';
import { trailsAfterMs } from './lags.ts';
import { type Answering, isAnswering, type Leadership } from './leadership.ts';
import { PLANTED, type PlantedFault } from './planted.ts';

/** A follower that hears no leader for so many longest election timeouts is told of; elections take less. */
const UNHEARD_ELECTIONS = 2;

export interface Situation {
  readonly now: number;
  readonly leadership: Leadership;
  /** The leader, when it answers. */
  readonly leader: Answering | undefined;
}

function problem(code: string, severity: Severity, text: string): Problem {
  return { code, severity, text };
}

function because(reason: string): string {
  return reason === '' ? '' : `: ${safeLine(reason, 300)}`;
}

// ---------------------------------------------------------------- of one node

export function nodeProblems(
  sample: NodeSample,
  lag: NodeView['lag'],
  situation: Situation,
  planted: readonly PlantedFault[],
): Problem[] {
  const problems = [...linkProblems(sample, situation.now), ...plantedProblems(planted)];
  if (isAnswering(sample)) {
    problems.push(...claimProblems(sample, situation), ...contactProblems(sample, situation));
    problems.push(...storeProblems(sample.status), ...appProblems(sample.status.app));
  }
  problems.push(...lagProblems(sample, lag, situation));
  return problems;
}

function linkProblems({ id, link }: NodeSample, now: number): Problem[] {
  const code = `LINK_${link.state}`;
  const since = duration(Math.max(0, now - link.since));
  switch (link.state) {
    case 'CONNECTED':
    case 'CONNECTING':
      return [];
    case 'SILENT':
      return [problem(code, 'ERROR', `${id} has not answered for ${since}${because(link.reason)}`)];
    case 'RETRYING':
      return [problem(code, 'ERROR', `${id} cannot be reached for ${since}${because(link.reason)}`)];
    case 'WRONG_CLUSTER':
      return [
        problem(
          code,
          'ERROR',
          `what answers in place of ${id} is not of this cluster${because(link.reason)}`,
        ),
      ];
    case 'UNAUTHORIZED':
      return [problem(code, 'WARNING', `${id} does not let us look${because(link.reason)}`)];
    case 'INCOMPATIBLE':
      return [problem(code, 'ERROR', `${id} does not speak our protocol${because(link.reason)}`)];
    case 'UNKNOWN':
      return [
        problem(code, 'INFO', `${id} is a member, but its address is not known${because(link.reason)}`),
      ];
  }
}

/** So many of them are named. */
const NAMED_FAULTS = 3;

/** A note: somebody wants it so. What it does to the cluster is told where it shows. */
function plantedProblems(planted: readonly PlantedFault[]): Problem[] {
  if (planted.length === 0) return [];
  const named = planted.slice(0, NAMED_FAULTS).map(({ what }) => what);
  const more = planted.length > named.length ? [`${planted.length - named.length} more`] : [];
  const text = `${planted.length === 1 ? 'a fault is' : `${planted.length} faults are`} planted in it: it ${[...named, ...more].join('; ')}`;
  return [problem(PLANTED, 'INFO', text)];
}

function claimProblems({ id, status }: Answering, { leadership }: Situation): Problem[] {
  if (leadership.stale.includes(id)) {
    const text = `${id} still believes that it leads term ${status.term}, but ${leadership.leader} leads term ${leadership.term}: is it cut off?`;
    return [problem('STALE_LEADER', 'ERROR', text)];
  }
  if (leadership.rivals.includes(id)) {
    return [problem('RIVAL_LEADER', 'ERROR', `${id} also says that it leads term ${status.term}`)];
  }
  return [];
}

/** It answers us and hears no leader, though there is one. */
function contactProblems({ id, status }: Answering, { leadership }: Situation): Problem[] {
  if (leadership.leader === '' || status.role === 'LEADER') return [];
  const { leader, leaderContactMs, timing } = status;
  const limit = UNHEARD_ELECTIONS * timing.electionMaxMs;
  if (leader === null && status.uptimeMs > limit) {
    const text = `${id} hears no leader, though ${leadership.leader} leads term ${leadership.term}: is the link between them cut?`;
    return [problem('LEADER_NOT_HEARD', 'WARNING', text)];
  }
  if (leaderContactMs === null || leaderContactMs <= limit) return [];
  const text = `${id} has not heard the leader ${leader ?? ''} for ${duration(leaderContactMs)}`;
  return [problem('LEADER_NOT_HEARD', 'WARNING', text)];
}

function storeProblems({ node, store }: NodeStatus): Problem[] {
  const problems: Problem[] = [];
  if (store.state === 'NO_SPACE') {
    problems.push(problem('DISK_FULL', 'ERROR', `the disk of ${node} is full${because(store.reason)}`));
  } else if (store.state !== 'OK') {
    problems.push(problem('DISK_FAULT', 'ERROR', `the disk of ${node} failed${because(store.reason)}`));
  } else if (store.oldestWriteMs > LIMITS.slowWriteMs) {
    const text = `the disk of ${node} is slow: a write has been waiting for ${duration(store.oldestWriteMs)}`;
    problems.push(problem('DISK_SLOW', 'WARNING', text));
  }
  if (!store.whole) {
    const text = `the log of ${node} is not proven whole, so it does not vote${because(store.reason)}`;
    problems.push(problem('LOG_UNPROVEN', 'WARNING', text));
  }
  return problems;
}

/** Nobody comes back from these without somebody's help. */
const HELPLESS: ReadonlySet<AppCondition> = new Set(['LIED', 'AHEAD', 'DIVERGED', 'INCOMPATIBLE']);

function appSeverity(condition: AppCondition): Severity {
  const state = stateOf(condition);
  if (state === 'CONNECTED') return 'INFO';
  return state === 'STALLED' || HELPLESS.has(condition) ? 'ERROR' : 'WARNING';
}

/** `since` is of that node's clock, which is not ours: shown as it is by views, not counted here. */
function appProblems(app: AppStatus): Problem[] {
  const condition = conditionOf(app);
  if (condition === 'HEALTHY' || condition === 'SUPERSEDED') return [];
  const nothing = stateOf(condition) === 'ABSENT' ? ', so nothing is applied here' : '';
  const text = `the app ${CONDITION_WORDS[condition]}${nothing}${because(app.reason)}`;
  return [problem(`APP_${condition}`, appSeverity(condition), text)];
}

const BEHIND_WORDS: Readonly<Record<BehindReason, string>> = {
  NONE: 'it is catching up',
  NO_CONTACT: 'the leader gets no answer from it',
  PROBING: "its log does not fit the leader's, and the place where it does is being looked for",
  SNAPSHOT: 'it needs a snapshot',
  FETCHING: "what it needs is being read from the leader's disk",
  WINDOW_FULL: 'as much as allowed is on its way and not yet on its disk',
  CATCHING_UP: 'it answers and is catching up',
};

function lagProblems(sample: NodeSample, lag: NodeView['lag'], { leader }: Situation): Problem[] {
  if (leader === undefined || lag === undefined) return [];
  const progress = leader.status.progress.find(({ id }) => id === sample.id);
  const limit = trailsAfterMs(leader.status);
  const amount = ({ entries: n, ms }: { entries: number; ms: number }): string =>
    `${entries(n)} / ${duration(ms)}`;
  const { replicated, applied } = lag;
  if (progress !== undefined && replicated.entries > 0 && replicated.ms > limit) {
    const why = whyBehind(sample, progress);
    return [
      problem(
        'TRAILS',
        'WARNING',
        `trails leader ${leader.id} by ${amount(replicated)} (replicated): ${why}`,
      ),
    ];
  }
  if (progress?.behind === 'NO_CONTACT') {
    const text = `the leader ${leader.id} gets no answer from it${forHowLong(progress)}: ${guess(sample)}`;
    return [problem('NO_CONTACT', 'WARNING', text)];
  }
  // The app's own problem says why already.
  const appSays = isAnswering(sample) && conditionOf(sample.status.app) !== 'HEALTHY';
  if (appSays || applied.entries === 0 || applied.ms <= limit) return [];
  const text = `its app trails the cluster by ${amount(applied)} (applied); the log itself is replicated`;
  return [problem('APPLY_TRAILS', 'WARNING', text)];
}

function forHowLong({ lastContactMs }: ProgressStatus): string {
  return lastContactMs === null ? '' : ` for ${duration(lastContactMs)}`;
}

function whyBehind(sample: NodeSample, progress: ProgressStatus): string {
  if (progress.behind === 'NO_CONTACT') return `${BEHIND_WORDS.NO_CONTACT}; ${guess(sample)}`;
  const slow = isAnswering(sample) && sample.status.store.oldestWriteMs > LIMITS.slowWriteMs;
  return slow ? `${BEHIND_WORDS[progress.behind]}; its disk is slow` : BEHIND_WORDS[progress.behind];
}

/** What it looks like when the leader gets no answer: by whether we do. */
function guess({ link }: NodeSample): string {
  switch (link.state) {
    case 'SILENT':
      return 'it does not answer here either, though its connection stands: is it paused?';
    case 'RETRYING':
      return 'it cannot be reached from here either: is it down?';
    case 'CONNECTED':
      return 'it answers here: is the link between the two cut?';
    default:
      return 'it is not watched from here';
  }
}

// ---------------------------------------------------------------- of the cluster

export function clusterProblems(
  answering: readonly Answering[],
  known: number,
  situation: Situation,
): Problem[] {
  if (answering.length === 0) {
    const text = known === 0 ? 'no node of it is known' : 'none of its nodes answers';
    return [problem('UNREACHABLE', 'ERROR', text)];
  }
  const { leadership } = situation;
  const problems: Problem[] = [];
  if (leadership.leader === '') problems.push(noLeader(answering));
  if (leadership.rivals.length > 0) {
    const names = list([leadership.leader, ...leadership.rivals]);
    problems.push(problem('TWO_LEADERS', 'ERROR', `${names} all say that they lead term ${leadership.term}`));
  }
  return [...problems, ...membershipProblems(answering, situation), ...divergenceProblems(situation)];
}

/** Told of by the leader, who compares. */
function divergenceProblems({ leader }: Situation): Problem[] {
  return (leader?.status.divergence ?? []).map(({ reason }) =>
    problem('APPS_DIFFER', 'ERROR', safeLine(reason, 400)),
  );
}

function noLeader(answering: readonly Answering[]): Problem {
  const newest = answering.reduce((a, b) => (b.status.term > a.status.term ? b : a));
  const { membership } = newest.status;
  const voters = votersOf(membership);
  const there = new Set(answering.map(({ id }) => id));
  const missing = voters.filter((id) => !there.has(id));
  if (voters.length > 0 && !isQuorum(membership, (id) => there.has(id))) {
    const text = `there is no leader, and only ${voters.length - missing.length} of ${voters.length} voters answer where ${majorityOf(membership.voters)} are needed: ${list(missing)} ${missing.length === 1 ? 'does' : 'do'} not`;
    return problem('NO_QUORUM', 'ERROR', text);
  }
  return problem('NO_LEADER', 'ERROR', `there is no leader in term ${newest.status.term}`);
}

function membershipProblems(answering: readonly Answering[], { leader }: Situation): Problem[] {
  const reference = leader ?? answering[0];
  if (reference === undefined) return [];
  const expected = membershipKey(reference.status);
  const others = answering.filter(({ status }) => membershipKey(status) !== expected).map(({ id }) => id);
  if (others.length === 0) return [];
  const text = `${list(others)} ${others.length === 1 ? 'has' : 'have'} another membership than ${reference.id}`;
  return [problem('MEMBERSHIP_DIFFERS', 'WARNING', text)];
}

function membershipKey({ membership }: NodeStatus): string {
  const { voters, outgoing, learners } = membership;
  return JSON.stringify([voters, outgoing, learners].map((ids) => [...ids].sort()));
}
