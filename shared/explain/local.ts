/**
 * What a node itself suffers from: its disk, its log. (Its app is in `app.ts`.)
 *
 * MUST be pure.
 */
import type { NodeEvent } from '../events.ts';
import { LIMITS } from '../limits.ts';
import { safeLine } from '../safe-text.ts';
import { duration } from '../wording.ts';
import { RECENT_MS, type Subject } from './contact.ts';
import { allSeen, type Finding, said } from './finding.ts';
import { lastOfKinds } from './history.ts';

/** `: REASON`, or nothing. */
export function because(reason: string): string {
  return reason === '' ? '' : `: ${safeLine(reason, 300)}`;
}

export function diskFull({ id, status, events }: Subject): Finding | undefined {
  const word = lastOfKinds(events, ['DISK_FULL', 'DISK_SPACE', 'STARTED']);
  const full = status === undefined ? word?.kind === 'DISK_FULL' : status.store.state === 'NO_SPACE';
  if (!full) return undefined;
  const told =
    status === undefined ? [] : [said(id, `${id} says that its disk is full${because(status.store.reason)}`)];
  return {
    cause: 'DISK_FULL',
    certainty: 'CERTAIN',
    answer: `The disk of ${id} is full: it takes no entries and does not vote until there is space.`,
    evidence: [...told, ...allSeen([word?.kind === 'DISK_FULL' ? word : undefined])],
    next: `Make space on the disk of ${id}; it goes on by itself.`,
  };
}

/** The newest sign of a slow disk; `recent` ones count even after the disk wrote in time again. */
function slowWrite({ events, status }: Subject): {
  readonly event: NodeEvent | undefined;
  readonly now: boolean;
} {
  const word = lastOfKinds(events, ['DISK_SLOW', 'DISK_OK', 'STARTED']);
  const slow = lastOfKinds(events, ['DISK_SLOW']);
  const clock = status?.now ?? events.at(-1)?.at ?? 0;
  if (slow === undefined || clock - slow.at > RECENT_MS) return { event: undefined, now: false };
  return { event: slow, now: word?.kind === 'DISK_SLOW' };
}

/** `trailing`: it is behind, so that also a disk which was slow a moment ago matters. */
export function slowDisk(it: Subject, trailing: boolean): Finding | undefined {
  const { id, status, progress, leader } = it;
  const waiting = status?.store.oldestWriteMs ?? 0;
  const { event, now } = slowWrite(it);
  if (waiting <= LIMITS.slowWriteMs && !now && !(trailing && event !== undefined)) return undefined;
  const full = progress?.behind === 'WINDOW_FULL';
  const told =
    waiting > LIMITS.slowWriteMs
      ? [said(id, `a write of ${id} has been waiting for the disk for ${duration(waiting)}`)]
      : [];
  const window =
    full && leader !== undefined
      ? [
          said(
            leader.node,
            `the leader ${leader.node} has sent ${id} as much as allowed (${progress.inflightBytes} bytes) and waits for its disk`,
          ),
        ]
      : [];
  return {
    cause: 'SLOW_DISK',
    certainty: waiting > LIMITS.slowWriteMs || now ? 'CERTAIN' : 'LIKELY',
    answer: `The disk of ${id} is slow: ${waiting > LIMITS.slowWriteMs ? `a write has been waiting for ${duration(waiting)}` : `a write took ${duration(event?.ms ?? 0)}`}, and what is not on its disk is not acknowledged.`,
    evidence: [...told, ...allSeen([event]), ...window],
    next: `Look at the disk of ${id}: other programs writing, a failing device, a throttled volume.`,
  };
}

export function logUnproven({ id, status }: Subject): Finding | undefined {
  if (status === undefined || status.store.whole) return undefined;
  return {
    cause: 'LOG_UNPROVEN',
    certainty: 'CERTAIN',
    answer: `The log of ${id} is not proven whole, so it does not vote until its peers have repaired it${because(status.store.reason)}.`,
    evidence: [said(id, `${id} says that its log is not proven whole${because(status.store.reason)}`)],
    next: 'Nothing, as long as the others are a quorum: it is repaired by the leader.',
  };
}
