/**
 * `npm run bench:inspector`: every figure that issue 3 promises of the inspector, with its limit and whether it was met.
 *
 * MUST: measure the build that it is part of, with real sidecars, a real language server and a real editor; clean up after
 * itself. The same program is also the child processes that test/bench starts: `main.mjs app|load …`.
 */
import { mkdirSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { BenchError, Workplace } from '../bench/processes.ts';
import { machine } from '../bench/report.ts';
import { ROOT } from './build.ts';
import { measureHost } from './editor.ts';
import { type Figure, figureTable, isMet } from './figures.ts';
import { fillCluster } from './filled-cluster.ts';
import { measureMatrix } from './matrix.ts';
import { type InspectorOptions, readOptions, USAGE } from './options.ts';
import { measureSizes } from './sizes.ts';
import { measureWindows } from './windows.ts';

const [mode] = process.argv.slice(2);
if (mode === 'app' || mode === 'load') await import('../bench/main.ts');
else process.exit(await main(process.argv.slice(2)));

/** The exit code: 0 all limits met, 1 one missed or not measured, 2 bad usage. */
async function main(args: readonly string[]): Promise<number> {
  let options: InspectorOptions;
  try {
    options = readOptions(args);
  } catch (error) {
    return fail(error, 2);
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  // Parts of the tests that are used here read their files from there.
  process.chdir(ROOT);
  const place = new Workplace(resolve(options.dir ?? join(ROOT, 'node_modules/.cache/outrigger-bench')));
  try {
    const load = loadavg()[0] ?? 0;
    const figures = await measureAll(place, options);
    const where = `${machine()}; load before and after: ${load.toFixed(1)}, ${loadavg()[0]?.toFixed(1)}`;
    const met = figures.every(isMet);
    if (options.json)
      console.log(JSON.stringify({ machine: where, met, figures: withVerdicts(figures) }, null, 2));
    else console.log(`${where}\n\n${figureTable(figures)}`);
    return met ? 0 : 1;
  } catch (error) {
    return fail(error, 1);
  }
}

async function measureAll(place: Workplace, { parts, entries, rounds }: InspectorOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  if (parts.has('sizes')) {
    console.error('bench: sizes');
    const folder = join(place.dir, 'package');
    mkdirSync(folder);
    figures.push(...measureSizes(folder));
  }
  if (parts.has('matrix')) {
    console.error('bench: log matrix');
    figures.push(...(await measureMatrix()));
  }
  if (!parts.has('windows') && !parts.has('host')) return figures;
  const cluster = await fillCluster(place, entries);
  if (parts.has('windows')) {
    console.error('bench: log windows');
    figures.push(...(await Promise.race([place.broken, measureWindows(place, cluster)])));
  }
  if (parts.has('host'))
    figures.push(...(await Promise.race([place.broken, measureHost(place, cluster, rounds)])));
  await cluster.stop();
  return figures;
}

/** NaN is no JSON: what was not measured is null. */
function withVerdicts(figures: readonly Figure[]): object[] {
  return figures.map((figure) => ({
    ...figure,
    measured: Number.isNaN(figure.measured) ? null : figure.measured,
    met: isMet(figure),
  }));
}

function fail(error: unknown, code: number): number {
  if (!(error instanceof BenchError)) throw error;
  console.error(`bench: ${error.message}`);
  return code;
}
