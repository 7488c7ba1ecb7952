/**
 * Starts the worker thread of the aggregator.
 *
 * MUST: need nothing that is slow to load, so that the thread starts while the language client is still being read: together
 * they are most of the time from the first look at a view to the first cluster in it.
 */
import { Worker } from 'node:worker_threads';
import type { LogOutputChannel } from 'vscode';
import { detailsOf } from '../util/errors.ts';

/** Heap of the aggregator, MB. Over it the worker ends (never the extension host) and is started again. */
const WORKER_HEAP_MB = 512;
/** Of that for young objects. What a window of a log leaves behind is collected soon, and does not pile up in the host. */
const WORKER_YOUNG_MB = 4;

/** Resolves when it runs. Rejects when it cannot, or ends at once. */
export function startWorker(workerFile: string, log: LogOutputChannel): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(workerFile, {
      name: 'outrigger-aggregator',
      stdout: true,
      stderr: true,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB, maxYoungGenerationSizeMb: WORKER_YOUNG_MB },
    });
    worker.stdout.on('data', (data: Buffer) => log.info(data.toString().trimEnd()));
    worker.stderr.on('data', (data: Buffer) => log.warn(data.toString().trimEnd()));
    worker.once('online', () => resolve(worker));
    worker.on('error', (error) => {
      log.error(`The aggregator crashed: ${detailsOf(error)}`);
      reject(error);
    });
    worker.once('exit', (code) => reject(new Error(`the aggregator ended at once with code ${code}`)));
  });
}

/** It has ended: nothing more will be heard of it, not even that. */
export function hasEnded(worker: Worker): boolean {
  return worker.threadId < 0;
}
