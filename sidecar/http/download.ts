/**
 * `GET /v1/snapshot`: the bytes of a snapshot's file, as it lies on the disk of this node.
 *
 * MUST: hold no more than a piece or two in memory, whoever reads; cut off a reader that takes nothing for too long, since the
 * snapshot is kept on the disk for it. An answer that was cut short is noticed by its length.
 */
import { once } from 'node:events';
import type { Request, Response } from 'express';
import { LIMITS } from '../../shared/limits.ts';
import { sendRefusal } from './answers.ts';
import type { HttpHost } from './host.ts';
import { badRequest, check, snapshotQuery } from './input.ts';

export async function downloadSnapshot(request: Request, response: Response, host: HttpHost): Promise<void> {
  const { index, offset } = check(snapshotQuery, request.query, 'the query');
  const found = host.snapshot(index);
  if ('code' in found) {
    sendRefusal(response, found);
    return;
  }
  if (offset > found.bytes)
    throw badRequest(`offset is behind the end: the snapshot has ${found.bytes} bytes`);
  response.setHeader('Content-Type', 'application/octet-stream');
  response.setHeader('Content-Length', found.bytes - offset);
  response.setHeader('Outrigger-Index', found.index);
  response.setHeader('Outrigger-Term', found.term);
  response.setHeader('Outrigger-Snapshot-Bytes', found.bytes);
  response.setHeader('Outrigger-Snapshot-Digest', found.digest);
  if (request.method === 'HEAD') response.end();
  else await sendPieces(response, found.read(offset));
}

/** Writes them as the reader takes them. Exported for tests. */
export async function sendPieces(
  response: Response,
  pieces: AsyncIterable<Uint8Array>,
  stallMs: number = LIMITS.snapshotIdleMs,
): Promise<void> {
  for await (const piece of pieces) {
    if (response.destroyed) return;
    if (!response.write(piece) && !(await drained(response, stallMs))) {
      response.destroy();
      return;
    }
  }
  response.end();
}

/** False when the reader is gone, or took nothing for so long. */
async function drained(response: Response, stallMs: number): Promise<boolean> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(stallMs)]);
  const took = once(response, 'drain', { signal }).then(() => true);
  const gone = once(response, 'close', { signal }).then(() => false);
  // Whichever comes first; the time is over: neither came.
  return Promise.race([took, gone])
    .catch(() => false)
    .finally(() => {
      over.abort();
      for (const late of [took, gone]) late.catch(() => undefined);
    });
}
