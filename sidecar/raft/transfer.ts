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
  let best: Progress | undefined;
  for (const p of s.progress.values()) {
    if (!isVoter(s.membership, p.id)) continue;
    if (s.now - p.lastContact >= s.config.electionMinMs) continue;
    if (best === undefined || (p.fit === best.fit ? p.match > best.match : p.fit)) best = p;
  }
  return best?.id ?? '';
}

/** The target answered: is it up to date by now? */
export function continueTransfer(s: RaftState, p: Progress): void {
  if (s.transfer?.to !== p.id || p.match !== s.log.lastIndex) return;
  s.handedOver = true;
  s.send({ type: 'TimeoutNow', group: s.config.group, from: s.id, to: p.id, term: s.term });
}
