#!/usr/bin/env node
import { existsSync } from 'node:fs';

const bundle = new URL('../dist/sidecar/main.mjs', import.meta.url);
if (!existsSync(bundle)) {
  console.error('outrigger: not built yet; run `npm ci && npm run build` first.');
  process.exit(2);
}
await import(bundle.href);
