/**
 * Which faults are planted in a node, for whoever looks at it (only with `--control`).
 *
 * MUST: count the time that is left by the clock of the node, and by ours only since it was last heard; make harmless what it says.
 * MUST be pure.
 */
import type { NodeSample } from '../cluster-view.ts';
import { describeFault } from '../faults.ts';
import { LIMITS } from '../limits.ts';
import { safeLine } from '../safe-text.ts';

export interface PlantedFault {
  readonly id: string;
  /** For a sentence that begins with the node; a harmless line. */
  readonly what: string;
  /** Until it ends by itself. */
  readonly leftMs: number;
  /** Messages that were lost or held back by it. */
  readonly messages: number;
}

/** The code of the problem that tells of them. */
export const PLANTED = 'FAULT_PLANTED';

/** None of a process that has ended: its faults ended with it. One that stands still has those whose time is not over. */
export function plantedIn({ link, status, statusAt }: NodeSample, now: number): PlantedFault[] {
  if (status === undefined || (link.state !== 'CONNECTED' && link.state !== 'SILENT')) return [];
  const there = status.now + Math.max(0, now - (statusAt ?? now));
  return (status.faults ?? [])
    .map((fault) => ({
      id: safeLine(fault.id, 64),
      what: safeLine(describeFault(fault), 200),
      leftMs: Math.max(0, fault.until - there),
      messages: fault.messages,
    }))
    .filter(({ leftMs }) => link.state === 'CONNECTED' || leftMs > 0)
    .slice(0, LIMITS.faults);
}
