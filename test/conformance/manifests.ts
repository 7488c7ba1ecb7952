/** Programs of this repository that are judged, each by the file that says what it needs, how it is built and how it is run. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Finding } from '../../sidecar/conformance/contract.ts';
import { PATIENCE_MS } from '../support/patience.ts';

const OUTPUT_BYTES = 16 * 1024 * 1024;

const manifestSchema = z.strictObject({
  name: z.string().min(1),
  /** Programs that must be on the PATH. */
  needs: z.array(z.string()),
  /** Run once, in its folder; empty where there is nothing to build. */
  build: z.array(z.string()),
  /** Run in its folder. */
  run: z.array(z.string()).min(1),
});

export interface Judged extends z.infer<typeof manifestSchema> {
  readonly folder: string;
  /** Programs that this machine does not have. */
  readonly missing: readonly string[];
}

const run = promisify(execFile);

const isThere = (program: string): boolean =>
  spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;

/** Those in the folders of `parent` that have such a file. */
export function manifestsIn(parent: string, file: string): Judged[] {
  return readdirSync(parent)
    .map((name) => join(parent, name))
    .filter((folder) => existsSync(join(folder, file)))
    .map((folder) => {
      const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, file), 'utf8')));
      const unwanted = process.env['OUTRIGGER_SKIP_LANGUAGES'] && !manifest.needs.includes('python3');
      const missing = manifest.needs.filter((program) => unwanted || !isThere(program));
      return { ...manifest, folder, missing };
    });
}

/** Builds it, and runs `outrigger conformance --json` on it: what failed, and one line for each that was skipped. */
export async function conforms(
  { folder, build, run: start }: Judged,
  flags: readonly string[],
): Promise<{ failed: string[]; told: string[] }> {
  const [builder, ...how] = build;
  if (builder !== undefined) await run(builder, how, { cwd: folder, maxBuffer: OUTPUT_BYTES });
  const timeout = ['--timeout', String(PATIENCE_MS / 1_000)];
  const args = ['conformance', '--json', ...timeout, ...flags, '--', ...start];
  const { stdout } = await run(process.execPath, [resolve('bin', 'outrigger.mjs'), ...args], {
    cwd: folder,
    maxBuffer: OUTPUT_BYTES,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  }).catch(({ stdout, stderr }: { stdout: string; stderr: string }) => {
    if (!stdout.startsWith('{')) throw new Error(`the suite did not run: ${stderr}${stdout}`);
    return { stdout };
  });
  const { program, passed, checks } = JSON.parse(stdout) as {
    program: { codec: string; snapshots?: string } | null;
    passed: number;
    checks: Finding[];
  };
  const of = (kind: string): Finding[] => checks.filter(({ verdict }) => verdict === kind);
  const snapshots = program?.snapshots === undefined ? '' : `, snapshots ${program.snapshots}`;
  return {
    failed: of('failed').map(({ id, reason }) => `${id}: ${reason}`),
    told: [
      `${program?.codec}${snapshots}: ${passed} checks passed`,
      ...of('skipped').map(({ id, reason }) => `${id} skipped: ${reason}`),
    ],
  };
}
