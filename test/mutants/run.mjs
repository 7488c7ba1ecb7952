/**
 * `npm run mutants`: plants each deliberate bug in a build of its own and runs the quick suites against it. A bug that no
 * test notices says that green means nothing.
 *
 *   npm run mutants                          all of them
 *   npm run mutants -- --only half-quorum    one of them
 *
 * MUST: exit 1 when a mutant survives, and when the suites fail without any mutant (then a kill would mean nothing).
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { MUTANTS } from './mutants.mjs';

/** Each is run up to its first failing test. */
const SUITES = [
  { name: 'unit', only: 'test/unit/raft', spec: 'test/unit/raft*.test.mjs' },
  { name: 'machine', only: 'test/unit/machine', spec: 'test/unit/machine*.test.mjs' },
  { name: 'routing', only: 'test/unit/routing', spec: 'test/unit/routing*.test.mjs' },
  { name: 'gateway', only: 'test/unit/gateway-parts', spec: 'test/unit/gateway-parts.test.mjs' },
  { name: 'peers', only: 'test/unit/peers-tls', spec: 'test/unit/peers-tls.test.mjs' },
  { name: 'transcripts', only: 'test/transcripts', spec: 'test/transcripts/*.test.mjs' },
  { name: 'simulation', only: 'test/simulation', spec: 'test/simulation/*.test.mjs' },
];
const SIMULATION_SEEDS = 300;
const SUITE_MS = 300_000;

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const chosen = MUTANTS.filter(({ name }) => values.only === undefined || values.only === name);
if (chosen.length === 0) {
  console.error(
    `no mutant is called ${values.only}; there are ${MUTANTS.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}

/** Runs a program. Resolves with its exit code and what it printed. */
function run(command, args, environment = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...environment }, timeout: SUITE_MS });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

async function buildSuite(suite, out, mutant) {
  const args = ['esbuild.config.mjs', `--only=${suite.only}`, `--out=${out}`];
  if (mutant !== undefined) args.push(`--mutant=${mutant.name}`);
  const { code, output } = await run(process.execPath, args);
  if (code !== 0) throw new Error(`the build of ${out} failed:\n${output}`);
}

/** The title and first words of the first failing test, '' when all pass. */
async function firstFailure(suite, out) {
  const args = ['node_modules/mocha/bin/mocha.js', '--no-config', '--bail', '--timeout', '60000'];
  const seeds = { SIMULATION_SEEDS: String(SIMULATION_SEEDS) };
  const spec = ['--reporter', 'json', '--spec', `${out}/${suite.spec}`];
  const { code, output } = await run(process.execPath, [...args, ...spec], seeds);
  if (code === 0) return '';
  const failure = readReport(output)?.failures[0];
  if (failure === undefined) return `ended without a report (code ${code}): ${output.slice(-300)}`;
  return `${failure.title}: ${failure.err.message.split('\n')[0]}`;
}

function readReport(output) {
  const start = output.indexOf('{\n  "stats"');
  try {
    return JSON.parse(output.slice(start, output.lastIndexOf('}') + 1));
  } catch {
    return undefined;
  }
}

/** The first failing test of each suite in a build with `mutant` (without one: of the product itself). */
async function judge(mutant) {
  const killers = [];
  for (const suite of SUITES) {
    const out = `dist-mutants/${mutant?.name ?? 'none'}/${suite.name}`;
    await buildSuite(suite, out, mutant);
    const test = await firstFailure(suite, out);
    if (test !== '') killers.push({ suite: suite.name, test });
  }
  return killers;
}

const healthy = await judge(undefined);
if (healthy.length > 0) {
  console.error(`the suites fail without any mutant: ${healthy[0].suite}, ${healthy[0].test}`);
  process.exit(1);
}
const row = (...cells) => console.log(cells.map((cell, i) => cell.padEnd([20, 8, 7, 11][i] ?? 0)).join('  '));
row('mutant', 'verdict', 'time', 'killed by', 'first failing test');
let killed = 0;
for (const mutant of chosen) {
  const began = performance.now();
  const [first, ...others] = await judge(mutant);
  const seconds = `${((performance.now() - began) / 1000).toFixed(1)} s`;
  if (first === undefined) row(mutant.name, 'SURVIVED', seconds, 'nothing', mutant.title);
  else row(mutant.name, 'killed', seconds, first.suite, first.test);
  for (const other of others) row('', '', '', other.suite, other.test);
  if (first !== undefined) killed++;
}
console.log(`${killed} of ${chosen.length} killed`);
process.exitCode = killed === chosen.length ? 0 : 1;
