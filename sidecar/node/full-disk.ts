/**
 * A full disk as an orderly state: no writes and no leadership, but reads of what is applied go on; tried again until there is space.
 *
 * MUST: forget what was not durable, and begin consensus again from what the disk holds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { refusal } from '../../shared/codes.ts';
import { type Store, StoreError } from '../store/contract.ts';
import type { Node } from './node.ts';

export interface FullDiskPort {
  readonly node: Node;
  readonly store: Store;
  readonly log: Logger;
  /** The sidecar ends: nobody waits for space any more. */
  stopping(): boolean;
  /** Opens the log, which was closed, and begins consensus from what it holds. */
  openAgain(): Promise<void>;
}

/** How often it is tried again. */
const RETRY_MS = 1_000;

/** Resolves when the node goes on, or the sidecar ends. Rejects where the log cannot be opened again. */
export async function untilSpace(port: FullDiskPort, error: StoreError): Promise<void> {
  const { node, store, log, openAgain } = port;
  log.error({ err: error }, 'the disk is full: this node takes no writes until there is space');
  node.closed = refusal('NO_SPACE', `the disk of ${node.id} is full`, { retryAfterMs: RETRY_MS });
  node.recorder.diskFull(error.message);
  node.driver.step({ type: 'stepDown', cause: 'DISK_STUCK' });
  node.driver.stop();
  if (!(await thereIsSpace(port))) return;
  await store.close();
  log.info('there is space again: starting consensus from what the disk holds');
  await openAgain();
  node.recorder.diskHasSpace();
}

/** False where the sidecar ends first. */
async function thereIsSpace({ store, stopping }: FullDiskPort): Promise<boolean> {
  for (;;) {
    await delay(RETRY_MS);
    if (stopping()) return false;
    try {
      await store.resume();
      return true;
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'NO_SPACE') throw error;
    }
  }
}
