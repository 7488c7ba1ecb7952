/**
 * Reads the `.cpuprofile` files that `node --cpu-prof` leaves: which functions the time went to.
 *
 * MUST: name functions by their source file, through the bundle's source map, or the answer is useless.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchError } from './processes.ts';
import { table } from './report.ts';

/** The parts of the format that we read (V8 inspector protocol, `Profiler.Profile`). */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
      readonly columnNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  /** `function  file:line`. */
  readonly where: string;
  readonly micros: number;
}

/** Time that is not work of the program. */
const IDLE = '(idle)';

/** Self time by function over all profiles in `dirs`, largest first, without idle time. */
export function selfTimes(dirs: readonly string[]): SelfTime[] {
  const sums = new Map<string, number>();
  const maps = new Map<string, SourceMap | undefined>();
  for (const dir of dirs) {
    const files = existsSync(dir) ? readdirSync(dir).filter((file) => file.endsWith('.cpuprofile')) : [];
    if (files.length === 0) throw new BenchError(`${dir} holds no profile: did the sidecar end well?`);
    for (const file of files) add(JSON.parse(readFileSync(join(dir, file), 'utf8')) as Profile, sums, maps);
  }
  sums.delete(IDLE);
  return [...sums].map(([where, micros]) => ({ where, micros })).sort((a, b) => b.micros - a.micros);
}

/** The first `count` functions as a table, with their share of all busy time. */
export function selfTimeTable(times: readonly SelfTime[], count: number): string {
  const total = times.reduce((sum, time) => sum + time.micros, 0);
  const rows = times
    .slice(0, count)
    .map(({ where, micros }) => [
      where,
      (micros / 1000).toFixed(0),
      `${((100 * micros) / total).toFixed(1)} %`,
    ]);
  return table([['function', 'self ms', 'share'], ...rows]);
}

function add(profile: Profile, sums: Map<string, number>, maps: Map<string, SourceMap | undefined>): void {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node.callFrame, maps)]));
  profile.samples.forEach((id, i) => {
    const name = names.get(id) ?? '(unknown)';
    sums.set(name, (sums.get(name) ?? 0) + (profile.timeDeltas[i] ?? 0));
  });
}

function nameOf(
  frame: Profile['nodes'][number]['callFrame'],
  maps: Map<string, SourceMap | undefined>,
): string {
  const name = frame.functionName || '(anonymous)';
  if (frame.url === '') return name;
  if (!maps.has(frame.url)) maps.set(frame.url, sourceMap(frame.url));
  const entry = maps.get(frame.url)?.findEntry(frame.lineNumber, frame.columnNumber);
  if (entry !== undefined && 'originalSource' in entry) {
    return `${name}  ${short(entry.originalSource)}:${entry.originalLine + 1}`;
  }
  return `${name}  ${short(frame.url)}:${frame.lineNumber + 1}`;
}

function sourceMap(url: string): SourceMap | undefined {
  if (!url.startsWith('file:')) return undefined;
  const file = `${fileURLToPath(url)}.map`;
  return existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
}

/** The last folders of a path are enough to know a file. */
function short(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '..')
    .slice(-3)
    .join('/');
}
