/**
 * The key-value app in every language, with whatever toolchains this machine has: each does to the byte what the others do, hands
 * its state over and takes one over, and loses nothing beside real sidecars that are killed; and all of them make one cluster.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SidecarFrame } from '../../shared/app-frames.ts';
import { LocalCluster } from '../../sidecar/cli/cluster/local-cluster.ts';
import { check } from '../../sidecar/cli/demo/check.ts';
import { put as putOverHttp } from '../../sidecar/cli/demo/kv-client.ts';
import { Load } from '../../sidecar/cli/demo/load.ts';
import { AppExaminer } from '../support/app-examiner.ts';
import { build, KV_APPS, launchOf, launchOfMixed, prepare } from '../support/built-programs.ts';
import { PATIENCE_MS, TEST_MS, until } from '../support/patience.ts';

const FORMAT = 'kv-json-1';
const CHUNK = 256 * 1024;
/** Every copy says at these multiples what its state is like. */
const CHECK_EVERY = 100;
const WRITERS = 4;
/** The least that is allowed, so that logs are soon cut behind snapshots. */
const SNAPSHOTS = ['--snapshot-entries', '100', '--snapshot-bytes', String(64 * 1024)];
/** Acknowledged before and after a kill. */
const WRITES = 40;

// ---------------------------------------------------------------- what every copy must do, once more in this language

/** As Python's `json.dumps` writes a string. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The order of code points, which is not that of JavaScript. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function snapshotOf(state: ReadonlyMap<string, string>): string {
  const keys = [...state.keys()].sort(byCodePoint);
  return `{${keys.map((key) => `${quote(key)}: ${quote(state.get(key) ?? '')}`).join(', ')}}`;
}

function dumpOf(index: number, state: ReadonlyMap<string, string>): string {
  return `{"appliedIndex": ${index}, "state": ${snapshotOf(state)}}`;
}

function hashOf(state: ReadonlyMap<string, string>): string {
  let sum = 0n;
  for (const [key, value] of state) {
    const mark = createHash('sha256')
      .update(`[${quote(key)}, ${quote(value)}]`)
      .digest('hex');
    sum += BigInt(`0x${mark.slice(0, 32)}`);
  }
  return (sum % 2n ** 128n).toString(16).padStart(32, '0');
}

const REFUSED = { error: 'not a command of this app' };
const PUT = { new: { existed: false }, old: { existed: true } };
const put = (key: string, value: string): string => JSON.stringify({ op: 'put', key, value });

/** Commands that everybody must understand the same way, each with its answer. */
const COMMANDS: readonly (readonly [string | Buffer, object])[] = [
  [put('a', '1'), PUT.new],
  [put('a', '2'), PUT.old],
  [put('', 'the empty key'), PUT.new],
  [put('text', 'ä ß € 😀 \u2028 " \\ / \b\f\n\r\t \u0000 \u007f \u001f'), PUT.new],
  [put('\uff5e', 'code points sort before'), PUT.new],
  [put('😀', 'those beyond 16 bits'), PUT.new],
  ['{"op":"put","key":"escaped","value":"\\ud83d\\ude00 \\u00e4 \\/ \\\\ud800"}', PUT.new],
  [' {"value" : "spaced" ,\n"key":"spaced"\t,"op" : "put", "more": "ignored"}\r\n', PUT.new],
  ['{"op":"put","key":"no value"}', PUT.new],
  ['{"op":"put","op":"delete","key":"a"}', PUT.old],
  ['{"op":"delete","key":"a","value":"x"}', PUT.new],
  [put('kept', 'a'.repeat(300)), PUT.new],
  // None of these is a command, and none may be taken for one.
  ['', REFUSED],
  ['garbage', REFUSED],
  ['null', REFUSED],
  ['[]', REFUSED],
  ['"put"', REFUSED],
  ['{}', REFUSED],
  ['{"op":"put"}', REFUSED],
  ['{"OP":"put","key":"b","value":"1"}', REFUSED],
  ['{"op":"PUT","key":"b","value":"1"}', REFUSED],
  ['{"op":"put","key":"b","value":null}', REFUSED],
  ['{"op":"put","key":"b","value":1}', REFUSED],
  ['{"op":"put","key":"b","value":"1","value":2}', REFUSED],
  ['{"op":"put","key":"b","value":2,"value":"1"}', REFUSED],
  ['{"op":"put","key":"b","value":["1"]}', REFUSED],
  ['{"op":"put","key":"b","value":"1","more":{"op":"x"}}', REFUSED],
  ['{"op":"put","key":"b","value":"1","more":NaN}', REFUSED],
  ['{"op":"put","key":"b","value":"1","more":1e999}', REFUSED],
  ['{"op":"put","key":"b","value":"1",}', REFUSED],
  ['{"op":"put","key":"b","value":"1"} x', REFUSED],
  ['{"op":"put","key":"b","value":"1"}{}', REFUSED],
  ["{'op':'put','key':'b','value':'1'}", REFUSED],
  ['{"op":"put","key":"b","value":"a\nb"}', REFUSED],
  ['{"op":"put","key":"b","value":"\\x41"}', REFUSED],
  ['{"op":"put","key":"b","value":"\\u12"}', REFUSED],
  ['{"op":"put","key":"b","value":"\\ud800"}', REFUSED],
  ['{"op":"put","key":"b","value":"\\ude00\\ud83d"}', REFUSED],
  ['{"op":"put","key":"b","value":"\\ud800\\u0041"}', REFUSED],
  ['{"op":"put","\\udfff":"","key":"b","value":"1"}', REFUSED],
  [`{"op":"put","key":"b","value":${'['.repeat(20_000)}`, REFUSED],
  [Buffer.concat([Buffer.from('\ufeff'), Buffer.from(put('b', '1'))]), REFUSED],
  [Buffer.concat([Buffer.from(put('b', '1')), Buffer.from([0])]), REFUSED],
  [Buffer.from('{"op":"put","key":"b","value":"\xff"}', 'latin1'), REFUSED],
  [Buffer.from('{"op":"put","key":"b","value":"\xed\xa0\x80"}', 'latin1'), REFUSED],
  [Buffer.from('{"op":"put","key":"b","value":"\xc0\x80"}', 'latin1'), REFUSED],
];

/** What they leave behind. */
const STATE = new Map<string, string>([
  ['', 'the empty key'],
  ['text', 'ä ß € 😀 \u2028 " \\ / \b\f\n\r\t \u0000 \u007f \u001f'],
  ['\uff5e', 'code points sort before'],
  ['😀', 'those beyond 16 bits'],
  ['escaped', '😀 ä / \\ud800'],
  ['spaced', 'spaced'],
  ['no value', ''],
  ['kept', 'a'.repeat(300)],
]);

function entries(through: number, from: number, commands: readonly (string | Buffer)[] = []): SidecarFrame {
  return {
    type: 'entries',
    through,
    hash: hashAt(through),
    entries: commands.map((command, at) => ({
      index: from + at,
      term: 1,
      time: 1_790_000_000_000,
      command: Buffer.from(command),
    })),
  };
}

function hashAt(index: number): Buffer {
  return createHash('sha256').update(`log ${index}`).digest();
}

/** A snapshot for the app, in pieces. */
function restoring(
  index: number,
  text: string,
  { format = FORMAT, sha256 = sha(text), piece = CHUNK } = {},
): SidecarFrame[] {
  const data = Buffer.from(text);
  const frames: SidecarFrame[] = [{ type: 'restoreBegin', index, term: 1, format, size: data.length }];
  for (let at = 0; at < data.length; at += piece) {
    frames.push({ type: 'restoreChunk', data: data.subarray(at, at + piece) });
  }
  return [...frames, { type: 'restoreEnd', sha256 }];
}

function sha(data: string | Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}

// ---------------------------------------------------------------- one app, and a sidecar that says what we want

/** The next snapshot that it sends, checked. */
async function takeSnapshot(app: AppExaminer): Promise<{ index: number; text: string; chunks: number }> {
  const { index, format, size } = await app.next('snapshotBegin');
  assert.equal(format, FORMAT);
  const data: Buffer[] = [];
  for (;;) {
    let next: string | undefined;
    await until('it sends more of its snapshot', () => {
      next = app.untaken.find((type) => type.startsWith('snapshot'));
      return next !== undefined;
    });
    if (next !== 'snapshotChunk') break;
    const chunk = Buffer.from((await app.next('snapshotChunk')).data);
    assert.ok(chunk.length <= CHUNK, `a chunk has ${chunk.length} bytes`);
    data.push(chunk);
  }
  const whole = Buffer.concat(data);
  assert.deepEqual(Buffer.from((await app.next('snapshotEnd')).sha256), sha(whole));
  if (size !== undefined) assert.equal(size, whole.length);
  return { index, text: whole.toString('latin1'), chunks: data.length };
}

async function doesWhatAllDo(app: AppExaminer): Promise<void> {
  const hello = await app.welcome();
  assert.deepEqual(
    { ...hello.stateMachine, windowEntries: undefined, windowBytes: undefined },
    { appliedIndex: 0, snapshots: 'BLOB', windowEntries: undefined, windowBytes: undefined },
  );
  const through = 1 + COMMANDS.length;
  app.say(
    entries(
      through,
      2,
      COMMANDS.map(([command]) => command),
    ),
  );
  const results: (readonly [string | Buffer, object])[] = [];
  let applied = await app.next('applied');
  for (;;) {
    for (const { index, result } of applied.results) {
      results.push([COMMANDS[index - 2]?.[0] ?? '', JSON.parse(Buffer.from(result ?? []).toString())]);
    }
    if (applied.through === through) break;
    applied = await app.next('applied');
  }
  assert.deepEqual(results, COMMANDS);
  assert.equal(await app.dump(), dumpOf(through, STATE));
  const found = await fetch(`${app.url}/text`);
  assert.deepEqual([found.status, await found.text()], [200, STATE.get('text')]);
  assert.equal(found.headers.get('x-index'), String(through));
  assert.equal((await fetch(`${app.url}/a`)).status, 404);
}

async function saysWhatItsStateIsLike(app: AppExaminer): Promise<void> {
  app.say(entries(CHECK_EVERY + 1, CHECK_EVERY, ['garbage', put('later', '1')]));
  const { stateHash } = await app.next('applied');
  if (stateHash === undefined) return; // an app need not say it
  assert.equal(stateHash.index, CHECK_EVERY);
  assert.equal(Buffer.from(stateHash.hash).toString('hex'), hashOf(STATE));
}

async function handsItsStateOver(app: AppExaminer): Promise<void> {
  const state = new Map([...STATE, ['later', '1']]);
  app.say({ type: 'takeSnapshot', index: 90 });
  assert.deepEqual(await takeSnapshot(app), { index: 101, text: snapshotOf(state), chunks: 1 });
  // One that is asked for too early comes once it is due, and never before the acknowledgement of what is in it.
  app.say({ type: 'takeSnapshot', index: 104 });
  app.say(entries(103, 102, [put('a', 'x'), put('b', 'y')]));
  assert.equal((await app.next('applied')).through, 103);
  assert.deepEqual(app.untaken, []);
  app.say(entries(105, 104, [put('c', '1'), put('d', '2')]));
  await app.next('applied');
  const later = await takeSnapshot(app);
  assert.ok(later.index >= 104 && later.index <= 105, `of ${later.index}`);
  for (const [key, value] of Object.entries({
    a: 'x',
    b: 'y',
    c: '1',
    ...(later.index === 105 && { d: '2' }),
  })) {
    state.set(key, value);
  }
  assert.equal(later.text, snapshotOf(state));
}

async function takesAStateOver(app: AppExaminer): Promise<void> {
  const before = await app.dump();
  const state = new Map([...STATE, ['only', 'here'], ['long', 'é'.repeat(20_000)]]);
  const text = snapshotOf(state);
  const wrong = [
    restoring(500, text, { sha256: sha('something else') }),
    restoring(500, text, { format: 'kv-json-2' }),
    restoring(500, '{"a": "b"'),
    restoring(500, '{"a": 1}'),
    restoring(500, '[]'),
  ];
  for (const frames of wrong) {
    app.say(...frames);
    assert.notEqual((await app.next('restoreRefused')).reason, '');
    assert.equal(await app.dump(), before, 'a refused snapshot changed the state');
  }
  // Half of one, and the connection is gone: as if it had not begun.
  app.say(...restoring(500, text).slice(0, -1));
  const again = await app.goodbye('RESTORE');
  assert.equal(again.stateMachine?.appliedIndex, 105);
  assert.deepEqual(Buffer.from(again.stateMachine?.appliedHash ?? []), hashAt(105));
  assert.equal(await app.dump(), before);

  app.say(...restoring(500, text, { piece: 50_000 }));
  assert.equal((await app.next('restored')).index, 500);
  assert.equal(await app.dump(), dumpOf(500, state));
  const hello = await app.goodbye('SHUTTING_DOWN');
  assert.equal(hello.stateMachine?.appliedIndex, 500);
  assert.equal(hello.stateMachine?.appliedHash, undefined, 'it cannot know a hash there');
  app.say(entries(600, 501, [put('after', '1')]));
  const { through, stateHash } = await app.next('applied');
  state.set('after', '1');
  assert.equal(through, 600);
  if (stateHash !== undefined) assert.equal(Buffer.from(stateHash.hash).toString('hex'), hashOf(state));
  assert.equal(await app.dump(), dumpOf(600, state));
  assert.deepEqual(
    Buffer.from((await app.goodbye('SHUTTING_DOWN')).stateMachine?.appliedHash ?? []),
    hashAt(600),
  );
}

/** More than one chunk, while entries go on. */
async function streams(app: AppExaminer): Promise<void> {
  const state = new Map(Array.from({ length: 12 }, (_, at) => [`long${at}`, `${at}`.repeat(50_000)]));
  app.say(...restoring(700, snapshotOf(state)));
  await app.next('restored');
  app.say({ type: 'takeSnapshot', index: 700 });
  app.say(entries(701, 701, [put('meanwhile', '1')]));
  const { index, text, chunks } = await takeSnapshot(app);
  if (index === 701) state.set('meanwhile', '1');
  assert.equal(text, snapshotOf(state));
  assert.ok(chunks > 2, `in ${chunks} chunks`);
}

// ---------------------------------------------------------------- HTTP

const KEY = 'a key/with % ? & = + " \\ ä 😀';
const VALUE = 'two lines\n, "quotes" \\ and ä 😀 + % ';

/** Writes through one app, and reads through another one. */
async function speaksHttp(app: string, other: string): Promise<void> {
  const path = encodeURIComponent(KEY);
  const put = await fetch(`${app}/${path}`, { method: 'PUT', body: VALUE });
  const written = await put.text();
  const { index, existed } = JSON.parse(written) as { index: number; existed: boolean };
  assert.equal(existed, false, app);
  assert.deepEqual([put.status, put.headers.get('x-index')], [200, String(index)], app);
  const read = await fetch(`${other}/${path}?consistency=AT_LEAST&index=${index}`);
  assert.deepEqual([read.status, await read.text()], [200, VALUE], `${app} then ${other}`);
  assert.ok(Number(read.headers.get('x-index')) >= index, other);
  const stale = await fetch(`${app}/${path}?consistency=STALE`);
  assert.equal(await stale.text(), VALUE, app);
  const deleted = await fetch(`${other}/${path}`, { method: 'DELETE' });
  assert.equal(((await deleted.json()) as { existed: boolean }).existed, true, other);
  const gone = await fetch(`${app}/${path}`);
  assert.deepEqual([gone.status, await gone.text()], [404, ''], app);

  const empty = await fetch(`${app}/empty`, { method: 'PUT', body: '' });
  assert.equal(empty.status, 200, app);
  assert.deepEqual([(await fetch(`${other}/empty`)).status, empty.ok], [200, true], other);
  await fetch(`${app}/empty`, { method: 'DELETE' });

  await isRefused(await fetch(`${app}/${path}?consistency=NONSENSE`), 400, 'BAD_REQUEST');
  await isRefused(
    await fetch(`${app}/bytes`, { method: 'PUT', body: new Uint8Array([0xff, 0xfe]) }),
    400,
    'BAD_REQUEST',
  );
  // More than one frame may have: sent, it would cost the connection to the sidecar.
  await isRefused(
    await fetch(`${app}/long`, { method: 'PUT', body: 'x'.repeat(4_300_000) }),
    413,
    'TOO_LARGE',
  );
}

async function isRefused(response: Response, status: number, code: string): Promise<void> {
  const text = await response.text();
  assert.equal(response.status, status, `${response.url}: ${text}`);
  const body = JSON.parse(text);
  assert.deepEqual([body.code, body.definite, typeof body.message], [code, true, 'string'], response.url);
}

// ---------------------------------------------------------------- real sidecars

class Stage {
  readonly urls = new Map<string, string>();
  readonly noise: string[] = [];
  readonly #never = new AbortController().signal;
  #cluster: LocalCluster | undefined;
  #dir = '';

  async open(nodes: number, app: { command: string; args: string[] }): Promise<void> {
    this.#dir = await mkdtemp(join(tmpdir(), 'outrigger-languages-'));
    this.#cluster = await LocalCluster.start({
      script: resolve('bin/outrigger.mjs'),
      cluster: 'languages',
      nodes,
      dir: this.#dir,
      env: { ...process.env, XDG_RUNTIME_DIR: join(this.#dir, 'run') },
      app,
      sidecarFlags: SNAPSHOTS,
      onLine: (node, part, _stream, text) => {
        const url = part === 'app' ? /listening on (\S+)/.exec(text)?.[1] : undefined;
        if (url !== undefined) this.urls.set(node.id, url);
        this.noise.push(`${node.id} ${part}: ${text}`);
      },
      onDeath: (node, part, exit) => this.noise.push(`${node.id} ${part} died: ${JSON.stringify(exit)}`),
    });
    await this.until('all apps listen', () => this.urls.size === nodes);
    assert.ok(await this.cluster.waitForLeader(PATIENCE_MS), 'no leader');
  }

  get cluster(): LocalCluster {
    assert.ok(this.#cluster, 'the cluster did not start');
    return this.#cluster;
  }

  async close(): Promise<void> {
    await this.#cluster?.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /**
   * Writes while the leader's sidecar is killed, for so long that it needs a snapshot of another app, and then its app, which needs
   * one too. Nothing that was acknowledged may be missing anywhere.
   */
  async survivesKills(): Promise<void> {
    const load = new Load([...this.urls.values()]);
    load.start('k', WRITERS);
    try {
      await this.#killBoth(load);
    } finally {
      await load.stop();
    }
    const copies = [...this.urls].map(([node, app]) => ({ node, app }));
    const { problems, found } = await check(copies, load.acked, PATIENCE_MS);
    assert.deepEqual(problems, [], this.noise.slice(-40).join('\n'));
    assert.equal(found, load.acked.length * copies.length);
  }

  async #killBoth(load: Load): Promise<void> {
    await this.acknowledges(load);
    const leader = await this.cluster.waitForLeader(PATIENCE_MS);
    assert.ok(leader, 'no leader to kill');
    const victim = this.cluster.node(leader.node);
    const others = this.cluster.nodes.filter((node) => node !== victim);
    await this.cluster.kill(victim, 'sidecar');
    await this.until('the others have cut their logs behind what it lacks', async () => {
      // It is kept for a peer until there is much of it: short writes alone would take long.
      await Promise.all(
        [...this.urls.values()].map((url) => putOverHttp(url, 'much', 'x'.repeat(2_000), this.#never)),
      );
      const all = await Promise.all(others.map((node) => this.cluster.status(node)));
      return all.every((status) => status !== undefined && status.firstIndex > leader.lastIndex + 1);
    });
    await this.cluster.startSidecar(victim);
    await this.until('its app has what the others have', async () => {
      const status = await this.cluster.status(victim);
      return (
        status !== undefined && status.appliedIndex > leader.lastIndex && status.app.state === 'CONNECTED'
      );
    });
    await this.acknowledges(load);
    await this.cluster.kill(victim, 'app');
    this.urls.delete(victim.id);
    await this.cluster.startApp(victim);
    await this.until('the app is back', () => this.urls.has(victim.id));
    await this.acknowledges(load);
  }

  async acknowledges(load: Load): Promise<void> {
    const enough = load.acked.length + WRITES;
    await this.until('writes are acknowledged', () => load.acked.length >= enough);
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    await until(what, holds, () => this.noise.slice(-40).join('\n'));
  }
}

for (const app of KV_APPS) {
  describe(`the key-value app ${app.name}`, function () {
    this.timeout(TEST_MS);
    let examiner: AppExaminer | undefined;

    before(async function () {
      await prepare(this, app);
      examiner = await AppExaminer.start(launchOf(app));
    });
    after(() => examiner?.end());

    const steps: Readonly<Record<string, (examined: AppExaminer) => Promise<void>>> = {
      'understands every command as the others do, and holds the same bytes': doesWhatAllDo,
      'says what its state is like': saysWhatItsStateIsLike,
      'hands its state over, as new as was asked for': handsItsStateOver,
      'takes a state over, or refuses and keeps its own': takesAStateOver,
      'sends a long snapshot in chunks while entries go on': streams,
    };
    for (const [title, step] of Object.entries(steps)) {
      it(title, async () => {
        assert.ok(examiner);
        await step(examiner);
      });
    }

    it('loses nothing beside three sidecars when the leader and its app are killed', async () => {
      const stage = new Stage();
      try {
        await stage.open(3, launchOf(app));
        await stage.survivesKills();
      } finally {
        await stage.close();
      }
    });
  });
}

describe('the key-value app in all languages at once', function () {
  this.timeout(TEST_MS);

  it('makes one cluster in which every copy is equal', async function () {
    const found = KV_APPS.filter(({ missing }) => missing.length === 0);
    if (found.length < 2) {
      console.log('      SKIPPED: the toolchains of two languages are needed');
      this.skip();
    }
    for (const app of found) await build(app);
    const apps = found.length < 3 ? [...found, ...found] : found; // enough to lose one
    const stage = new Stage();
    try {
      await stage.open(apps.length, launchOfMixed(apps));
      await stage.survivesKills();
      const urls = [...stage.urls.values()];
      for (const [at, url] of urls.entries()) await speaksHttp(url, urls[(at + 1) % urls.length] as string);
      // What the copies said of their states was compared, and no two differed.
      const leader = await stage.cluster.waitForLeader(PATIENCE_MS);
      assert.deepEqual(leader?.divergence, []);
      console.log(`      ${apps.map(({ name }) => name).join(', ')}: equal`);
    } finally {
      await stage.close();
    }
  });
});
