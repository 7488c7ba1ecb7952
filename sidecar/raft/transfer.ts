/**
 * Leadership transfer (dissertation §3.10): stop taking proposals, bring the target up to date, tell it to campaign.
 *
 * MUST: give up after an election timeout, so that a dead target does not stop the cluster.
 */
import type { Progress } from './progress.ts';
import { isVoter } from './quorum.ts';
import type { RaftState } from './state.ts';
import type { TransferCause } from './types.ts';

export function startTransfer(s: RaftState, to: string): void {
  const target = to === '' ? bestSuccessor(s) : to;
  const progress = s.progress.get(target);
  if (s.role !== 'LEADER' || progress === undefined || !isVoter(s.membership, target)) {
    s.effects.push({ type: 'transferFailed', to: target });
    return;
  }
  beginTransfer(s, progress, 'ASKED');
}

export function beginTransfer(s: RaftState, target: Progress, cause: TransferCause): void {
  s.transfer = { to: target.id, deadline: s.now + s.config.electionMaxMs };
  s.note({ about: 'TRANSFER_STARTED', peer: target.id, cause });
  continueTransfer(s, target);
}

/** A voter that answered lately: one that is fit before one that is not, then the one that has the most of our log. */
export function bestSuccessor(s: RaftState): string {
  const { electionMinMs } = s.config;
  const answering = votersOf(s).filter((p) => s.now - p.lastContact < electionMinMs);
  return bestOf(answering, (a, b) => a.match > b.match);
}

function votersOf(s: RaftState): Progress[] {
  return [...s.progress.values()].filter(({ id }) => isVoter(s.membership, id));
}

function bestOf(voters: readonly Progress[], hasMore: (a: Progress, b: Progress) => boolean): string {
  let best: Progress | undefined;
  for (const p of voters) if (best === undefined || (p.fit === best.fit ? hasMore(p, best) : p.fit)) best = p;
  return best?.id ?? '';
}

/** It campaigns without a pre-vote and without waiting, and is not kept from it by anybody's promise. */
export function tellToCampaign(s: RaftState, to: string): void {
  s.send({ type: 'TimeoutNow', group: s.config.group, from: s.id, to, term: s.term });
}

/**
 * A leader that hears from no quorum steps down. Whom it cannot hear may hear it all the same (a one-way cut): the best of
 * these is told to campaign now, and need not wait until our last heartbeat is an election timeout ago. Who was silent already
 * before the last of them is dead rather than cut off. Of the others the one that was *sent* the most is the best: they acknowledge
 * what we do not hear. Whom we hear is not told: where the cut is a whole one, that one is on our side, and would raise its term in vain.
 *
 * Safe whenever it arrives: nobody leads in this term any more, so a campaign is what everybody waits for; in a later term it
 * counts for nothing.
 */
export function resign(s: RaftState): void {
  const { electionMaxMs, heartbeatMs } = s.config;
  const silent = votersOf(s).filter((p) => s.now - p.lastContact >= electionMaxMs);
  const cutAt = Math.max(...silent.map((p) => p.lastContact));
  const cutOff = silent.filter((p) => cutAt - p.lastContact <= 2 * heartbeatMs);
  const to = bestOf(cutOff, (a, b) => a.next > b.next);
  if (to !== '') tellToCampaign(s, to);
  s.becomeFollower(s.term, '', 'QUORUM_LOST');
}

/** The target answered: is it up to date by now? */
export function continueTransfer(s: RaftState, p: Progress): void {
  if (s.transfer?.to !== p.id || p.match !== s.log.lastIndex) return;
  s.handedOver = true;
  tellToCampaign(s, p.id);
}
