/**
 * Fetches the file of a snapshot from a sidecar, and goes on where the connection was cut.
 *
 * MUST: put together bytes of one and the same snapshot only; hold no more than a piece of it. Whether the whole is whole is for
 * the caller to ask.
 */
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '../client.ts';
import { CliError, messageOf } from '../errors.ts';

/** A connection that brings nothing for so long is given up. */
const SILENT_MS = 30_000;
/** So many connections in a row may end without having brought anything. */
const TRIES = 5;
const AGAIN_MS = 500;

/** Our own disk: trying again is no use. */
class DiskError extends CliError {}

/** What has come so far. */
interface Progress {
  digest: string;
  have: number;
}

/** All bytes of the snapshot of `index`, into `file`. Returns its digest (hex). Throws CliError. */
export async function download(client: Client, index: number, file: FileHandle): Promise<string> {
  const progress: Progress = { digest: '', have: 0 };
  for (let failures = 0; ; await delay(AGAIN_MS)) {
    const { have } = progress;
    try {
      if (await connection(client, index, file, progress)) return progress.digest;
      failures = progress.have > have ? 0 : failures + 1;
    } catch (error) {
      if (error instanceof DiskError) throw error;
      failures = progress.have > have ? 0 : failures + 1;
      if (failures >= TRIES)
        throw error instanceof CliError ? error : new CliError(client.unreachable(error));
    }
    if (failures >= TRIES) throw new CliError(`${client.target.name} cut the connection again and again.`);
  }
}

/** One connection. True when all has come. */
async function connection(
  client: Client,
  index: number,
  file: FileHandle,
  progress: Progress,
): Promise<boolean> {
  const silence = new AbortController();
  const late = new CliError(`${client.target.name} sent nothing for ${SILENT_MS / 1_000} s.`);
  const timer = setTimeout(() => silence.abort(late), SILENT_MS);
  try {
    const path = `/v1/snapshot?index=${index}&offset=${progress.have}`;
    const response = await client.stream(path, 'admin', '', silence.signal);
    const { digest, bytes } = headOf(response, client);
    // Another one was taken at the same index meanwhile: from the beginning.
    if (progress.have > 0 && digest !== progress.digest) {
      Object.assign(progress, { digest: '', have: 0 });
      silence.abort(late);
      return false;
    }
    progress.digest = digest;
    for await (const piece of response.body ?? []) {
      timer.refresh();
      await writeAt(file, piece, progress.have);
      progress.have += piece.length;
    }
    return progress.have === bytes;
  } finally {
    clearTimeout(timer);
  }
}

function headOf({ headers }: Response, { target }: Client): { digest: string; bytes: number } {
  const digest = headers.get('outrigger-snapshot-digest') ?? '';
  const bytes = Number(headers.get('outrigger-snapshot-bytes') ?? Number.NaN);
  if (/^[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(bytes)) return { digest, bytes };
  throw new CliError(`${target.name} did not answer with a snapshot.`);
}

async function writeAt(file: FileHandle, data: Uint8Array, at: number): Promise<void> {
  try {
    for (let done = 0; done < data.length; ) {
      const { bytesWritten } = await file.write(data, done, data.length - done, at + done);
      done += bytesWritten;
    }
  } catch (error) {
    throw new DiskError(`the backup cannot be written: ${messageOf(error)}.`);
  }
}
