/**
 * What an app is given that stands where the log does not reach back to: the newest snapshot with the bytes of an app.
 *
 * MUST: give no snapshot that may come from an app with a wrong state, or whose bytes are not what was written.
 */
import { type Refusal, refusal } from '../../../shared/codes.ts';
import { LIMITS } from '../../../shared/limits.ts';
import type { AppPosition, RestorePlan } from '../../app/host.ts';
import { decodeSessions } from '../../machine/session-codec.ts';
import type { SessionTable } from '../../machine/session-table.ts';
import type { Snapshot } from '../../store/snapshots/folder.ts';
import { SnapshotGone } from '../../store/snapshots/turns.ts';
import type { Node } from '../node.ts';
import { piecePassed } from './garbage.ts';
import type { NodeSnapshots } from './node-snapshots.ts';

/** The app may come again after so long, when a snapshot has to be fetched first. */
const RETRY_MS = 1_000;

export async function planRestore(
  node: Node,
  position: AppPosition,
): Promise<{ plan: RestorePlan; table: SessionTable } | Refusal> {
  const { snapshots } = node;
  const { firstIndex } = node.driver.raft.log;
  const at = `the log of this node begins at ${firstIndex}, and the app stands at ${position.appliedIndex}`;
  if (position.snapshots === 'NONE' || snapshots === undefined)
    return refusal('UNSUPPORTED', `${at}: it would need a snapshot, and it says that it takes none`);
  for (;;) {
    const snapshot = await newestUsable(node, snapshots);
    if (snapshot === undefined || snapshot.meta.point.index < firstIndex - 1) {
      const how = snapshots.fetchFromPeers(firstIndex - 1)
        ? 'a snapshot is being fetched from another node'
        : 'no snapshot here reaches so far, and no other node is connected that could give one';
      return refusal('NOT_READY', `${at}: ${how}`, { retryAfterMs: RETRY_MS });
    }
    try {
      return await planWith(snapshot, snapshots, position);
    } catch (error) {
      if (!(error instanceof SnapshotGone)) throw error;
    }
  }
}

async function planWith(
  snapshot: Snapshot,
  snapshots: NodeSnapshots,
  position: AppPosition,
): Promise<{ plan: RestorePlan; table: SessionTable }> {
  const { index, term, hash } = snapshot.meta.point;
  const { app, appFormat: format } = snapshot.meta;
  const { folder } = snapshots;
  const table = decodeSessions(await folder.read(snapshot, 'sessions'));
  await snapshots.learnReplies(snapshot);
  const plan: RestorePlan = {
    ...{ index, term, format, size: app.bytes, sha256: app.sha256 },
    position: { ...position, appliedIndex: index, appliedHash: hash },
    chunks: () => passing(folder.app(snapshot)),
  };
  return { plan, table };
}

async function newestUsable(node: Node, snapshots: NodeSnapshots): Promise<Snapshot | undefined> {
  const { barredAfter } = node.states;
  for (;;) {
    const newest = snapshots.folder.full.findLast(
      ({ meta }) => barredAfter === undefined || meta.point.index <= barredAfter || meta.node !== node.id,
    );
    if (newest === undefined) return undefined;
    snapshots.folder.hold(newest.meta.point.index, performance.now() + LIMITS.snapshotIdleMs);
    // One that is not usable is gone, and the next one is looked at.
    if (await isUsable(snapshots, newest)) return newest;
  }
}

async function isUsable(snapshots: NodeSnapshots, snapshot: Snapshot): Promise<boolean> {
  try {
    return await snapshots.usable(snapshot);
  } catch (error) {
    if (error instanceof SnapshotGone) return false;
    throw error;
  }
}

async function* passing(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    yield chunk;
    piecePassed(chunk.length);
  }
}
