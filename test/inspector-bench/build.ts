/** The build that is measured: the one this program is part of (its file is BUILD/test/inspector-bench/main.mjs). */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const BUILD = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const ROOT = resolve(BUILD, '..');
/** The `outrigger` program of this build. */
export const BIN = join(BUILD, 'sidecar', 'main.mjs');
