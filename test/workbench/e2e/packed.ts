/** The extension as its users get it: the universal VSIX of what was built beside these tests, packed once per process. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The build's output folder: this file is bundled into test/workbench/e2e/ in it. */
export const BUILD_FOLDER = fileURLToPath(new URL('../../..', import.meta.url));

let packed: string | undefined;

/** The path of the VSIX. Throws with what the packer said. */
export function packedExtension(): string {
  if (packed === undefined) {
    const args = [resolve('scripts/package.mjs'), '--only=universal', `--from=${BUILD_FOLDER}`];
    execFileSync(process.execPath, [...args, `--out=${BUILD_FOLDER}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    packed = join(BUILD_FOLDER, `outrigger-${version}.vsix`);
  }
  return packed;
}
