/**
 * `npm test`: runs every mocha suite of dist/ and closes with one line, `N passed, N failed`.
 *
 * MUST: fail when a suite fails, cannot be loaded, or when no test ran at all.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-test-'));
const report = join(folder, 'report.json');
const mocha = spawn(
  process.execPath,
  [
    'node_modules/mocha/bin/mocha.js',
    '--reporter',
    './scripts/reporter.cjs',
    '--reporter-option',
    `output=${report}`,
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);

mocha.on('close', (code, signal) => {
  let counts = { passes: 0, failures: 0, pending: 0 };
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    console.error('mocha ended without a report');
  }
  rmSync(folder, { recursive: true, force: true });
  const failed = code !== 0 || signal !== null || counts.passes === 0;
  const failures = failed ? Math.max(counts.failures, 1) : counts.failures;
  if (counts.pending > 0) console.log(`${counts.pending} SKIPPED; why is said above, at their places`);
  console.log(`${counts.passes} passed, ${failures} failed`);
  process.exitCode = failed ? 1 : 0;
});
