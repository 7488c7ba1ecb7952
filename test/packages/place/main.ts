/** Puts a file of some size into a cache folder, as the single executable does when it starts. Several of it run at once. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { placeAddon } from '../../../sidecar/cli/carried-addon.ts';

const code = Buffer.alloc(1024 * 1024, 'outrigger');
for (let round = 0; round < 10; round += 1) {
  assert.deepEqual(readFileSync(placeAddon(process.argv[2] ?? '', code)), code);
}
