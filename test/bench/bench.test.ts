/** The parts of the bench that could make its figures wrong without anybody noticing. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appSchema } from '../../shared/wire/schema.ts';
import { ClosedLoop } from './closed-loop.ts';
import { AppliedWriter, FrameReader, ProposeWriter, sidecarFrame } from './frames.ts';
import { percentile } from './measure.ts';
import { readOptions } from './options.ts';
import type { LoadLine, LoadPlan } from './protocol.ts';

const AppFrame = appSchema.lookupType('outrigger.app.v1.AppFrame');

describe('bench', () => {
  it('writes proposals by hand that the schema reads', () => {
    const writer = new ProposeWriter(1, 256);
    const out = Buffer.alloc(2 * writer.maxBytes);
    const end = writer.write(out, writer.write(out, 0, 5), 2000);
    const chunks = FrameReader.ofApp();
    const ids: unknown[] = [];
    chunks.take(out.subarray(0, end), ({ propose }) => ids.push(propose?.id));
    assert.deepEqual(ids, [5, 2000]);
    const { propose } = AppFrame.toObject(AppFrame.decodeDelimited(out));
    assert.equal(propose.command.toString('latin1'), `k0000000${'v'.repeat(256)}`);
  });

  it('writes applied frames by hand that the schema reads', () => {
    const writer = new AppliedWriter();
    for (let index = 1; index <= 5000; index++) writer.add(index);
    const { applied } = AppFrame.toObject(AppFrame.decodeDelimited(writer.finish(5003)));
    assert.equal(applied.through, 5003);
    assert.equal(applied.results.length, 5000);
    assert.equal(applied.results[4999].index, 5000);
    assert.equal(applied.results[4999].result.readDoubleLE(), 5000);
    const empty = AppFrame.toObject(AppFrame.decodeDelimited(writer.finish(300_000)));
    assert.deepEqual(empty['applied'], { through: 300_000 });
  });

  it('reads frames however the stream is cut', () => {
    const sent = [1, 200, 3].map((id) =>
      sidecarFrame({ proposed: { id, index: 70_000, term: 1, result: Buffer.alloc(id) } }),
    );
    const stream = Buffer.concat(sent);
    for (let step = 1; step <= stream.length; step++) {
      const reader = FrameReader.ofSidecar();
      const ids: unknown[] = [];
      for (let at = 0; at < stream.length; at += step) {
        reader.take(stream.subarray(at, at + step), (frame) => ids.push(frame.proposed?.id));
      }
      assert.deepEqual(ids, [1, 200, 3], `cut every ${step} bytes`);
    }
  });

  it('takes percentiles by nearest rank', () => {
    const sorted = Float64Array.from({ length: 100 }, (_, i) => i + 1);
    assert.equal(percentile(sorted, 0.5), 50);
    assert.equal(percentile(sorted, 0.99), 99);
    assert.equal(percentile(Float64Array.of(7), 0.99), 7);
  });

  it('keeps one operation open per client, and counts errors apart', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'bench-test-'));
    const samplesFile = join(dir, 'samples');
    const open = new Set<number>();
    const lines: LoadLine[] = [];
    let asked = 0;
    const loop = new ClosedLoop(
      plan({ clients: 3, operations: 10, samplesFile }),
      (client) => {
        assert.ok(!open.has(client), `client ${client} has two operations open`);
        open.add(client);
        const refused = ++asked === 4;
        loop.sent(client);
        setImmediate(() => {
          open.delete(client);
          loop.ended(client, refused ? 'OVERLOADED' : '');
        });
      },
      (line) => lines.push(line),
    );
    await loop.run();
    const result = lines.at(-1);
    assert.ok(result?.type === 'result');
    assert.equal(result.completed, 9);
    assert.deepEqual(result.errors, { OVERLOADED: 1 });
    assert.equal(readFileSync(samplesFile).length, 9 * 8);
    rmSync(dir, { recursive: true });
  });

  it('offers no more than its pace, from all clients evenly', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'bench-test-'));
    const sent: number[] = [];
    const loop = new ClosedLoop(
      plan({ clients: 4, operations: 12, perSecond: 200, samplesFile: join(dir, 'samples') }),
      (client) => {
        sent.push(client);
        loop.sent(client);
        setImmediate(() => loop.ended(client));
      },
      () => undefined,
    );
    const from = performance.now();
    await loop.run();
    // The first at once, the other 11 each 5 ms later at the earliest; a timer may be early by the rounding of its clock.
    assert.ok(performance.now() - from >= 11 * 5 - 1);
    assert.deepEqual([...sent].sort(), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    rmSync(dir, { recursive: true });
  });

  it('refuses options that make no sense, in one sentence', () => {
    assert.throws(
      () => readOptions(['--clients', '1,x']),
      /^Error: --clients must be whole numbers from 1 to/,
    );
    assert.throws(() => readOptions(['--against', 'zk']), /knows only etcd, not zk/);
    assert.throws(() => readOptions(['--nope']), /--nope/);
    assert.deepEqual(readOptions([]).clients, [1, 64, 512, 2048]);
  });
});

function plan(more: Partial<LoadPlan>): LoadPlan {
  return {
    target: 'outrigger',
    endpoints: [],
    connections: 1,
    clients: 1,
    valueBytes: 256,
    keys: 1,
    warmupMs: 0,
    measureMs: 0,
    operations: 0,
    samplesFile: '',
    ...more,
  };
}
