/**
 * Why is a node behind whose leader has compacted what it lacks?
 *
 * MUST: tell a transfer that goes on from one that can never end, since the log that is kept is shorter than it takes. MUST be pure.
 */
import type { NodeEvent } from '../events.ts';
import { byteSize } from '../wording.ts';
import { type Subject, subjectOf } from './contact.ts';
import { allSeen, type Finding } from './finding.ts';
import { last } from './history.ts';
import type { EvidenceItem } from './types.ts';

/** `heard`: what the leader says of it. */
export function needsSnapshot(it: Subject, heard: readonly EvidenceItem[]): Finding | undefined {
  const { progress, events, leader, evidence, id } = it;
  if (progress?.behind !== 'SNAPSHOT') return undefined;
  const ofLeader = subjectOf(evidence, leader?.node ?? '').events;
  const fetching = last(events, ({ kind }) => kind === 'SNAPSHOT_FETCHING');
  const installed = last(events, ({ kind }) => kind === 'SNAPSHOT_INSTALLED');
  const outrun = last(ofLeader, ({ kind, peer }) => kind === 'SNAPSHOT_OUTRUN' && peer === id);
  const failed = last(ofLeader, ({ kind }) => kind === 'SNAPSHOT_FAILED' || kind === 'SNAPSHOT_TAKEN');
  const none = failed?.kind === 'SNAPSHOT_FAILED' && fetching === undefined;
  return {
    cause: 'NEEDS_SNAPSHOT',
    certainty: 'CERTAIN',
    answer: `${id} needs entries that ${leader?.node} has no longer, and so a snapshot first${underWay(fetching, none)}.${outrun === undefined ? '' : ' It had one already, and when that was there, the log began behind it: what is kept of the log is less than comes in while a snapshot is sent.'}`,
    evidence: [...allSeen([outrun, none ? failed : undefined, fetching, installed]), ...heard],
    next: nextStep(outrun !== undefined, none),
  };
}

function underWay(fetching: NodeEvent | undefined, none: boolean): string {
  if (none) return ', and there is none';
  if (fetching === undefined) return '';
  return `: it gets the one of entry ${fetching.index ?? 0}, ${byteSize(fetching.bytes ?? 0)}`;
}

function nextStep(outrun: boolean, none: boolean): string {
  if (none) return 'Look at the app beside the leader: it must give a snapshot of its state.';
  if (outrun) return 'Raise --snapshot-bytes and --snapshot-entries, or --snapshot-send-bytes, on all nodes.';
  return 'Nothing, as long as it gets on.';
}
