/**
 * What became of a leader: killed, paused, cut off, transferred, stopped, busy, its disk stuck, or talked down.
 *
 * MUST: trust the leader's own account first (it alone tells a pause from a cut), then what asking it gives now, then what
 * the others saw; say LIKELY, and what else it may have been, where only the others were heard. The order of the rules is
 * the order of trust. MUST be pure.
 *
 * How they differ in the evidence:
 *   killed     its links break at once and its process is gone, or is another one; it said nothing of stopping
 *   paused     its links stand while it is silent; it says afterwards that it did not run, and used no CPU
 *   cut off    it ran all the time and lost its quorum, or still believes to lead
 *   transferred, stopped   it said so, and the next leader campaigned because it was told to
 */
import type { NodeEvent } from '../events.ts';
import { LIMITS } from '../limits.ts';
import { safeLine } from '../safe-text.ts';
import { duration, list } from '../wording.ts';
import { allSeen, type Finding, firstOf, type Rule, said } from './finding.ts';
import { absencesOf, leadingUpTo, leavesNoQuorum, type Office, pauseOf, successionOf } from './office.ts';
import { reachText } from './reach.ts';
import type { EvidenceItem } from './types.ts';

const LOOK_THERE = 'Ask the same in the editor, which sees all nodes, or ask the old leader itself.';

export function fateOf(office: Office): Finding | undefined {
  return firstOf(RULES, office);
}

const RULES: readonly Rule<Office>[] = [
  stoppedOrTransferred,
  diskStuck,
  paused,
  lostQuorum,
  returnedWithHigherTerm,
  unheard,
  stillBelieves,
  processEnded,
  silentNow,
  onlyTheOthersKnow,
];

/** ` n2 leads term 6 since then.` */
function then({ next, old }: Office): string {
  if (next === undefined) return ' No leader has been elected since.';
  const again = next.leader === old.leader ? ' again' : '';
  return ` ${next.leader} leads term ${next.term}${again} since then.`;
}

function silence({ trigger }: Office): string {
  return trigger?.ms === undefined ? '' : ` after ${duration(trigger.ms)} without a sign of it`;
}

function asked({ node, reach }: Office): EvidenceItem[] {
  return node === undefined || reach === 'UNASKED' ? [] : [said(node.node, reachText(node, reach))];
}

function stoppedOrTransferred(it: Office): Finding | undefined {
  const { account, fell, trigger, old } = it;
  const stopping = account.find(
    ({ kind, at }) => kind === 'STOPPING' && (fell === undefined || at <= fell.at + LIMITS.shutdownMs),
  );
  // One that heard from no quorum tells another to campaign, too: its own account says which it was.
  const toldTo = trigger?.cause === 'TRANSFER_RECEIVED' && fell?.cause !== 'QUORUM_LOST';
  const handedOver = fell?.cause === 'TRANSFERRED' || toldTo;
  const started = account.find(({ kind }) => kind === 'TRANSFER_STARTED');
  const evidence = (first: typeof account): EvidenceItem[] =>
    allSeen([...first, started, fell, ...successionOf(it)]);
  if (stopping !== undefined && (handedOver || fell === undefined || stopping.seq < fell.seq)) {
    const fault = stopping.cause === 'FAULT';
    const how = handedOver ? ' and handed its leadership over before that' : '';
    return {
      cause: 'LEADER_STOPPED',
      certainty: handedOver && fell !== undefined && stopping.seq > fell.seq ? 'LIKELY' : 'CERTAIN',
      answer: `${old.leader}, which led term ${old.term}, stopped by itself${fault ? ' because of a fault' : ''}${how}.${then(it)}`,
      evidence: evidence([stopping]),
      next: fault ? `See the log of ${old.leader} for the fault, then start it again.` : '',
    };
  }
  if (!handedOver) return undefined;
  if (started?.cause === 'APP_UNHEALTHY') return appUnhealthy(it, started);
  const bySelf = fell?.cause === 'TRANSFERRED' || it.reach === 'ANSWERS';
  return {
    cause: 'LEADER_TRANSFERRED',
    certainty: bySelf ? 'CERTAIN' : 'LIKELY',
    answer: `${old.leader}, which led term ${old.term}, handed its leadership over${preferred(started)}.${then(it)}`,
    evidence: evidence([]),
    next: bySelf ? '' : `It may have heard nobody, and stepped down for that. ${LOOK_THERE}`,
  };
}

function preferred(started: NodeEvent | undefined): string {
  if (started?.cause !== 'PRIORITY') return '';
  return ` by itself to ${safeLine(started.peer ?? '', 80)}, which has a higher priority`;
}

/** It handed over by itself, since its own app was not healthy and that of its successor was. */
function appUnhealthy(it: Office, started: NodeEvent): Finding {
  const { fell, old } = it;
  const [app] = leadingUpTo(it, started, ['APP']).slice(-1);
  const condition = app?.condition ?? app?.state;
  return {
    cause: 'LEADER_APP_UNHEALTHY',
    certainty: 'CERTAIN',
    answer: `${old.leader}, which led term ${old.term}, handed its leadership over by itself, because its app was not healthy${condition === undefined ? '' : ` (${safeLine(condition, 40)})`} and that of ${safeLine(started.peer ?? '', 80)} was.${then(it)}`,
    evidence: allSeen([app, started, fell, ...successionOf(it)]),
    next: `Look at the app of ${old.leader}.`,
  };
}

function diskStuck(it: Office): Finding | undefined {
  const { fell, old } = it;
  if (fell?.cause !== 'DISK_STUCK') return undefined;
  const disk = leadingUpTo(it, fell, ['DISK_SLOW', 'DISK_FULL']);
  const full = disk.at(-1)?.kind === 'DISK_FULL';
  return {
    cause: 'LEADER_DISK_STUCK',
    certainty: 'CERTAIN',
    answer: `${old.leader}, which led term ${old.term}, stepped down because its disk ${full ? 'is full' : 'did not finish a write in time'}.${then(it)}`,
    evidence: allSeen([...disk, fell, ...successionOf(it)]),
    next: full ? `Make space on the disk of ${old.leader}.` : `Look at the disk of ${old.leader}.`,
  };
}

function paused(it: Office): Finding | undefined {
  const { fell, old } = it;
  const pause = pauseOf(it);
  if (pause === undefined && fell?.cause !== 'STALLED') return undefined;
  const busy = pause?.cause === 'BUSY';
  const ms = pause?.ms === undefined ? 'longer than an election timeout' : duration(pause.ms);
  const how = busy ? `was too busy to send heartbeats for ${ms}` : `did not run for ${ms}`;
  return {
    cause: busy ? 'LEADER_BUSY' : 'LEADER_PAUSED',
    certainty: pause !== undefined && fell !== undefined ? 'CERTAIN' : 'LIKELY',
    answer: `The process of ${old.leader}, which led term ${old.term}, ${how}${busy ? '' : ' (stopped, swapped out or starved)'}.${then(it)}`,
    evidence: allSeen([pause, ...successionOf(it), fell]),
    next: busy
      ? `Find out what keeps the process of ${old.leader} busy.`
      : `Find out what stopped the process of ${old.leader}: a signal, a debugger, a suspended machine, swapping.`,
  };
}

function lostQuorum(it: Office): Finding | undefined {
  const { fell, old, trigger, evidence } = it;
  if (fell?.cause !== 'QUORUM_LOST') return undefined;
  const lost = leadingUpTo(it, fell, ['CONTACT_LOST', 'PEER_DOWN']);
  const away = absencesOf(it);
  if (leavesNoQuorum(evidence, away)) {
    const names = list(away.map(({ node }) => node));
    return {
      cause: 'NO_QUORUM',
      certainty: 'CERTAIN',
      answer: `${old.leader}, which led term ${old.term}, heard from no quorum and stepped down, because ${names} ${away.length === 1 ? 'was' : 'were'} away.${then(it)}`,
      evidence: allSeen([...lost, fell, ...away, ...successionOf(it)]),
      next: `Ask why ${names} ${away.length === 1 ? 'was' : 'were'} away.`,
    };
  }
  const unheard = trigger?.cause === 'ELECTION_TIMEOUT';
  const oneWay = trigger?.cause === 'TRANSFER_RECEIVED';
  const bySide = unheard
    ? `, while ${trigger.node} did not hear it`
    : oneWay
      ? `, while ${trigger.node} heard it, and campaigned when it said so`
      : '';
  return {
    cause: 'LEADER_CUT_OFF',
    certainty: unheard || oneWay ? 'CERTAIN' : 'LIKELY',
    answer: `${old.leader}, which led term ${old.term}, was cut off: it ran, heard from no quorum and stepped down${bySide}.${then(it)}`,
    evidence: allSeen([...lost, fell, ...it.brokeBefore, ...successionOf(it)]),
    next: oneWay
      ? `Look at the network from the others to ${old.leader}: the other direction works.`
      : `Look at the network between ${old.leader} and the others.`,
  };
}

function returnedWithHigherTerm(it: Office): Finding | undefined {
  const { fell, account, old } = it;
  if (fell?.cause !== 'HIGHER_TERM') return undefined;
  const back = account.filter(
    ({ kind, seq }) => (kind === 'CONTACT_REGAINED' || kind === 'PEER_UP') && seq < fell.seq,
  );
  for (const regained of back.reverse()) {
    const raised = it.between.find(
      ({ node, kind, role, term }) =>
        node === regained.peer &&
        term > old.term &&
        (kind === 'STARTED' || (kind === 'ROLE' && role === 'CANDIDATE')),
    );
    if (raised === undefined) continue;
    return {
      cause: 'RETURNED_WITH_HIGHER_TERM',
      certainty: 'CERTAIN',
      answer: `${raised.node} came back with term ${raised.term}, higher than the ${old.term} that ${old.leader} led, so ${old.leader} had to step down.${then(it)}`,
      evidence: allSeen([raised, regained, fell, ...successionOf(it)]),
      next: 'Turn pre-vote on: then a node that was away does not raise its term.',
    };
  }
  return undefined;
}

/** It ran, and somebody else was elected over it. */
function unheard(it: Office): Finding | undefined {
  const { fell, old, account, trigger } = it;
  if (fell === undefined) return undefined;
  const lost = account.filter(({ kind, seq }) => kind === 'CONTACT_LOST' && seq < fell.seq);
  const known = trigger?.cause === 'ELECTION_TIMEOUT';
  if (!known && lost.length === 0) return undefined;
  return {
    cause: 'LEADER_CUT_OFF',
    certainty: known && lost.length > 0 ? 'CERTAIN' : 'LIKELY',
    answer: `${old.leader}, which led term ${old.term}, ran all the time, but ${trigger?.node ?? 'another node'} did not hear it${silence(it)}: the way between them was cut, or lost most of what was sent.${then(it)}`,
    evidence: allSeen([...lost, ...it.brokeBefore, ...successionOf(it), fell]),
    next: `Look at the network between ${old.leader} and the others.`,
  };
}

/** It answers us and says that it leads, though the others went on. */
function stillBelieves(it: Office): Finding | undefined {
  const { node, old, next, account } = it;
  const status = node?.status;
  if (it.reach !== 'ANSWERS' || status === undefined || next === undefined) return undefined;
  if (status.role !== 'LEADER' || status.term !== old.term) return undefined;
  const lost = account.filter(({ kind }) => kind === 'CONTACT_LOST' || kind === 'PEER_DOWN').slice(-3);
  const cut = lost.length > 0;
  // A leader that runs notices a cut within an election timeout. One that noticed nothing has probably said this before.
  return {
    cause: cut ? 'LEADER_CUT_OFF' : 'LEADER_PAUSED',
    certainty: cut ? 'CERTAIN' : 'LIKELY',
    answer: cut
      ? `${old.leader} answers here and still believes that it leads term ${old.term}, but the others do not hear it.${then(it)}`
      : `${old.leader} said last that it leads term ${old.term} and noticed nothing, but the others do not hear it: its process is paused or stuck, or it was cut off just now.${then(it)}`,
    evidence: [
      said(old.leader, `${old.leader} said last that it leads term ${status.term}`),
      ...allSeen([...lost, ...it.brokeBefore, ...successionOf(it)]),
    ],
    next: cut ? `Look at the network between ${old.leader} and the others.` : 'Ask again in a second.',
  };
}

/** The process that led is gone, and did not say that it was going. */
function processEnded(it: Office): Finding | undefined {
  const { restarted, reach, old, elected, brokeBefore, brokeAfter, fell } = it;
  if (fell !== undefined || (restarted === undefined && reach !== 'GONE')) return undefined;
  const evidence = [...allSeen([...brokeBefore, ...successionOf(it), restarted]), ...asked(it)];
  // Its links stood while it was silent, and broke only after the others had moved on: it ended, but later.
  if (restarted === undefined && brokeBefore.length === 0 && brokeAfter.length > 0) {
    return {
      cause: 'LEADER_PAUSED',
      certainty: 'LIKELY',
      answer: `${old.leader}, which led term ${old.term}, was silent while its links still stood, as a paused process is; it ended only later.${then(it)}`,
      evidence: [...allSeen([...successionOf(it), ...brokeAfter]), ...asked(it)],
      next: `Start ${old.leader} again.`,
    };
  }
  const sure = elected !== undefined || (restarted !== undefined && brokeBefore.length > 0);
  return {
    cause: 'LEADER_KILLED',
    certainty: sure ? 'CERTAIN' : 'LIKELY',
    answer: `The process of ${old.leader}, which led term ${old.term}, ended without stopping in order: it was killed or crashed${silence(it) === '' ? '' : `; the others went on${silence(it)}`}.${then(it)}`,
    evidence,
    next: restarted === undefined ? `Start ${old.leader} again, and see why it ended.` : '',
  };
}

/** It does not answer us, and its process may well be there. */
function silentNow(it: Office): Finding | undefined {
  const { reach, old, brokeBefore, fell } = it;
  if (fell !== undefined || (reach !== 'SILENT' && reach !== 'UNREACHABLE')) return undefined;
  const evidence = [...asked(it), ...allSeen([...brokeBefore, ...successionOf(it)])];
  if (reach === 'SILENT' && brokeBefore.length === 0) {
    return {
      cause: 'LEADER_PAUSED',
      certainty: 'LIKELY',
      answer: `${old.leader}, which led term ${old.term}, answers nobody although its connections stand: its process is paused or stuck (a network that drops everything looks the same).${then(it)}`,
      evidence,
      next: `Look whether the process of ${old.leader} is stopped.`,
    };
  }
  const broke = brokeBefore.length > 0 && reach === 'UNREACHABLE';
  return {
    cause: broke ? 'LEADER_KILLED' : 'LEADER_CUT_OFF',
    certainty: 'LIKELY',
    answer: broke
      ? `${old.leader}, which led term ${old.term}, broke its links and cannot be reached: its process or its machine ended, or it was cut off from everybody.${then(it)}`
      : `${old.leader}, which led term ${old.term}, cannot be reached, neither by the others nor from here: it is cut off, or its machine is down or paused.${then(it)}`,
    evidence,
    next: `Look at the machine of ${old.leader} and its network.`,
  };
}

/** Only what the others recorded: enough for a guess that says so. */
function onlyTheOthersKnow(it: Office): Finding | undefined {
  const { old, brokeBefore, trigger, fell, between, next, reach, account } = it;
  if (fell !== undefined) return undefined;
  const timedOut = trigger?.cause === 'ELECTION_TIMEOUT';
  const votes = between.filter(({ kind, term }) => kind === 'VOTE_GIVEN' && term === next?.term);
  const given = votes.filter(({ granted }) => granted === true);
  const evidence = allSeen([...brokeBefore, ...given, ...successionOf(it)]);
  if (brokeBefore.length > 0 && reach === 'ANSWERS' && account.length > 0) {
    return {
      cause: 'LEADER_CUT_OFF',
      certainty: 'LIKELY',
      answer: `The links to ${old.leader}, which led term ${old.term}, broke, though its process went on.${then(it)}`,
      evidence,
      next: `Look at the network between ${old.leader} and the others.`,
    };
  }
  if (brokeBefore.length > 0) {
    return {
      cause: 'LEADER_KILLED',
      certainty: 'LIKELY',
      answer: `The links to ${old.leader}, which led term ${old.term}, broke, and it was silent from then on: its process ended, or it was cut off.${then(it)}`,
      evidence,
      next: LOOK_THERE,
    };
  }
  if (timedOut || given.some(({ preVote }) => preVote === true)) {
    return {
      cause: 'LEADER_PAUSED',
      certainty: 'LIKELY',
      answer: `${old.leader}, which led term ${old.term}, fell silent while its links stood: its process was paused or stuck, or what it sent was lost.${then(it)}`,
      evidence,
      next: LOOK_THERE,
    };
  }
  // Without pre-vote campaigns only whom the leader told to.
  if (given.length === 0) return undefined;
  return {
    cause: 'LEADER_TRANSFERRED',
    certainty: 'LIKELY',
    answer: `${old.leader}, which led term ${old.term}, probably handed its leadership over: ${next?.leader ?? ''} asked for votes at once, without asking first whether it would win (it also does so where pre-vote is off).${then(it)}`,
    evidence,
    next: LOOK_THERE,
  };
}
