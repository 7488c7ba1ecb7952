/** The bundles as they are started: a process on standard input and output, and a worker thread. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as rpc from 'vscode-jsonrpc/node';
import { runProgram } from '../../sidecar/cli/program.ts';
import type { Shell } from '../../sidecar/cli/shell.ts';
import { createTerminal } from '../../sidecar/cli/terminal.ts';

const BUNDLES = fileURLToPath(new URL('../../extension/aggregator', import.meta.url));
const INITIALIZE = { processId: null, rootUri: null, capabilities: {} };

interface Initialized {
  readonly serverInfo: { readonly name: string };
  readonly capabilities: Record<string, unknown>;
}

function shellOf(script: string): Shell {
  const quiet = createTerminal(process.stdout, {});
  return { env: {}, stdin: process.stdin, out: quiet, err: quiet, script, whenUnread: () => undefined };
}

async function checkServer(connection: rpc.MessageConnection): Promise<void> {
  connection.onRequest(() => null);
  connection.listen();
  const { serverInfo, capabilities } = await connection.sendRequest<Initialized>('initialize', INITIALIZE);
  await connection.sendNotification('initialized', {});
  assert.equal(serverInfo.name, 'outrigger');
  assert.equal(capabilities['executeCommandProvider'], undefined);
  const { text } = await connection.sendRequest<{ text: string }>('workspace/textDocumentContent', {
    uri: 'raft-log:/doctor.md',
  });
  assert.match(text, /what was tried/);
}

describe('aggregator entries', () => {
  let root: string;
  let child: ChildProcess | undefined;

  before(() => assert.ok(existsSync(join(BUNDLES, 'stdio.js')), `${BUNDLES} is not built`));
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'outrigger-entries-'));
  });
  afterEach(async () => {
    child?.kill('SIGKILL');
    await rm(root, { recursive: true, force: true });
  });

  function start() {
    const env = { ...process.env, XDG_RUNTIME_DIR: root };
    const started = spawn(process.execPath, [join(BUNDLES, 'stdio.js')], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child = started;
    const exited = new Promise<number | null>((resolve) => started.once('exit', resolve));
    const reader = new rpc.StreamMessageReader(started.stdout);
    const connection = rpc.createMessageConnection(reader, new rpc.StreamMessageWriter(started.stdin));
    return { started, exited, connection };
  }

  it('stdio answers a plain LSP client, and ends in order at exit', async () => {
    const { exited, connection } = start();
    await checkServer(connection);
    await connection.sendRequest('shutdown');
    await connection.sendNotification('exit');
    assert.equal(await exited, 0);
    connection.dispose();
  });

  it('stdio ends when its input ends', async () => {
    const { started, exited, connection } = start();
    await checkServer(connection);
    connection.dispose();
    started.stdin.end();
    assert.equal(await exited, 0);
  });

  it('the worker speaks over its port, and ends at exit', async () => {
    const worker = new Worker(join(BUNDLES, 'worker.js'), { execArgv: [] });
    const exited = new Promise<number>((resolve) => worker.once('exit', resolve));
    const connection = rpc.createMessageConnection(
      new rpc.PortMessageReader(worker),
      new rpc.PortMessageWriter(worker),
    );
    await checkServer(connection);
    await connection.sendRequest('shutdown');
    await connection.sendNotification('exit');
    assert.equal(await exited, 0);
    connection.dispose();
  });

  // Relative to the bundle of the command: as everything is built, and as a packed extension holds it.
  for (const [where, command, server] of [
    ['beside a built sidecar', 'dist/sidecar/main.mjs', 'dist/extension/aggregator/stdio.js'],
    ['in a packed extension', 'sidecar/dist/sidecar/main.mjs', 'aggregator/stdio.js'],
  ] as const) {
    it(`\`outrigger lsp\` finds the server ${where}`, async () => {
      const file = join(root, server);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, 'process.exit(7)');
      const before = process.exitCode;
      try {
        await runProgram(shellOf(join(root, command)), ['lsp', '--stdio']);
        assert.equal(process.exitCode, 7);
      } finally {
        process.exitCode = before;
      }
    });
  }

  it('`outrigger lsp` says what is missing in one sentence', async () => {
    const shell = shellOf(join(root, 'dist', 'sidecar', 'main.mjs'));
    await assert.rejects(runProgram(shell, ['lsp']), /say how the editor speaks to it: --stdio\./);
    await assert.rejects(
      runProgram(shell, ['lsp', '--stdio']),
      /the language server is not here .*build it with/,
    );
  });
});
