/**
 * Why did the leader change, or why is there none?
 *
 * MUST: take the change into the highest term whose leader anybody knows; order terms, never wall clocks. MUST be pure.
 */
import { duration } from '../wording.ts';
import { fateOf } from './fate.ts';
import { allSeen, type Finding, said, unknown } from './finding.ts';
import {
  electionOf,
  eventsOf,
  lastOfKinds,
  nodeOf,
  type Reign,
  reignsOf,
  timingOf,
  triggerOf,
  votesFor,
} from './history.ts';
import { whyNoLeader } from './no-leader.ts';
import { officeOf, successionOf } from './office.ts';
import { reachOf } from './reach.ts';
import type { Evidence, EvidenceItem, NodeEvidence } from './types.ts';

const NOTHING_HEARD = 'Attach to a running node of this cluster, then ask again.';

export function explainLeader(evidence: Evidence): Finding {
  if (evidence.nodes.every(({ events, status }) => events.length === 0 && status === undefined)) {
    return unknown('No node of this cluster has told anything yet.', NOTHING_HEARD);
  }
  const reigns = reignsOf(evidence);
  const latest = reigns.at(-1);
  if (latest === undefined || !isStillHeard(evidence, latest)) return explainNone(evidence, latest);
  const previous = reigns.at(-2);
  if (electionUnseen(evidence, latest)) return stable(evidence, latest);
  return previous === undefined ? explainFirst(evidence, latest) : explainChange(evidence, previous, latest);
}

/** Does anybody who answers lead that term, or hear its leader? Without any status the events alone decide. */
function isStillHeard(evidence: Evidence, { term, leader }: Reign): boolean {
  const answering = evidence.nodes.filter(({ reachable, status }) => reachable && status !== undefined);
  if (answering.length === 0) return evidence.nodes.every(({ status }) => status === undefined);
  return answering.some((one) => {
    const { node, status } = one;
    if (status === undefined) return false;
    // Its events are newer than its status.
    if (status.term < term) return lastOfKinds(eventsOf(one), ['ROLE'])?.leader === leader;
    if (status.role === 'LEADER') return node === leader && status.term === term;
    if (status.leader !== leader) return false;
    const contact = status.leaderContactMs;
    return contact === null || contact < timingOf(evidence).electionMaxMs;
  });
}

/** Nobody recorded how the latest leader came. */
function electionUnseen(evidence: Evidence, { term }: Reign): boolean {
  return !evidence.nodes.some((node) =>
    eventsOf(node).some((event) => event.kind === 'ROLE' && event.term === term),
  );
}

function explainNone(evidence: Evidence, latest: Reign | undefined): Finding {
  const finding = whyNoLeader(evidence);
  const fate = latest === undefined ? undefined : fateOf(officeOf(evidence, latest, undefined));
  if (finding !== undefined) return fate === undefined ? finding : join(finding, fate);
  return (
    fate ??
    unknown(
      'There is no leader, and nothing that is known says why: no campaign, no refused vote and no lost leader was recorded.',
      'Wait for an election timeout and ask again; see the events of each node.',
      numbers(evidence),
    )
  );
}

/** Why there is none, and what became of the last one. */
function join(finding: Finding, fate: Finding): Finding {
  return { ...finding, evidence: [...finding.evidence, ...fate.evidence] };
}

function numbers(evidence: Evidence): EvidenceItem[] {
  return evidence.nodes.flatMap(({ node, status }) =>
    status === undefined ? [] : [said(node, `${node} is ${status.role} in term ${status.term}`)],
  );
}

function explainChange(evidence: Evidence, previous: Reign, latest: Reign): Finding {
  const office = officeOf(evidence, previous, latest);
  const fate = fateOf(office);
  if (fate !== undefined) return fate;
  const silence = office.trigger?.ms;
  return unknown(
    `${previous.leader} led term ${previous.term} and ${latest.leader} leads term ${latest.term}, but how the first one ended is not known: the events of that time are missing${silence === undefined ? '' : ` (it had been silent for ${duration(silence)})`}.`,
    `Look at the events and the log of ${previous.leader}.`,
    allSeen(successionOf(office)),
  );
}

/** No earlier leader is known. Is that because there was none, or because it was forgotten? */
function explainFirst(evidence: Evidence, latest: Reign): Finding {
  const election = electionOf(evidence, latest);
  if (election === undefined) return stable(evidence, latest);
  const starts = evidence.nodes.flatMap((node) => {
    const start = eventsOf(node).find(({ kind, term }) => kind === 'STARTED' && term < latest.term);
    return start === undefined ? [] : [start];
  });
  const own = starts.find(({ node }) => node === latest.leader);
  const trigger = triggerOf(evidence, latest);
  if (own === undefined) {
    return unknown(
      `${latest.leader} leads term ${latest.term}, but who led before is not known: the events begin later.`,
      '',
      allSeen([trigger, ...votesFor(evidence, latest), election]),
    );
  }
  const all = evidence.nodes.length > 1 && starts.length === evidence.nodes.length;
  const evidenceItems = allSeen([...starts, trigger, ...votesFor(evidence, latest), election]);
  return {
    cause: 'FIRST_ELECTION',
    certainty: all || own.term === 0 ? 'CERTAIN' : 'LIKELY',
    answer: `It is the first election since ${all ? 'the nodes' : own.node} started: nobody led, and ${latest.leader} was elected in term ${latest.term}.`,
    evidence: evidenceItems,
    next: '',
  };
}

function stable(evidence: Evidence, { term, leader }: Reign): Finding {
  const tellers = evidence.nodes.filter(
    ({ status }) =>
      status !== undefined && status.term === term && (status.leader === leader || status.role === 'LEADER'),
  );
  const items = tellers.map((node) => said(node.node, standing(node, leader, term)));
  const events = evidence.nodes.flatMap((node) =>
    eventsOf(node).filter((event) => event.kind === 'ROLE' && event.term === term),
  );
  if (items.length + events.length === 0) return unknown('Who leads is not known.', NOTHING_HEARD);
  return {
    cause: 'LEADER_STABLE',
    certainty: reachOf(nodeOf(evidence, leader)) === 'ANSWERS' ? 'CERTAIN' : 'LIKELY',
    answer: `${leader} leads term ${term}; no change of the leader was seen since the events begin that are kept.`,
    evidence: [...items, ...allSeen(events)],
    next: '',
  };
}

function standing({ node, status }: NodeEvidence, leader: string, term: number): string {
  if (node === leader) return `${node} leads term ${term}`;
  const contact = status?.leaderContactMs;
  const heard = contact === null || contact === undefined ? '' : ` and heard it ${duration(contact)} ago`;
  return `${node} follows ${leader} in term ${term}${heard}`;
}
