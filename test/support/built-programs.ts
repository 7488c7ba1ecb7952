/**
 * Programs in other languages, each by its manifest: what it needs, how it is built, how it is started. The key-value apps of
 * examples/ (`outrigger-app.json`), and the thin clients (`outrigger-client.json`: a program that proposes lines).
 *
 * MUST: say what is missing where one cannot be built here. MUST NOT: know any language.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { z } from 'zod';

const manifestSchema = z.strictObject({
  name: z.string().min(1),
  /** Programs that must be on the PATH. */
  needs: z.array(z.string()),
  /** Run in its folder; nothing where there is nothing to build. */
  build: z.array(z.string()),
  run: z.array(z.string()).min(1),
});

export interface BuiltProgram extends z.infer<typeof manifestSchema> {
  readonly dir: string;
}

function manifests(folder: string, name: string): BuiltProgram[] {
  return readdirSync(folder)
    .map((one) => join(folder, one, name))
    .filter((file) => existsSync(file))
    .map((file) => ({
      ...manifestSchema.parse(JSON.parse(readFileSync(file, 'utf8'))),
      dir: resolve(file, '..'),
    }));
}

export const KV_APPS: readonly BuiltProgram[] = manifests('examples', 'outrigger-app.json');
export const THIN_CLIENTS: readonly BuiltProgram[] = manifests('clients', 'outrigger-client.json');

/** What this machine lacks for it: programs, or the wish. */
export function missingPrograms({ needs }: { readonly needs: readonly string[] }): string[] {
  if (process.env['OUTRIGGER_SKIP_LANGUAGES'] && !needs.includes('python3'))
    return ['no OUTRIGGER_SKIP_LANGUAGES'];
  return needs.filter((name) => !isProgram(name));
}

function isProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/** Skips, and says why, where it cannot be built here; builds it otherwise. */
export async function prepare(context: Mocha.Context, program: BuiltProgram): Promise<void> {
  const missing = missingPrograms(program);
  if (missing.length > 0) {
    console.log(`      SKIPPED: ${program.name} needs ${missing.join(', ')}`);
    context.skip();
  }
  await build(program);
}

/** Fails with the last that the compiler said. */
export async function build({ dir, build: [command, ...args] }: BuiltProgram): Promise<void> {
  if (command === undefined) return;
  const child = spawn(command, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
  }
  const [code] = await once(child, 'close');
  assert.equal(code, 0, `${command} ${args.join(' ')} failed in ${dir}:\n${said}`);
}

/** Starts it in its own folder, wherever we are. */
export function launchOf({ dir, run }: BuiltProgram): { command: string; args: string[] } {
  return { command: 'sh', args: ['-c', 'cd "$1" && shift && exec "$@"', 'sh', dir, ...run] };
}

/** Starts another one of them beside each node: the first beside n1, and so on. */
export function launchOfMixed(apps: readonly BuiltProgram[]): { command: string; args: string[] } {
  const cases = apps.map(
    ({ dir, run }, at) => `n${at + 1}) cd ${quoted(dir)}; exec ${run.map(quoted).join(' ')};;`,
  );
  return { command: 'sh', args: ['-c', `case $OUTRIGGER_NODE in ${cases.join(' ')} esac`] };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
