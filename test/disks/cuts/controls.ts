/** Builds of the daemon that bring less to the disk than they say: a campaign that loses nothing with them sees nothing. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UNSYNCED } from '../../mutants/disks.mjs';

export const CONTROLS = UNSYNCED;

/** Builds it; returns the program to run. Throws with the compiler's words. */
export function buildControl(name: string): string {
  const out = join('dist-mutants', name);
  const args = ['esbuild.config.mjs', '--only=sidecar', `--mutant=${name}`, `--out=${out}`];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the build of ${name} failed:\n${stderr}`);
  const script = resolve(out, 'outrigger.mjs');
  writeFileSync(script, "await import('./sidecar/main.mjs');\n");
  return script;
}
