/**
 * What is wrong with the app beside a node.
 *
 * MUST: say of an app that is behind that this is no replication lag: the log is there, and only the app has not applied
 * it. MUST be pure.
 */
import { type AppCondition, CONDITION_WORDS, conditionOf } from '../app-conditions.ts';
import type { AppIncident, DivergenceStatus, NodeStatus } from '../inspect.ts';
import { safeLine } from '../safe-text.ts';
import { trailsAfterMs } from '../view/lags.ts';
import { duration, entries, list } from '../wording.ts';
import type { Subject } from './contact.ts';
import { allSeen, type Finding, said } from './finding.ts';
import { lastOfKinds } from './history.ts';
import { because } from './local.ts';
import type { EvidenceItem, ExplainCause } from './types.ts';

interface Words {
  readonly cause: ExplainCause;
  readonly next: string;
}

const WIPE = 'start it without state, so that it is given the whole log';

const TROUBLE: Readonly<Record<Exclude<AppCondition, 'HEALTHY' | 'SUPERSEDED'>, Words>> = {
  ABSENT: { cause: 'APP_ABSENT', next: 'Start the app beside it.' },
  CRASHED: {
    cause: 'APP_CRASHED',
    next: 'See why the app ended, and start it again: it goes on where it was.',
  },
  LIED: {
    cause: 'APP_LIED',
    next: 'Correct the app: it may acknowledge only what it was given. Then let it say hello again.',
  },
  AHEAD: {
    cause: 'APP_AHEAD',
    next: `The log of this node is shorter than what the app has seen (was its data folder replaced?). If the others have the log, wait for it; else ${WIPE}.`,
  },
  DIVERGED: {
    cause: 'APP_DIVERGED',
    next: `Its state cannot be trusted: ${WIPE}; and look for what makes the app do other things here than elsewhere.`,
  },
  INCOMPATIBLE: { cause: 'APP_INCOMPATIBLE', next: 'Run an app and a sidecar that speak the same protocol.' },
  RESTARTED_EMPTY: { cause: 'APP_CATCHING_UP', next: 'Nothing, as long as it gets nearer.' },
  RESTARTED_WITH_STATE: { cause: 'APP_CATCHING_UP', next: 'Nothing, as long as it gets nearer.' },
  LAGGING: { cause: 'APP_SLOW', next: 'See what the app does with each entry.' },
  STALLED: {
    cause: 'APP_STALLED',
    next: 'See the log of the app; it goes on when it reconnects or resumes.',
  },
  NOT_READING: {
    cause: 'APP_NOT_READING',
    next: 'See why the app does not read its socket; it goes on when it does, or reconnects.',
  },
  FAILED: {
    cause: 'APP_FAILED',
    next: 'Look at that entry, correct the app, and let it resume or say hello again. Every app that is given this entry may stop there. An operator can have all of them skip it: `outrigger skip`.',
  },
  OUTDATED: {
    cause: 'APP_OUTDATED',
    next: 'Start an app that knows that version beside it: it goes on where this one stands.',
  },
};

/** An app that lasted so little before another one took over, and that more than once, is one of two. */
const CONTENDED_MS = 60_000;
const CONTENDED_TIMES = 2;

export function appTrouble(it: Subject): Finding | undefined {
  const { status } = it;
  if (status === undefined) return undefined;
  const condition = conditionOf(status.app);
  const found = leadersFinding(it);
  if (found !== undefined) return differs(it, status, found);
  const rivals = contended(status);
  if (rivals !== undefined) return twoApps(it, status, rivals);
  const trails = status.applyLag.entries > 0 && status.applyLag.ms > trailsAfterMs(status);
  if (condition !== 'HEALTHY' && condition !== 'SUPERSEDED') return troubled(it, status, condition);
  return trails ? troubled(it, status, 'LAGGING') : undefined;
}

function troubled(it: Subject, status: NodeStatus, condition: keyof typeof TROUBLE): Finding {
  const { id } = it;
  const { app, applyLag, commitIndex, appliedIndex } = status;
  const behind =
    applyLag.entries > 0 ? ` (${entries(applyLag.entries)} / ${duration(applyLag.ms)} behind)` : '';
  const { cause, next } = TROUBLE[condition];
  const healthy = conditionOf(app) === 'HEALTHY';
  const why = app.reason === '' || healthy ? '' : because(app.reason);
  return {
    cause,
    certainty: 'CERTAIN',
    answer: `${id} has the log up to ${commitIndex} committed, but its app ${CONDITION_WORDS[condition]}${why}${behind}. This is applied lag, not replication lag.`,
    evidence: [
      said(id, `the app of ${id} is ${app.condition ?? app.state}${because(app.reason)}`),
      said(id, `${id} knows ${commitIndex} as committed, and its app has applied ${appliedIndex}`),
      ...allSeen([lastOfKinds(it.events, ['APP'])]),
      ...earlier(id, status, condition),
    ],
    next,
  };
}

/** What else was wrong with apps of this node, newest first: often the reason for what is wrong now. */
function earlier(id: string, { app }: NodeStatus, now: AppCondition): EvidenceItem[] {
  return [...(app.incidents ?? [])]
    .filter(({ condition }) => condition !== now)
    .sort((a, b) => b.at - a.at)
    .slice(0, 3)
    .map(({ condition, count, at, reason }) => ({
      ...said(id, `before that it was ${condition} (${count} times)${because(reason)}`),
      at,
    }));
}

/** What the leader found by comparing the states of all apps. */
function leadersFinding({ id, leader }: Subject): DivergenceStatus | undefined {
  return leader?.status?.divergence?.find(({ nodes }) => nodes.includes(id));
}

function differs(it: Subject, { app }: NodeStatus, found: DivergenceStatus): Finding {
  const { id, leader, events } = it;
  const { verdict, after, through, reason } = found;
  const decided = verdict === 'MINORITY';
  const [first, last] = [after + 1, through];
  return {
    cause: 'APP_DIVERGED',
    certainty: decided ? 'CERTAIN' : 'LIKELY',
    answer: decided
      ? `The app of ${id} has another state than a majority of the apps after the same entries. Something in entries ${first} to ${last} made it differ: the app does not do the same everywhere, or something else changed its state.`
      : `The apps of ${safeLine(list(found.nodes), 200)} have different states after the same entries, and no majority says which is right. Something in entries ${first} to ${last} made them differ.`,
    evidence: [
      said(leader?.node ?? id, `the leader ${leader?.node ?? ''} found: ${safeLine(reason, 400)}`),
      said(id, `the app of ${id} is ${app.condition ?? app.state}${because(app.reason)}`),
      ...allSeen([lastOfKinds(events, ['APP_DIVERGED']), lastOfKinds(events, ['APP'])]),
    ],
    next: `Look at entries ${first} to ${last}, and at what the app does with them: no clock, no random numbers, no order of a hash table, no files. ${decided ? `Then ${WIPE}.` : 'Then start the one that is wrong without state.'}`,
  };
}

/** Two apps that push each other out. */
function contended({ app, now }: NodeStatus): AppIncident | undefined {
  const incident = app.incidents?.find(({ condition }) => condition === 'SUPERSEDED');
  if (incident === undefined || incident.count < CONTENDED_TIMES) return undefined;
  return now - incident.at < CONTENDED_MS ? incident : undefined;
}

function twoApps(it: Subject, { app }: NodeStatus, { count, at, reason }: AppIncident): Finding {
  const { id } = it;
  return {
    cause: 'APP_CONTENDED',
    certainty: 'LIKELY',
    answer: `Two apps take turns at ${id}: ${count} times an app said hello while another one was connected, and pushed it out. Or one app restarts before its old connection is seen to be gone.`,
    evidence: [
      { ...said(id, `another app took over${because(reason)}`), at },
      said(id, `the app of ${id} is ${app.condition ?? app.state}, epoch ${app.epoch}${because(app.reason)}`),
      ...allSeen([lastOfKinds(it.events, ['APP'])]),
    ],
    next: 'Let one app at a time run beside a sidecar.',
  };
}
