/**
 * What a new cluster that goes on with an old one's state needs: terms of its own, and snapshots that are its own.
 *
 * MUST: leave the app's bytes, the sessions and the replies of a snapshot as they are.
 */
import type { Membership } from '../../shared/entry.ts';
import { StoreError } from '../store/contract.ts';
import type { Snapshot, SnapshotFolder } from '../store/snapshots/folder.ts';
import type { SnapshotMeta } from '../store/snapshots/layout.ts';

/**
 * A new cluster begins so many terms later. The old one may have had terms that nobody here knows of; so no term of it comes
 * again, and no entry of the one has the place (index, term) of an entry of the other.
 */
export const TERMS_LEFT_OUT = 1_000;

/** A snapshot to be taken in, wherever it lies. */
export interface SnapshotSource {
  readonly meta: SnapshotMeta;
  readonly sessions: Uint8Array;
  readonly replies: Uint8Array;
  app(): AsyncIterable<Uint8Array>;
}

/** Makes it a snapshot of `folder`, as one of `cluster` with these members. Throws StoreError. */
export async function adoptSnapshot(
  folder: SnapshotFolder,
  { meta, sessions, replies, app }: SnapshotSource,
  cluster: string,
  membership: Membership,
): Promise<Snapshot> {
  const { node, point, full, appFormat: format } = meta;
  const writer = await folder.begin();
  try {
    for await (const piece of app()) await writer.add(piece);
    const config = { index: point.index, membership };
    const sha256 = Buffer.from(meta.app.sha256);
    if (!writer.appDigest().equals(sha256))
      throw new StoreError('FAULT', 'the bytes of the app in a snapshot are damaged');
    return await folder.keep(
      writer,
      { cluster, node, point, config, sessions, replies },
      { format, full, sha256 },
    );
  } catch (error) {
    await writer.abandon().catch(() => undefined);
    throw error;
  }
}
