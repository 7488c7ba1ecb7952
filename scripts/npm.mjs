/**
 * Runs npm from a script, on the Node.js that is outside the project.
 *
 * MUST: use only what comes with Node.js; never run on the packaged Node.js in node_modules, which an install replaces.
 */
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';

/** The PATH without any node_modules/.bin. */
export const outsidePath = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes(`${join('node_modules', '.bin')}`))
  .join(delimiter);

/**
 * Resolves with its exit code. Its output is shown unless `silent`; then its last words come with the error that is thrown
 * for any exit code but 0.
 */
export function npm(args, { cwd, nodedir, silent = false }) {
  const env = { ...process.env, PATH: outsidePath, JOBS: 'max' };
  if (nodedir !== undefined) env.npm_config_nodedir = nodedir;
  const script = process.env.npm_execpath;
  const options = { cwd, env, stdio: silent ? ['ignore', 'ignore', 'pipe'] : 'inherit' };
  const quiet = [...args, '--loglevel=error', '--no-fund', '--no-audit'];
  return new Promise((done, reject) => {
    const child =
      script?.endsWith('.js') === true
        ? spawn('node', [script, ...quiet], options)
        : spawn('npm', quiet, { ...options, shell: process.platform === 'win32' });
    let words = '';
    child.stderr?.on('data', (chunk) => {
      words = (words + chunk).slice(-2_000);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (silent && code !== 0) reject(new Error(`npm ${args[0]} ended with ${code}: ${words.trim()}`));
      else done(code);
    });
  });
}
