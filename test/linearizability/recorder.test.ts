/** The recorder: when it looks at the clock, and whom it calls whom. */
import assert from 'node:assert/strict';
import { check } from './check.ts';
import type { Outcome } from './history.ts';
import { Recorder } from './recorder.ts';

const put = (id: string) => ({ type: 'put', value: id }) as const;
const ok: Outcome = { kind: 'ok', seen: {} };

describe('linearizability: the recorder', () => {
  it('looks at the clock before the operation is written, and after its reply was understood', async () => {
    const steps: string[] = [];
    let time = 0n;
    const recorder = new Recorder('h', () => {
      steps.push('clock');
      time += 1n;
      return time;
    });
    await recorder.client().perform('k', put, async () => {
      steps.push('written');
      await Promise.resolve();
      steps.push('understood');
      return ok;
    });
    assert.deepEqual(steps, ['clock', 'written', 'understood', 'clock']);
    assert.deepEqual(recorder.operations, [
      { client: 'c1', key: 'k', id: 'h-1', command: put('h-1'), call: 1n, return: 2n, outcome: ok },
    ]);
  });

  it('gives each client and each operation a name of its own, and a client that does not know a new one', async () => {
    const recorder = new Recorder('h');
    const [a, b] = [recorder.client(), recorder.client()];
    const outcomes: Outcome[] = [ok, { kind: 'unknown' }, { kind: 'failed' }, { kind: 'unknown' }, ok];
    for (const outcome of outcomes) await a.perform('k', put, () => Promise.resolve(outcome));
    await b.perform('k', put, () => Promise.resolve(ok));
    const { operations } = recorder;
    assert.deepEqual(
      operations.map(({ client }) => client),
      ['c1', 'c1', 'c1.1', 'c1.1', 'c1.2', 'c2'],
    );
    assert.equal(new Set(operations.map(({ id }) => id)).size, outcomes.length + 1);
    assert.deepEqual(
      operations.map((operation) => operation.return === undefined),
      [false, true, false, true, false, false],
    );
    assert.equal(check(operations).verdict, 'LEGAL');
  });

  it('refuses a second operation of a client while the first is under way', async () => {
    const client = new Recorder('h').client();
    const first = client.perform('k', put, () => new Promise((done) => setImmediate(done, ok)));
    await assert.rejects(
      client.perform('k', put, () => Promise.resolve(ok)),
      /under way already/,
    );
    await first;
  });

  it('does not know what came of an operation that broke in our own hands', async () => {
    const recorder = new Recorder('h');
    const client = recorder.client();
    await assert.rejects(
      client.perform('k', put, () => Promise.reject(new Error('a fault of the harness'))),
      /a fault of the harness/,
    );
    await client.perform('k', put, () => Promise.resolve(ok));
    assert.deepEqual(
      recorder.operations.map((operation) => [operation.client, operation.outcome.kind]),
      [
        ['c1', 'unknown'],
        ['c1.1', 'ok'],
      ],
    );
  });
});
