import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decoders } from '../../extension/aggregator/decode/decoders.ts';
import { ExternalDecoder } from '../../extension/aggregator/decode/external.ts';
import { TrustedFolder } from '../../extension/aggregator/decode/trust.ts';
import type { Decoders as DocumentDecoders } from '../../extension/aggregator/documents/payload.ts';
import { PATIENCE_MS, until } from '../support/patience.ts';

/** Answers each frame by what it asks for; writes down its pid at each start. */
const DECODER = `
import json, os, struct, sys, time
with open("starts", "a") as starts:
    starts.write(f"{os.getpid()}\\n")
while True:
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        break
    payload = sys.stdin.buffer.read(struct.unpack(">I", head)[0]).decode()
    if payload == "crash":
        print("cannot go on", file=sys.stderr, flush=True)
        sys.exit(3)
    if payload == "hang":
        time.sleep(600)
    if payload == "nonsense":
        answer = "no json"
    elif payload == "flood":
        answer = "x" * 3_000_000
    elif payload == "twice":
        answer = '{"text": "1"}\\n{"text": "2"}'
    elif payload == "error":
        answer = json.dumps({"error": "unknown tag"})
    elif payload == "environment":
        kept = [n for n in ("ELECTRON_RUN_AS_NODE", "NODE_OPTIONS", "OUTRIGGER_TOKEN") if n in os.environ]
        answer = json.dumps({"text": f"{kept} {os.path.basename(os.getcwd())} {sys.argv[1:]}"})
    else:
        answer = json.dumps({"text": payload.upper() + "\\nlast line"})
    sys.stdout.write(answer + "\\n")
    sys.stdout.flush()
`;

/** A slow machine is no reason to give a decoder up. */
const PATIENT = { frameMs: PATIENCE_MS, startMs: PATIENCE_MS };

describe('a decoder of the user', () => {
  let folder: string;
  let decoder: ExternalDecoder | undefined;
  let decoders: Decoders | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'decode-external-'));
    await writeFile(join(folder, 'decode.py'), DECODER);
  });

  afterEach(async () => {
    decoder?.dispose();
    decoders?.dispose();
    decoder = undefined;
    decoders = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  const COMMAND = ['python3', 'decode.py'];

  function start(
    limits: ConstructorParameters<typeof ExternalDecoder>[2] = {},
    command = COMMAND,
  ): ExternalDecoder {
    const trusted = TrustedFolder.of(folder, true);
    assert.ok(trusted);
    decoder?.dispose();
    decoder = new ExternalDecoder(trusted, command, { ...PATIENT, ...limits });
    return decoder;
  }

  function ask(text: string): Promise<string> {
    assert.ok(decoder);
    return decoder.decode(Buffer.from(text));
  }

  async function pids(): Promise<number[]> {
    const text = await readFile(join(folder, 'starts'), 'utf8').catch(() => '');
    return text.trim().split('\n').filter(Boolean).map(Number);
  }

  async function gone(pid: number): Promise<void> {
    await until(`${pid} is gone`, () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
  }

  it('is started when it is first needed, once, and answers in order', async () => {
    start();
    assert.deepEqual(await pids(), []);
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, at) => ask(`entry ${at}`)));
    assert.equal(answers[0], 'ENTRY 0\nlast line');
    assert.equal(answers[999], 'ENTRY 999\nlast line');
    assert.equal((await pids()).length, 1);
  });

  it('runs without a shell, in the workspace folder, without what changes children of the editor', async () => {
    process.env['ELECTRON_RUN_AS_NODE'] = '1';
    process.env['OUTRIGGER_TOKEN'] = 'secret';
    try {
      start({}, [...COMMAND, '$(touch owned)', 'a b']);
      assert.equal(await ask('environment'), `[] ${folder.split('/').at(-1)} ['$(touch owned)', 'a b']`);
    } finally {
      delete process.env['ELECTRON_RUN_AS_NODE'];
      delete process.env['OUTRIGGER_TOKEN'];
    }
  });

  it('fails one payload by its own error', async () => {
    start();
    await assert.rejects(ask('error'), /^ExternalError: unknown tag$/);
    assert.equal(await ask('ok'), 'OK\nlast line');
  });

  it('is started again after it ended; only the payload that it was at fails', async () => {
    start();
    const [crash, next] = await Promise.allSettled([ask('crash'), ask('next')]);
    assert.match(
      String(crash.status === 'rejected' && crash.reason),
      /ended with exit code 3, saying: cannot go on/,
    );
    assert.deepEqual(next, { status: 'fulfilled', value: 'NEXT\nlast line' });
    assert.equal((await pids()).length, 2);
  });

  it('is killed when it does not answer in time, floods, or writes nonsense', async () => {
    start({ frameMs: 300 });
    assert.equal(await ask('warm'), 'WARM\nlast line');
    await assert.rejects(ask('hang'), /no answer within 300 ms/);
    start({ restarts: 10 });
    const [, second] = await Promise.allSettled([ask('flood'), ask('after')]);
    assert.deepEqual(second, { status: 'fulfilled', value: 'AFTER\nlast line' });
    await assert.rejects(ask('flood'), /a line of more than 1048576 bytes/);
    await assert.rejects(ask('nonsense'), /a line that is not \{"text": …\}/);
    assert.equal(await ask('twice'), '1');
    const all = await pids();
    for (const pid of all.slice(0, -1)) await gone(pid);
  });

  it('is given up after a few starts, with the reason', async () => {
    start({ restarts: 2 });
    for (let time = 0; time < 3; time += 1) await assert.rejects(ask('crash'), /exit code 3/);
    await assert.rejects(ask('fine'), /started 3 times and is given up: .*exit code 3/);
    assert.equal((await pids()).length, 3);
  });

  it('says that the command does not exist', async () => {
    start({ restarts: 0 }, ['./no-such-program']);
    await assert.rejects(ask('x'), /no-such-program cannot be started: .*ENOENT/);
    await assert.rejects(ask('x'), /is given up/);
  });

  it('refuses more than may wait', async () => {
    start({ framesInFlight: 1, framesWaiting: 2 });
    const all = await Promise.allSettled([ask('a'), ask('b'), ask('c'), ask('d')]);
    assert.deepEqual(
      all.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
    );
  });

  it('leaves nothing running after dispose, and settles what waits', async () => {
    const external = start();
    await ask('up');
    const waiting = assert.rejects(ask('hang'), /was stopped/);
    external.dispose();
    await waiting;
    for (const pid of await pids()) await gone(pid);
    await assert.rejects(ask('x'), /was stopped/);
  });

  it('does not wait for those who gave up', async () => {
    const external = start();
    await ask('up');
    const stop = new AbortController();
    const waiting = assert.rejects(external.decode(Buffer.from('hang'), stop.signal), /in time/);
    stop.abort();
    await waiting;
  });

  describe('of a cluster', () => {
    const decode = (trust: boolean): Decoders => {
      decoders = new Decoders(PATIENT);
      const setting = { cluster: 'orders', folder, decoder: { kind: 'command', command: COMMAND } } as const;
      decoders.configure([{ ...setting, decoder: { kind: 'command', command: [...COMMAND] } }], trust);
      return decoders;
    };

    it('leaves a window that nobody wants any more, without a word on stderr', async () => {
      const all = decode(true);
      const warnings: string[] = [];
      const note = ({ message }: Error): number => warnings.push(message);
      process.on('warning', note);
      try {
        const stop = new AbortController();
        const waiting = all.lines('orders', Array(2_000).fill(Buffer.from('hang')), stop.signal);
        stop.abort();
        const lines = await waiting;
        assert.equal(lines.length, 2_000);
        assert.ok(lines.every(({ decoder }) => decoder === 'utf8'));
        await new Promise((resolve) => setImmediate(resolve));
        assert.deepEqual(warnings, []);
      } finally {
        process.off('warning', note);
      }
    });

    it('decodes a window of 5,000 payloads, and falls back for each that fails', async () => {
      const all = decode(true);
      assert.equal(all.isExternal('orders'), true);
      const list = Array.from({ length: 5_000 }, (_, at) =>
        Buffer.from(at === 17 ? 'error' : at === 18 ? '' : `entry ${at}`),
      );
      const lines = await all.lines('orders', list);
      assert.equal(lines.length, 5_000);
      assert.equal(lines[0]?.decoder, 'command');
      assert.match(lines[4_999]?.line ?? '', /^ENTRY 4999/);
      assert.deepEqual(lines[17], { decoder: 'utf8', guess: false, line: 'error' });
      assert.equal(lines[18]?.decoder, 'empty');
      assert.equal((await pids()).length, 1);
    });

    it('is what documents ask for', async () => {
      const asDocumentsSeeIt: DocumentDecoders = decode(true);
      assert.equal((await asDocumentsSeeIt.full('orders', Buffer.from('good'))).decoder, 'command');
    });

    it('shows its text and, when it fails, why', async () => {
      const all = decode(true);
      const good = await all.full('orders', Buffer.from('good'));
      assert.deepEqual([good.decoder, good.text], ['command', 'GOOD\nlast line']);
      const bad = await all.full('orders', Buffer.from('error'));
      assert.equal(bad.decoder, 'utf8');
      assert.deepEqual(bad.attempts[0], { decoder: 'command', ok: false, why: 'unknown tag' });
      assert.equal(all.line('orders', Buffer.from('good')).decoder, 'utf8', 'at once: built in only');
    });

    it('never runs in a workspace that is not trusted', async () => {
      const all = decode(false);
      const decoded = await all.full('orders', Buffer.from('good'));
      assert.equal(decoded.decoder, 'utf8');
      assert.match(decoded.attempts[0]?.why ?? '', /workspace is not trusted/);
      assert.equal((await all.lines('orders', [Buffer.from('good')]))[0]?.decoder, 'utf8');
      assert.deepEqual(await pids(), []);
    });

    it('is stopped when trust is lost', async () => {
      const all = decode(true);
      await all.full('orders', Buffer.from('good'));
      const [pid] = await pids();
      assert.ok(pid);
      all.configure([], false);
      await gone(pid);
    });
  });
});
