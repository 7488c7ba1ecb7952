/** `outrigger conformance` as a command: what it prints, and how it ends. And apps of other kinds than those of examples/. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { opaqueWorkload, readCommands } from '../../sidecar/conformance/workload.ts';
import { TEST_MS, until } from '../support/patience.ts';
import { broken, found, judge, PYTHON } from './support.ts';

const run = promisify(execFile);
const BYTE_COUNTER = join('dist', 'test', 'conformance', 'protobuf-app', 'main.mjs');
const WITHOUT_SNAPSHOTS = 'its hello says snapshots NONE';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function conformance(...args: readonly string[]): Promise<Ended> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
  return run(process.execPath, ['bin/outrigger.mjs', 'conformance', ...args], { env })
    .then(({ stdout, stderr }) => ({ code: 0, stdout, stderr }))
    .catch(({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }));
}

describe('outrigger conformance', function () {
  this.timeout(TEST_MS);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outrigger-test-'));
  });

  after(() => rm(folder, { recursive: true }));

  it('lists its checks, and prints the vectors', async () => {
    const { stdout } = await conformance('--list');
    assert.match(stdout, /^CHECK +WHAT IT PROVES\nhello +The app dials/);
    const listed = JSON.parse((await conformance('--list', '--json')).stdout) as { id: string }[];
    assert.equal(listed[0]?.id, 'hello');
    const vectors = await conformance('--vectors');
    assert.equal(vectors.stdout, await readFile('test/conformance/vectors.json', 'utf8'));
  });

  it('refuses bad usage in one line, with exit code 2', async () => {
    const cases: [string[], RegExp][] = [
      [[], /^outrigger: which program\? /],
      [['--only', 'nothing', '--', 'true'], /^outrigger: there is no check nothing; /],
      [
        ['--commands', join(folder, 'none'), '--', 'true'],
        /^outrigger: --commands .* cannot be used: ENOENT/,
      ],
      [['--base64', '--', 'true'], /^outrigger: --base64 says how/],
      [['--jobs', '0', '--', 'true'], /must be a whole number from 1 to 16/],
      [['--', join(folder, 'no-such-app')], /^outrigger: .* cannot be started: there is no such program/],
    ];
    for (const [args, line] of cases) {
      const { code, stderr } = await conformance(...args);
      assert.match(stderr, line);
      assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
      assert.equal(code, 2, stderr);
    }
  });

  it('prints an aligned table, plain in a pipe, and ends with 0 when nothing failed', async () => {
    const { code, stdout } = await conformance('--only', 'results', '--', PYTHON, broken('sound.py'));
    assert.equal(
      stdout,
      [
        'CHECK             VERDICT  WHAT IT PROVES, OR WHY NOT',
        'results           passed   Every command is answered with one result, under its own index, together with its acknowledgement or before.',
        '',
        '1 passed, 0 failed, 0 skipped: sound (json, snapshots BLOB)',
        '',
      ].join('\n'),
    );
    assert.equal(code, 0);
  });

  it('ends with 1 when something failed, tells the cause once, and skips what needs it', async () => {
    const { code, stdout } = await conformance(
      '--json',
      '--',
      PYTHON,
      broken('broken.py'),
      'AcknowledgesBeyond',
    );
    assert.equal(code, 1);
    const { failed, skipped, checks } = JSON.parse(stdout);
    assert.equal(failed, 1);
    assert.equal(skipped, checks.length - 2);
    const comesBack = checks.find(({ id }: { id: string }) => id === 'comes-back');
    assert.equal(comesBack.reason, 'it needs acknowledges, which did not pass');
  });

  it('says what an app that ends at once has said last', async () => {
    const args = ['-c', 'import sys; sys.exit("no licence found")'];
    const { code, stdout } = await conformance('--', PYTHON, ...args);
    assert.equal(code, 1);
    assert.match(stdout, /hello +FAILED +the app ended with exit code 1; its last words: no licence found/);
  });

  it('leaves no copy behind when it is stopped', async () => {
    const file = join(folder, 'pid');
    const app = 'import os, sys, time; open(sys.argv[1], "w").write(str(os.getpid())); time.sleep(600)';
    const args = ['bin/outrigger.mjs', 'conformance', '--', PYTHON, '-c', app, file];
    const suite = spawn(process.execPath, args, { stdio: 'ignore' });
    const pid = (): number => Number(existsSync(file) ? readFileSync(file, 'utf8') : 0);
    await until('the app runs', () => pid() > 0);
    const ended = once(suite, 'exit');
    suite.kill('SIGTERM');
    assert.deepEqual(await ended, [1, null]);
    assert.throws(() => process.kill(pid(), 0), /ESRCH/);
  });

  it('judges an app of unknown commands by its copies, in protobuf and over TCP', async () => {
    const commands = ['first', '', 'dGhpcmQ=', '{"any":"thing"}'].map((text) => Buffer.from(text));
    for (const tcp of [false, true]) {
      const workload = () => opaqueWorkload(commands);
      const report = await judge(process.execPath, [BYTE_COUNTER], { tcp, workload });
      assert.deepEqual(found(report, 'failed'), {});
      assert.deepEqual(report.facts?.codec, 'protobuf');
      const why = Object.values(found(report, 'skipped')).filter((reason) => reason !== WITHOUT_SNAPSHOTS);
      assert.deepEqual(why, [
        'what commands of another app do is not known here',
        'it speaks protobuf, which has one form of an integer',
        ...Array<string>(3).fill('how another app is made to propose is not known here'),
      ]);
    }
  });

  it('finds with any commands what copies show: a lost one, one that is applied twice, a state that was not kept', async () => {
    const workload = () => opaqueWorkload(readCommands(OWN_COMMANDS, false));
    const cases = {
      AppliesTwice: 'redelivery',
      ForgetsItsState: 'killed',
      MergesRestores: 'restore-replaces',
    };
    for (const [sin, id] of Object.entries(cases)) {
      const report = await judge(PYTHON, [broken('broken.py'), sin], { workload, only: new Set([id]) });
      assert.deepEqual(Object.keys(found(report, 'failed')), [id], JSON.stringify(report.findings));
    }
  });

  it('reads commands as text and as base64', async () => {
    assert.deepEqual(readCommands('a\r\n\nb\n', false), [Buffer.from('a'), Buffer.of(), Buffer.from('b')]);
    assert.deepEqual(readCommands('AP8=\n', true), [Buffer.of(0, 255)]);
    assert.throws(() => readCommands('AP8\n', true), /line 1 is not standard base64 with padding/);
    assert.throws(() => readCommands('', false), /it has no line/);
    const file = join(folder, 'commands');
    await writeFile(file, 'AP8=\nnot base64\n');
    const { code, stderr } = await conformance('--commands', file, '--base64', '--', 'true');
    assert.equal(code, 2);
    assert.match(stderr, /cannot be used: line 2 is not standard base64/);
  });
});

/** Of the sound app. What is put first is deleted before they begin again. */
const OWN_COMMANDS = Array.from({ length: 60 }, (_, at) => {
  if (at === 0) return { op: 'put', key: 'old', value: 'gone soon' };
  if (at === 25) return { op: 'delete', key: 'old' };
  return { op: at % 3 === 0 ? 'delete' : 'put', key: `k${(at * at) % 7}`, value: `value ${at}` };
})
  .map((command) => JSON.stringify(command))
  .join('\n');
