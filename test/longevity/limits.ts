/**
 * What a node may use at most, from its settings. Pure.
 *
 * The log on the disk: what is kept for others (`logKeepIntervals`), what comes until the next snapshot is there, and what SQLite
 * adds to the records: its pages, and the WAL, which is copied into the database at 4 MiB and may grow while that happens.
 * Snapshots: the newest one, one that is being written, and one that is being made bare or fetched.
 */
import { LIMITS } from '../../shared/limits.ts';

/** Two nodes of one cluster do not take their snapshots at once: up to this share later. */
const SPREAD = 0.25;
/** A small commit fills its pages badly. */
const SQLITE_SHARE = 1.5;
const WAL_BYTES = 16 * 1024 * 1024;
const SNAPSHOTS = 3;
/** The sidecar's own part of each, and bare ones. */
const OWN_PART_BYTES = 4 * 1024 * 1024;

export interface Bounds {
  readonly logFileBytes: number;
  readonly snapshotFileBytes: number;
  readonly rssBytes: number;
}

export function boundsOf(settings: {
  readonly snapshotBytes: number;
  readonly stateBytes: number;
  readonly rssBytes: number;
}): Bounds {
  const interval = Math.max(settings.snapshotBytes, settings.stateBytes) * (1 + SPREAD);
  return {
    logFileBytes: (LIMITS.logKeepIntervals + 1) * interval * SQLITE_SHARE + WAL_BYTES,
    snapshotFileBytes: SNAPSHOTS * settings.stateBytes + OWN_PART_BYTES,
    rssBytes: settings.rssBytes,
  };
}
