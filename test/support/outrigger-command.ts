/** Runs the built `outrigger` command to its end. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `runtimeDir`: where it finds endpoint files (`Daemons.runtimeDir`). */
export function outrigger(runtimeDir: string, args: readonly string[], input = ''): Promise<Finished> {
  const child = spawn(process.execPath, [resolve('bin/outrigger.mjs'), ...args], {
    env: { ...process.env, XDG_RUNTIME_DIR: runtimeDir, CI: 'true' },
    stdio: 'pipe',
  });
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.end(input);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => (stdout += String(data)));
  child.stderr.on('data', (data) => (stderr += String(data)));
  return new Promise((done) => child.once('close', (code) => done({ code, stdout, stderr })));
}
