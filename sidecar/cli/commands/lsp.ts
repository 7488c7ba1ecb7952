/**
 * `outrigger lsp`: the inspector's language server for editors other than VS Code.
 *
 * MUST: know the server by its bundle alone (it belongs to the extension); hand standard input and output over untouched.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compileFunction } from 'node:vm';
import type { Command } from 'commander';
import { carriedFile } from '../../../shared/carried-files.ts';
import { CliError, usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';

const HELP = `
The server finds the sidecars of this machine by itself and serves their logs as documents (raft-log:), with hover,
folding, symbols and links. It ends when its input ends.

Example (Neovim):
  vim.lsp.start({ name = 'outrigger', cmd = { 'outrigger', 'lsp', '--stdio' } })`;

/** The server's bundle inside the single executable. */
const CARRIED = 'dist/extension/aggregator/stdio.js';

export function addLsp(program: Command, shell: Shell): void {
  program
    .command('lsp')
    .description("serve the inspector to an editor (LSP over the command's input and output)")
    .option('--stdio', 'speak LSP on standard input and output (the only way there is)')
    .addHelpText('after', HELP)
    .action(async (flags: { stdio?: true }) => {
      if (flags.stdio !== true) throw usageError('say how the editor speaks to it: --stdio.');
      const inside = carriedFile(CARRIED);
      if (inside !== undefined) await serveHere(Buffer.from(inside).toString('utf8'), shell.script);
      else process.exitCode = await serve(shell, findAggregator(shell.script));
    });
}

/**
 * Where the server's bundle may be, seen from ours: `dist/sidecar/main.mjs` → `dist/extension/aggregator/stdio.js` where all
 * was built, and `sidecar/dist/sidecar/main.mjs` → `aggregator/stdio.js` in a packed extension.
 */
function aggregatorFiles(script: string): readonly [string, string] {
  const here = dirname(script);
  return [
    join(here, '..', 'extension', 'aggregator', 'stdio.js'),
    join(here, '..', '..', '..', 'aggregator', 'stdio.js'),
  ];
}

/** Throws CliError where it is not. */
function findAggregator(script: string): string {
  const files = aggregatorFiles(script);
  const found = files.find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new CliError(`the language server is not here (${files[0]}); build it with \`npm run build\`.`);
}

/** Inside the single executable there is no Node.js to start another script with. The server ends this process when it ends. */
function serveHere(code: string, script: string): Promise<never> {
  const module = { exports: {} };
  const names = ['exports', 'require', 'module', '__filename', '__dirname'];
  const run = compileFunction(code, names, { filename: CARRIED });
  run(module.exports, createRequire(script), module, script, dirname(script));
  return new Promise(() => undefined);
}

/** Runs the server until it ends; resolves to its exit code. Rejects with CliError where it cannot be started. */
function serve({ env }: Shell, file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = spawn(process.execPath, [file], { stdio: 'inherit', env });
    server.once('error', (error) =>
      reject(new CliError(`the language server did not start: ${error.message}.`)),
    );
    server.once('exit', (code) => resolve(code ?? 1));
  });
}
