/**
 * What a start may believe of log and snapshots together.
 *
 *  - The log begins behind entry 1, and no snapshot has what is missing: this node has forgotten. It begins empty, without its
 *    vote, and its peers give it all again.
 *  - A snapshot reaches beyond the end of the log: an installation was cut short (or the own disk was behind what was committed).
 *    A snapshot is of committed entries, so it is carried out.
 *  - A snapshot says of an entry of the log what the log does not: the snapshot is dropped. Where the log relied on it, see above.
 *
 *  - A snapshot without the app's bytes reaches beyond the end of the log, or the log begins empty: the snapshot is dropped.
 *
 * MUST: never let a log without its beginning count as a whole one, nor a snapshot say that more is committed than the log has.
 */
import { ORIGIN, type SnapshotPoint } from '../../shared/entry.ts';
import type { LogShape } from './log-shape.ts';
import type { Base, LogTable } from './log-table.ts';
import { provenHashAt } from './proven-hash.ts';
import type { Snapshot, SnapshotFolder } from './snapshots/folder.ts';

export interface SnapshotFindings {
  /** The log is to be dropped, and begins after this. */
  readonly begins: SnapshotPoint | undefined;
  /** One sentence where this node has forgotten. */
  readonly forgotten: string | undefined;
}

export async function checkSnapshots(
  table: LogTable,
  shape: LogShape,
  base: Base,
  folder: SnapshotFolder,
): Promise<SnapshotFindings> {
  for (const snapshot of [...folder.all]) {
    if (!(await contradicts(table, shape, snapshot))) continue;
    const { index, term } = snapshot.meta.point;
    folder.damaged.push(`the snapshot ${index}@${term} is of another log`);
    await folder.remove(snapshot);
  }
  const findings = judge(shape, base, folder);
  // What is beyond the end of the log says that more was committed than it has: it must not be believed.
  const end = findings.begins?.index ?? shape.lastIndex;
  for (const snapshot of [...folder.all]) if (snapshot.meta.point.index > end) await folder.remove(snapshot);
  return findings;
}

function judge(shape: LogShape, base: Base, folder: SnapshotFolder): SnapshotFindings {
  const full = folder.newestFull?.meta;
  const newest = full?.point;
  if (full !== undefined && full.point.index > shape.lastIndex)
    return { begins: { ...full.point, config: full.config }, forgotten: undefined };
  const { index } = base.point;
  const has = base.relies ? (newest?.index ?? 0) : (folder.newest?.meta.point.index ?? 0);
  if (has >= index) return { begins: undefined, forgotten: undefined };
  const why = folder.damaged.length === 0 ? '' : ` (${folder.damaged.join('; ')})`;
  return {
    begins: ORIGIN,
    forgotten: `the log begins after ${index}, and no snapshot on this disk has what came before${why}`,
  };
}

async function contradicts(table: LogTable, shape: LogShape, { meta }: Snapshot): Promise<boolean> {
  const { index, term, hash } = meta.point;
  if (index > shape.lastIndex || index < shape.base.index) return false;
  if (shape.runs.termAt(index) !== term) return true;
  const ours = await provenHashAt(table, shape, index);
  // A damaged row proves nothing against a snapshot.
  return ours !== undefined && ours !== hash;
}
