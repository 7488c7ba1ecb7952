/**
 * Why there is no leader: too few voters, split votes, or votes refused.
 *
 * MUST: say LIKELY where only our own view of who answers is known: nodes that we cannot reach may reach each other.
 * MUST be pure.
 */
import { causeInWords } from '../describe-event.ts';
import type { Membership } from '../entry.ts';
import type { NodeEvent } from '../events.ts';
import { isQuorum, majorityOf, votersOf } from '../quorum.ts';
import { list } from '../wording.ts';
import { allSeen, type Finding, firstOf, type Rule, said } from './finding.ts';
import { eventsOf, lastOfKinds, nodeOf } from './history.ts';
import { reachOf, reachText } from './reach.ts';
import type { Evidence, EvidenceItem } from './types.ts';

interface Stalemate {
  readonly evidence: Evidence;
  readonly membership: Membership;
  readonly voters: readonly string[];
  /** The highest term anybody knows. */
  readonly term: number;
}

export function whyNoLeader(evidence: Evidence): Finding | undefined {
  const statuses = evidence.nodes.flatMap(({ status }) => (status === undefined ? [] : [status]));
  const newest = statuses.reduce<(typeof statuses)[number] | undefined>(
    (best, status) => (best === undefined || status.term > best.term ? status : best),
    undefined,
  );
  if (newest === undefined) return undefined;
  const { membership, term } = newest;
  return firstOf(RULES, { evidence, membership, voters: votersOf(membership), term });
}

const RULES: readonly Rule<Stalemate>[] = [noQuorum, notConnected, votesRefused, splitVote];

function noQuorum({ evidence, membership, voters }: Stalemate): Finding | undefined {
  const away = voters.filter((id) => {
    const reach = reachOf(nodeOf(evidence, id));
    return reach !== 'ANSWERS' && reach !== 'UNASKED';
  });
  if (away.length === 0 || isQuorum(membership, (id) => !away.includes(id))) return undefined;
  const items = away.flatMap((id): EvidenceItem[] => {
    const node = nodeOf(evidence, id);
    return node === undefined ? [] : [said(id, reachText(node, reachOf(node)))];
  });
  const allGone = away.every((id) => reachOf(nodeOf(evidence, id)) === 'GONE');
  return {
    cause: 'NO_QUORUM',
    certainty: allGone ? 'CERTAIN' : 'LIKELY',
    answer: `There is no leader because ${list(away)} ${away.length === 1 ? 'is' : 'are'} away: ${voters.length - away.length} of ${voters.length} voters are left where ${majorityOf(membership.voters)} are needed.`,
    evidence: [...items, ...allSeen(candidacies(evidence))],
    next: `Bring ${list(away)} back.`,
  };
}

/** By their own links: what one node says, or what all say who answer us. */
function notConnected({ evidence, membership, voters }: Stalemate): Finding | undefined {
  const views = evidence.nodes.filter(
    ({ node, reachable, status }) => reachable && status !== undefined && voters.includes(node),
  );
  if (views.length === 0) return undefined;
  const lonely = views.map(({ node, status }) => {
    const missing = (status?.members ?? []).filter(
      ({ id, self, connected }) => !self && !connected && voters.includes(id),
    );
    return { node, missing, alone: !isQuorum(membership, (id) => !missing.some((other) => other.id === id)) };
  });
  if (!lonely.every(({ alone }) => alone)) return undefined;
  return {
    cause: 'NO_QUORUM',
    certainty: views.length === 1 ? 'LIKELY' : 'CERTAIN',
    answer: `There is no leader because no voter that answers is connected to a quorum of the others (${majorityOf(membership.voters)} of ${voters.length} are needed).`,
    evidence: lonely.flatMap(({ node, missing }) =>
      missing.map(({ id, reason }) =>
        said(node, `${node} is not connected to ${id}${reason === '' ? '' : `: ${reason}`}`),
      ),
    ),
    next: 'Start the missing voters, or look at the network between them.',
  };
}

/** The newest campaign of each node, if its last word about its role. */
function candidacies(evidence: Evidence): NodeEvent[] {
  return evidence.nodes.flatMap((node) => {
    const role = lastOfKinds(eventsOf(node), ['ROLE']);
    return role !== undefined && (role.role === 'CANDIDATE' || role.cause === 'VOTE_LOST') ? [role] : [];
  });
}

const SPLIT_CAUSES: readonly string[] = ['ALREADY_VOTED', 'OLD_TERM', 'LEADER_ALIVE'];

function refusals({ evidence, term }: Stalemate): NodeEvent[] {
  return evidence.nodes.flatMap((node) =>
    eventsOf(node).filter(
      (event) =>
        (event.kind === 'VOTE_RECEIVED' || event.kind === 'VOTE_GIVEN') &&
        event.granted === false &&
        event.term >= term,
    ),
  );
}

function votesRefused(it: Stalemate): Finding | undefined {
  const telling = refusals(it).filter(({ cause }) => !SPLIT_CAUSES.includes(cause));
  const newest = telling.at(-1);
  if (newest === undefined) return undefined;
  const reasons = [...new Set(telling.map(({ cause }) => causeInWords(cause)))];
  return {
    cause: 'VOTES_REFUSED',
    certainty: 'LIKELY',
    answer: `There is no leader because votes of term ${newest.term} were refused: ${list(reasons)}.`,
    evidence: allSeen([...telling.slice(-6), ...candidacies(it.evidence)]),
    next: 'A voter whose log is complete must campaign, or come back: see which one has the longest log of the highest term.',
  };
}

function splitVote(it: Stalemate): Finding | undefined {
  const rivals = refusals(it).filter(({ cause }) => cause === 'ALREADY_VOTED');
  const campaigns = it.evidence.nodes.flatMap((node) =>
    eventsOf(node).filter(
      ({ kind, role, cause, term }) =>
        kind === 'ROLE' && term >= it.term && role === 'CANDIDATE' && cause === 'PRE_VOTE_WON',
    ),
  );
  const candidates = [...new Set(campaigns.map(({ node }) => node))];
  if (rivals.length === 0 && candidates.length < 2) return undefined;
  return {
    cause: 'SPLIT_VOTE',
    certainty: candidates.length > 1 && rivals.length > 0 ? 'CERTAIN' : 'LIKELY',
    answer: `There is no leader because the votes of term ${it.term} were split${candidates.length > 1 ? ` between ${list(candidates)}` : ''}: nobody got a quorum, and the next election follows after a random pause.`,
    evidence: allSeen([...campaigns.slice(-4), ...rivals.slice(-6)]),
    next: 'Nothing, if it happens once. If it goes on, the election timeouts are too near each other.',
  };
}
