/** One question to a node that answers while we stand still ourselves. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { Worker } from 'node:worker_threads';
import { type Ask, ask } from '../../extension/aggregator/links/request.ts';
import { PATIENCE_MS, pause } from '../support/patience.ts';

const SILENT_MS = 3_000;
/** Places in the memory that both threads see. */
const ASKED = 0;
const MAY_ANSWER = 1;
const ANSWERED = 2;
/** Answers a question at once, but those to `/wait` only when it may. */
const NODE = `
const { createServer } = require('node:http');
const { parentPort, workerData: flags } = require('node:worker_threads');
createServer((request, response) => {
  if (request.url !== '/wait') return response.end('here');
  Atomics.store(flags, ${ASKED}, 1);
  Atomics.wait(flags, ${MAY_ANSWER}, 0);
  response.end('here', () => {
    Atomics.store(flags, ${ANSWERED}, 1);
    Atomics.notify(flags, ${ANSWERED});
  });
}).listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port); });`;

describe('aggregator: a question', () => {
  for (const late of ['silentMs', 'timeoutMs'] as const) {
    it(`is not over at its ${late} before what has arrived is read`, async () => {
      const flags = new Int32Array(new SharedArrayBuffer(12));
      const node = new Worker(NODE, { eval: true, workerData: flags });
      const agent = new Agent({ keepAlive: true });
      try {
        const [port] = (await once(node, 'message')) as [number];
        const silences: string[] = [];
        const question = (path: string): Ask => ({
          method: 'GET',
          path,
          token: '',
          timeoutMs: PATIENCE_MS,
          maxBytes: 100,
          signal: new AbortController().signal,
          silentMs: PATIENCE_MS,
          onSilent: () => silences.push(path),
          [late]: SILENT_MS,
        });
        await ask(agent, `http://127.0.0.1:${port}`, question('/'));
        const began = performance.now();
        const answer = ask(agent, `http://127.0.0.1:${port}`, question('/wait'));
        while (Atomics.load(flags, ASKED) === 0) await pause(1);
        // Of one turn of the event loop this is where its timers come next, and not what has arrived.
        await new Promise(setImmediate);
        standStill(flags, began + SILENT_MS + 50);
        assert.equal((await answer).body, 'here');
        assert.deepEqual(silences, []);
      } finally {
        agent.destroy();
        await node.terminate();
      }
    });
  }
});

/** Nothing of this thread runs until that moment; the other one answers meanwhile. */
function standStill(flags: Int32Array, until: number): void {
  Atomics.store(flags, MAY_ANSWER, 1);
  Atomics.notify(flags, MAY_ANSWER);
  Atomics.wait(flags, ANSWERED, 0, PATIENCE_MS);
  Atomics.wait(flags, ANSWERED, 1, until - performance.now());
}
