import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { demoArgs, demoEnv, findApp, findSidecar, type Surroundings } from '../../extension/demo/launch.ts';
import { DemoProcess } from '../../extension/demo/process.ts';

function around(files: readonly string[], given: Partial<Surroundings> = {}): Surroundings {
  return {
    extensionPath: join('/', 'ext'),
    development: false,
    configured: '',
    env: { PATH: [join('/', 'bin'), join('/', 'opt')].join(delimiter), ELECTRON_RUN_AS_NODE: '1' },
    platform: 'linux',
    node: '/usr/bin/code',
    exists: (path) => files.includes(path),
    ...given,
  };
}

const bundled = join('/', 'ext', 'sidecar', 'main.mjs');

describe('the sidecar of the demo cluster', () => {
  it('is the one of the extension, run by the editor as Node', () => {
    const launch = findSidecar(around([bundled, join('/', 'opt', 'outrigger')]));
    assert.deepEqual(launch?.args, [bundled]);
    assert.equal(launch?.command, '/usr/bin/code');
    assert.equal(launch?.env['ELECTRON_RUN_AS_NODE'], '1');
  });

  it('else outrigger of the PATH, which must not inherit that it should be Node', () => {
    const launch = findSidecar(around([join('/', 'opt', 'outrigger')]));
    assert.equal(launch?.command, join('/', 'opt', 'outrigger'));
    assert.equal('ELECTRON_RUN_AS_NODE' in (launch?.env ?? {}), false);
  });

  it('the one of the settings goes before both', () => {
    const launch = findSidecar(around([bundled], { configured: '/my/outrigger' }));
    assert.equal(launch?.command, '/my/outrigger');
    assert.equal('ELECTRON_RUN_AS_NODE' in (launch?.env ?? {}), false);
  });

  it('other places are looked at in a working tree only', () => {
    const tree = [join('/', 'sidecar', 'main.mjs')];
    assert.equal(findSidecar(around(tree)), undefined);
    assert.deepEqual(findSidecar(around(tree, { development: true }))?.args, tree);
    const app = join('/', 'examples', 'python-kv', 'kv.py');
    const deep = { extensionPath: join('/', 'dist', 'extension') };
    assert.equal(findApp(around([app], deep)), undefined);
    assert.equal(findApp(around([app], { ...deep, development: true })), app);
    assert.equal(findApp(around([join('/', 'ext', 'demo', 'kv.py')])), join('/', 'ext', 'demo', 'kv.py'));
  });

  it('runs three nodes with the app, each on a free port; control is allowed, and it ends with us', () => {
    const dev = ['dev', '--nodes', '3', '--control', '--exit-with-parent'];
    assert.deepEqual(demoArgs('python3', '/kv.py'), [...dev, '--', 'python3', '/kv.py']);
    assert.equal(demoEnv({ A: 'b' })['KV_PORT'], '0');
    assert.equal(demoEnv({ A: 'b' })['A'], 'b');
  });
});

describe('the process of the demo cluster', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'extension-demo-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function start(script: string, lines: string[] = [], ended: (why: string) => void = () => undefined) {
    const file = join(folder, 'fake.mjs');
    await writeFile(file, script);
    const launch = { command: process.execPath, args: [file], env: process.env, origin: file };
    return DemoProcess.start(launch, [], { line: (text) => lines.push(text), ended });
  }

  const CLUSTER = "console.log('cluster dev-abc123, data in /tmp/x (removed at the end)');";

  it('tells the name of its cluster, and every line', async () => {
    const lines: string[] = [];
    const demo = await start(`${CLUSTER} setInterval(() => {}, 1000);`, lines);
    assert.equal(demo.cluster, 'dev-abc123');
    assert.match(lines[0] ?? '', /^cluster dev-abc123/);
    await demo.stop();
    assert.throws(() => process.kill(demo.pid ?? 0, 0), { code: 'ESRCH' });
  });

  it('is stopped in order: what it does on SIGTERM is done', async () => {
    const lines: string[] = [];
    let ended = '';
    const script = `process.on('SIGTERM', () => { console.log('stopping'); process.exit(0); }); ${CLUSTER} setInterval(() => {}, 1000);`;
    const demo = await start(script, lines, (why) => {
      ended = why;
    });
    await demo.stop();
    assert.equal(ended, '', 'an end that was asked for is not told');
    assert.deepEqual(lines.slice(1), ['stopping']);
  });

  it('has an input that ends when we do, however we do', async () => {
    const said: string[] = [];
    const script = `import { fstatSync } from 'node:fs'; console.log('input ' + (fstatSync(0).isCharacterDevice() ? 'none' : 'held')); ${CLUSTER} process.stdin.on('end', () => process.exit(0)).resume();`;
    const demo = await start(script, said);
    assert.equal(said[0], 'input held');
    await demo.stop();
  });

  it('that does not start says its last words', async () => {
    await assert.rejects(
      start("console.error('outrigger: no port is free'); process.exit(1);"),
      (error: Error) => {
        assert.match(error.message, /no port is free/);
        return true;
      },
    );
    const missing = { command: join(folder, 'nothing-here'), args: [], env: process.env, origin: '' };
    const quiet = { line: () => undefined, ended: () => undefined };
    await assert.rejects(DemoProcess.start(missing, [], quiet), /did not start/);
  });

  it('an end that nobody asked for is told', async () => {
    const why = await new Promise<string>((resolve, reject) => {
      start(`${CLUSTER} setTimeout(() => process.exit(3), 20);`, [], resolve).catch(reject);
    });
    assert.equal(why, 'it ended with code 3');
  });
});
