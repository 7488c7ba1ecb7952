/**
 * `npm test`: runs every mocha suite of dist/ and closes with one line, `N passed, N failed`.
 *
 * MUST: fail when a suite fails, cannot be loaded, when no test ran at all, or when the tests leave something running.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
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

/** After the last test, mocha has so long to end. */
const LINGER_MS = 60_000;
const watch = setInterval(() => {
  if (!existsSync(report)) return;
  clearInterval(watch);
  setTimeout(() => {
    console.error(
      `the tests left something running: mocha did not end within ${LINGER_MS / 1000} s of the last one`,
    );
    mocha.kill('SIGKILL');
  }, LINGER_MS).unref();
}, 1_000);
watch.unref();

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
