/** The metrics of the snapshots of a sidecar, beside those of metrics.ts. */
import type { Row, SampledRegistry } from './registry.ts';

/** What the snapshots of the node are like, and how they went since it started. */
export interface SnapshotSample {
  readonly index: number;
  readonly bytes: number;
  readonly logBytes: number;
  readonly taken: number;
  readonly failed: number;
  readonly installed: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** `of`: undefined for a node that takes none. */
export function registerSnapshots<S>(
  registry: SampledRegistry<S>,
  of: (now: S) => SnapshotSample | undefined,
): void {
  const rows =
    (make: (now: SnapshotSample) => Row[]) =>
    (sample: S): Row[] => {
      const now = of(sample);
      return now === undefined ? [] : make(now);
    };
  const gauge = (name: string, help: string, value: (now: SnapshotSample) => number): void =>
    registry.rows(
      name,
      help,
      [],
      rows((now) => [[{}, value(now)]]),
    );
  gauge(
    'outrigger_snapshot_index',
    'Everything up to this index is in the newest snapshot on the disk of this node, 0 where there is none.',
    (now) => now.index,
  );
  gauge('outrigger_snapshot_disk_bytes', 'Bytes of all snapshots on the disk.', (now) => now.bytes);
  gauge(
    'outrigger_log_bytes',
    'Bytes of the entries that the log holds, about. Growth without end means that no snapshot is taken, or that an app lags.',
    (now) => now.logBytes,
  );
  registry.totals(
    'outrigger_snapshots_total',
    'Snapshots TAKEN of the local app, INSTALLED from another node, or FAILED: the app gave none in time, or the disk was full.',
    ['outcome'],
    rows((now) => [
      [{ outcome: 'TAKEN' }, now.taken],
      [{ outcome: 'INSTALLED' }, now.installed],
      [{ outcome: 'FAILED' }, now.failed],
    ]),
  );
  registry.totals(
    'outrigger_snapshot_transfer_bytes_total',
    'Bytes of snapshots SENT to other nodes and RECEIVED from them.',
    ['direction'],
    rows((now) => [
      [{ direction: 'SENT' }, now.sentBytes],
      [{ direction: 'RECEIVED' }, now.receivedBytes],
    ]),
  );
}
