/**
 * Every app of examples/ keeps to the protocol. Each says in outrigger-app.json what it needs, how it is built and how it is run;
 * one whose tools are not on this machine is skipped, and said to be.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Finding } from '../../sidecar/conformance/contract.ts';
import { PATIENCE_MS, TEST_MS } from '../support/patience.ts';

const MANIFEST = 'outrigger-app.json';
const OUTPUT_BYTES = 16 * 1024 * 1024;

const manifestSchema = z.strictObject({
  name: z.string().min(1),
  /** Programs that must be on the PATH. */
  needs: z.array(z.string()),
  /** Run once, in the folder of the app; empty where there is nothing to build. */
  build: z.array(z.string()),
  /** Run in the folder of the app. */
  run: z.array(z.string()).min(1),
});

const run = promisify(execFile);
const folders = readdirSync('examples')
  .filter((name) => name.endsWith('-kv'))
  .map((name) => join('examples', name));

const isThere = (program: string): boolean =>
  spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;

describe('the apps of examples/ conform', function () {
  this.timeout(TEST_MS);

  it('there are some, and each has its manifest', () => {
    assert.ok(folders.length > 0);
    assert.deepEqual(
      folders.filter((folder) => !existsSync(join(folder, MANIFEST))),
      [],
    );
  });

  for (const folder of folders.filter((one) => existsSync(join(one, MANIFEST)))) {
    const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')));
    const missing = manifest.needs.filter((program) => !isThere(program));
    if (missing.length > 0) {
      it.skip(`${manifest.name}: SKIPPED, since this machine has no ${missing.join(', no ')}`);
      continue;
    }
    it(manifest.name, async () => {
      const [builder, ...how] = manifest.build;
      if (builder !== undefined) await run(builder, how, { cwd: folder, maxBuffer: OUTPUT_BYTES });
      const args = ['conformance', '--json', '--timeout', String(PATIENCE_MS / 1_000), '--', ...manifest.run];
      const { stdout } = await run(process.execPath, [resolve('bin', 'outrigger.mjs'), ...args], {
        cwd: folder,
        maxBuffer: OUTPUT_BYTES,
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
      }).catch((error: { stdout?: string; stderr?: string }) => ({
        stdout: error.stdout || error.stderr || '',
      }));
      assert.match(stdout, /^\{/, stdout);
      const { program, passed, checks } = JSON.parse(stdout) as {
        program: { codec: string; snapshots: string } | null;
        passed: number;
        checks: Finding[];
      };
      const failed = checks.filter(({ verdict }) => verdict === 'failed');
      assert.deepEqual(
        failed.map(({ id, reason }) => `${id}: ${reason}`),
        [],
      );
      const skipped = checks.filter(({ verdict }) => verdict === 'skipped');
      console.log(`      ${program?.codec}, snapshots ${program?.snapshots}: ${passed} checks passed`);
      for (const { id, reason } of skipped) console.log(`      ${id} skipped: ${reason}`);
    });
  }
});
