/**
 * How long tests wait, and what they make of a time that they measured.
 *
 * MUST: let no test fail because the machine is slow. A wait ends when what it waits for is there: its limit only decides how
 * soon a failure is told. Promised times are judged by the benches, and here where `OUTRIGGER_STRICT_TIMINGS=1` asks for it.
 */
import assert from 'node:assert/strict';

/** One wait. */
export const PATIENCE_MS = 60_000;
/** A test with several waits: the one that fails says why before mocha says that it took too long. */
export const TEST_MS = 600_000;
/** Between two looks. Looking costs what it waits for the processor. */
const LOOK_MS = 10;
/** What must be shown in some time may take so many times longer on a machine that does other things. */
const SLACK = 10;

const strict = process.env['OUTRIGGER_STRICT_TIMINGS'] === '1';

export function pause(ms = LOOK_MS): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Looks until it holds. `otherwise` says what was there instead. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  otherwise: () => string | Promise<string> = () => '',
): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > end)
      assert.fail(`not within ${PATIENCE_MS} ms: ${what}\n${await otherwise()}`.trim());
    await pause();
  }
}

/** Processor time of `act`, which what else runs on the machine leaves alone, ms. */
export function processorMs(act: () => void): number {
  const began = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1_000;
}

/** Says a time beside the promise; fails over it only where timings are strict. */
export function tellTime(what: string, tookMs: number, promisedMs: number, say = print): void {
  judge(what, tookMs, promisedMs, Number.POSITIVE_INFINITY, say);
}

/** The same for what the product must show in time: far over the promise it fails everywhere. */
export function boundTime(what: string, tookMs: number, promisedMs: number): void {
  judge(what, tookMs, promisedMs, SLACK * promisedMs, print);
}

function print(line: string): void {
  console.log(`      ${line}`);
}

function judge(
  what: string,
  tookMs: number,
  promisedMs: number,
  mostMs: number,
  say: (line: string) => void,
): void {
  say(`${what}: ${Math.round(tookMs)} ms (promised: ${promisedMs} ms)`);
  const limitMs = strict ? promisedMs : mostMs;
  assert.ok(tookMs <= limitMs, `${what}: ${Math.round(tookMs)} ms, and not ${limitMs} ms`);
}
