/** How large the packages are: the VSIX as `npm run package` makes it, and the panel's script as a server sends it. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BUILD, ROOT } from './build.ts';
import { type Figure, INSPECTOR_LIMITS, unmeasured } from './figures.ts';

/** `folder`: empty, for the VSIX. */
export function measureSizes(folder: string): Figure[] {
  return [universalVsix(folder), panelBundle()];
}

function universalVsix(folder: string): Figure {
  const name = 'universal VSIX';
  const args = [join(ROOT, 'scripts/package.mjs'), '--only=universal', `--from=${BUILD}`, `--out=${folder}`];
  const { stderr, error } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  // The packer fails for a VSIX that is too large, too: then the file is there, and its size is what counts.
  const file = readdirSync(folder).find((one) => one.endsWith('.vsix'));
  const limit = INSPECTOR_LIMITS.vsixBytes;
  if (file === undefined)
    return unmeasured(name, 'bytes', limit, `it was not made: ${error?.message ?? stderr.trim()}`);
  return { name, measured: statSync(join(folder, file)).size, unit: 'bytes', limit, detail: '' };
}

function panelBundle(): Figure {
  const script = gzipSync(readFileSync(join(BUILD, 'webview', 'panel.js')), { level: 9 }).length;
  const style = gzipSync(readFileSync(join(BUILD, 'webview', 'panel.css')), { level: 9 }).length;
  return {
    name: 'panel bundle, gzipped (script and style)',
    measured: script + style,
    unit: 'bytes',
    limit: INSPECTOR_LIMITS.bundleBytes,
    detail: `script ${script}, style ${style} bytes`,
  };
}
