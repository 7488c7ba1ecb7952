/**
 * Apps and clients in other languages, built and started for tests of processes: each has a manifest that says how.
 *
 * MUST: say what is missing where one cannot be built here. MUST NOT: know any language.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { type Judged, manifestsIn } from '../conformance/manifests.ts';

export type BuiltProgram = Judged;

export const KV_APPS: readonly BuiltProgram[] = manifestsIn('examples', 'outrigger-app.json');
/** Programs that propose the lines of their standard input. */
export const THIN_CLIENTS: readonly BuiltProgram[] = manifestsIn('clients', 'outrigger-client.json');

/** Skips, and says why, where it cannot be built here; builds it otherwise. */
export async function prepare(context: Mocha.Context, program: BuiltProgram): Promise<void> {
  if (program.missing.length > 0) {
    console.log(`      SKIPPED: ${program.name} needs ${program.missing.join(', ')}`);
    context.skip();
  }
  await build(program);
}

/** Fails with the last that the compiler said. */
export async function build({ folder, build: [command, ...args] }: BuiltProgram): Promise<void> {
  if (command === undefined) return;
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
  }
  const [code] = await once(child, 'close');
  assert.equal(code, 0, `${command} ${args.join(' ')} failed in ${folder}:\n${said}`);
}

/** Starts it in its own folder, wherever we are. */
export function launchOf({ folder, run }: BuiltProgram): { command: string; args: string[] } {
  return { command: 'sh', args: ['-c', 'cd "$1" && shift && exec "$@"', 'sh', resolve(folder), ...run] };
}

/** Starts another one of them beside each node: the first beside n1, and so on. */
export function launchOfMixed(apps: readonly BuiltProgram[]): { command: string; args: string[] } {
  const cases = apps.map(
    ({ folder, run }, at) => `n${at + 1}) cd ${quoted(resolve(folder))}; exec ${run.map(quoted).join(' ')};;`,
  );
  return { command: 'sh', args: ['-c', `case $OUTRIGGER_NODE in ${cases.join(' ')} esac`] };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
