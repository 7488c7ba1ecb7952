/** All checks of apps, in the order in which they are told. */
import type { AppBench } from './bench.ts';
import * as applying from './checks/applying.ts';
import * as bytes from './checks/bytes.ts';
import * as meeting from './checks/meeting.ts';
import * as proposing from './checks/proposing.ts';
import * as reconnecting from './checks/reconnecting.ts';
import * as snapshots from './checks/snapshots.ts';
import type { Check, Workload } from './contract.ts';

export const APP_CHECKS: readonly Check<AppBench>[] = [
  meeting.hello,
  applying.acknowledges,
  applying.results,
  applying.applies,
  applying.deterministic,
  snapshots.snapshot,
  applying.snapshotsEqual,
  applying.gaps,
  applying.window,
  applying.nonsenseCommands,
  bytes.bytes,
  bytes.framing,
  bytes.largeCommand,
  bytes.decimalStrings,
  bytes.unknownFields,
  bytes.otherFrames,
  reconnecting.comesBack,
  reconnecting.position,
  reconnecting.redelivery,
  reconnecting.killed,
  applying.largeIndexes,
  meeting.sidecarAway,
  meeting.goodbye,
  meeting.superseded,
  meeting.refused,
  snapshots.restore,
  snapshots.snapshotWhileBusy,
  snapshots.restoreReplaces,
  snapshots.restoreCorrupt,
  snapshots.restoreCut,
  proposing.proposes,
  proposing.refusals,
  proposing.reads,
];

/** The checks as an app of unknown commands needs them: copies can be compared only where snapshots are sound. */
export function checksFor(kind: Workload['kind']): readonly Check<AppBench>[] {
  if (kind === 'kv') return APP_CHECKS;
  return APP_CHECKS.map((check) =>
    check.compares === true ? { ...check, needs: [...check.needs, 'snapshot'] } : check,
  );
}
