/**
 * Proves that a packed sidecar runs where nothing else is, in an empty folder: first `--version` and `lsp`, then one node until it
 * leads and has committed, and serves its log and its page. A VSIX is unpacked and started the way the extension does.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const DEADLINE_MS = 20_000;
/** Of what a program said, the end is shown. Characters. */
const WORDS = 1_000;

/** Throws with what went wrong. */
export async function checkPackedSidecar(vsix, version) {
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-packed-'));
  try {
    // Python is needed for the demo anyway, and reads a zip file everywhere.
    const python = process.platform === 'win32' ? 'python' : 'python3';
    must(spawnSync(python, ['-m', 'zipfile', '-e', vsix, folder], { encoding: 'utf8' }), 'unpacking');
    for (let above = folder; above !== dirname(above); above = dirname(above)) {
      if (existsSync(join(above, 'node_modules')))
        throw new Error(`${above} has node_modules: proves nothing`);
    }
    await check([process.execPath, join(folder, 'extension', 'sidecar', 'main.mjs')], version, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same for a command that is there already. `words` start it. Throws with what went wrong. */
export async function checkCommand(words, version) {
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-packed-'));
  try {
    await check(words, version, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function check(words, version, folder) {
  const env = { PATH: process.env.PATH, HOME: folder, XDG_RUNTIME_DIR: folder, ELECTRON_RUN_AS_NODE: '1' };
  const options = { cwd: folder, env, encoding: 'utf8', timeout: DEADLINE_MS };
  const [program, ...first] = words;
  const said = must(spawnSync(program, [...first, '--version'], options), '--version').trim();
  if (said !== version) throw new Error(`the packed sidecar says it is ${said}, not ${version}`);
  // Its input ends at once, and so does it.
  must(spawnSync(program, [...first, 'lsp', '--stdio'], { ...options, input: '' }), 'lsp --stdio');
  await runOneNode(words, folder, env);
}

function must({ status, stdout, stderr, error }, what) {
  const words = `${error?.message ?? ''}${stderr ?? ''}`;
  // A bundle that fails shows its source, which is one long line.
  if (status !== 0) throw new Error(`${what} ended with ${status}: ${words.slice(-WORDS)}`);
  return stdout;
}

async function runOneNode([program, ...first], folder, env) {
  const data = join(folder, 'data');
  const child = spawn(
    program,
    [
      ...[
        ...first,
        'run',
        '--id',
        'n1',
        '--cluster',
        'packed',
        '--data',
        data,
        '--json',
        '--exit-with-parent',
      ],
      ...['--members', `n1=127.0.0.1:${await freePort()}`, '--http-listen', '127.0.0.1:0'],
    ],
    { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const words = [];
  createInterface({ input: child.stderr }).on('line', (line) => words.push(line));
  const ended = once(child, 'close');
  const late = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  try {
    const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
    if (typeof line !== 'string') throw new Error('it ended before it served');
    await proves(JSON.parse(line).http, data);
    child.stdin.end();
    const [code] = await ended;
    if (code !== 0) throw new Error(`it stopped with exit code ${code}`);
  } catch (error) {
    throw new Error(`the packed sidecar does not run: ${error.message}\n${words.slice(-10).join('\n')}`);
  } finally {
    clearTimeout(late);
    child.kill('SIGKILL');
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function proves(http, data) {
  const status = async () => (await fetch(`${http}/v1/status`)).json();
  for (const end = Date.now() + DEADLINE_MS; ; ) {
    const { role, commitIndex } = await status();
    if (role === 'LEADER' && commitIndex > 0) break;
    if (Date.now() > end) throw new Error(`it is ${role} and has committed ${commitIndex}`);
  }
  const { view } = JSON.parse(await readFile(join(data, 'tokens.json'), 'utf8'));
  const log = await fetch(`${http}/v1/log?from=1`, { headers: { authorization: `Bearer ${view}` } });
  if (!log.ok) throw new Error(`its log cannot be read: ${log.status}`);
  const page = await fetch(`${http}/`);
  if (!page.ok || !(await page.text()).includes('<script'))
    throw new Error(`it serves no page: ${page.status}`);
}
