/**
 * The tables that are made from the code: limits and metrics. Each stands in its page between `<!-- table: NAME -->` and
 * `<!-- end -->`; `node dist/test/docs/main.mjs --rewrite` writes it anew.
 *
 * MUST: say of everything what the code says; add no words of its own.
 */
import { readFileSync } from 'node:fs';
import { LIMITS } from '../../shared/limits.ts';
import { GatewayMetrics } from '../../sidecar/record/gateway-metrics.ts';
import { Metrics } from '../../sidecar/record/metrics.ts';
import { gatewaySample, nodeSample } from './samples.ts';

export const TABLES: Readonly<Record<string, () => Promise<string>>> = {
  limits: async () => limitsTables(),
  metrics: async () => metricsTable(await metricsOf(new Metrics({ sample: () => nodeSample }))),
  'gateway-metrics': async () =>
    metricsTable(
      await metricsOf(
        new GatewayMetrics({ sample: () => gatewaySample, kinds: ['propose'], states: ['OPEN'] }),
      ),
    ),
};

const MARKED = /(<!-- table: ([a-z-]+) -->\n)(.*?)(<!-- end -->)/gs;

/** The page with all its tables as they must be now. Throws for a table that is not known. */
export async function withTables(text: string): Promise<string> {
  const made = new Map<string, string>();
  for (const [, , name = ''] of text.matchAll(MARKED)) {
    const make = TABLES[name];
    if (make === undefined) throw new Error(`there is no table called ${name}`);
    made.set(name, await make());
  }
  return text.replaceAll(
    MARKED,
    (_all, begin: string, name: string, _old, end: string) => `${begin}\n${made.get(name)}\n${end}`,
  );
}

// ---------------------------------------------------------------- limits

/** The first limit of each section. */
const SECTIONS: Readonly<Record<string, string>> = {
  commandBytes: 'Commands and frames',
  requestsPerConnection: 'The app socket',
  windowEntries: 'Delivery to an app',
  peerQueueBytes: 'Between sidecars, and TLS',
  appendBytes: 'Replication, and what waits',
  storeQueueBytes: 'The log on the disk',
  logPageEntries: 'HTTP',
  sessions: 'Sessions, versions, forwarding',
  eventsKept: 'Events and stage times',
  gatewayClients: 'The gateway',
  agentConnections: 'Load balancers',
  members: 'Members',
  snapshotChunkBytes: 'Snapshots',
  faults: 'Planted faults',
  shutdownMs: 'Stopping',
};

interface LimitGroup {
  readonly comment: string;
  readonly names: string[];
}

/** One comment may stand above several limits. */
function limitGroups(): LimitGroup[] {
  const source = readFileSync('shared/limits.ts', 'utf8');
  const body = source.slice(source.indexOf('export const LIMITS'));
  const groups: LimitGroup[] = [];
  for (const [, comment, name] of body.matchAll(/\/\*\*(.*?)\*\/|^ {2}(\w+):/gms)) {
    if (comment !== undefined) groups.push({ comment: plain(comment), names: [] });
    else if (name !== undefined) groups.at(-1)?.names.push(name);
  }
  return groups;
}

function plain(comment: string): string {
  return comment
    .replaceAll(/^\s*\*/gm, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('|', '\\|')
    .trim();
}

function limitsTables(): string {
  const lines: string[] = [];
  for (const { comment, names } of limitGroups()) {
    const title = SECTIONS[names[0] ?? ''];
    if (title !== undefined)
      lines.push(
        '',
        `### ${title}`,
        '',
        '| limit | value | what it is, and what happens at it |',
        '|---|---:|---|',
      );
    const values = names.map((name) => withUnit(name, LIMITS[name as keyof typeof LIMITS]));
    lines.push(`| ${names.map((name) => `\`${name}\``).join(' ')} | ${values.join(', ')} | ${comment} |`);
  }
  return `${lines.join('\n').trim()}\n`;
}

const BYTES = [
  [1024 ** 2, 'MiB'],
  [1024, 'KiB'],
] as const;
const TIMES = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const;

/** With the largest unit in which it is a whole number. */
export function withUnit(name: string, value: number): string {
  const [units, smallest] = /Bytes/.test(name)
    ? ([BYTES, 'bytes'] as const)
    : /Ms(?![a-z])/.test(name)
      ? ([TIMES, 'ms'] as const)
      : ([[], ''] as const);
  const unit = [...units].find(([size]) => value > 0 && value % size === 0);
  if (unit !== undefined) return `${(value / unit[0]).toLocaleString('en')} ${unit[1]}`;
  return `${value.toLocaleString('en')} ${smallest}`.trim();
}

// ---------------------------------------------------------------- metrics

export interface MetricLine {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** What is scraped, without what every process of Node.js has. */
export async function metricsOf(metrics: Metrics | GatewayMetrics): Promise<MetricLine[]> {
  const { text } = await metrics.scrape();
  metrics.close();
  const found: MetricLine[] = [];
  for (const [, name = '', help = ''] of text.matchAll(/^# HELP (outrigger_\w+) (.*)$/gm)) {
    const type = new RegExp(`^# TYPE ${name} (\\w+)$`, 'm').exec(text)?.[1] ?? '';
    const labels = new RegExp(`^${name}(?:_bucket)?\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? '';
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label);
    found.push({ name, type, help, labels: names.filter((label) => label !== 'le') });
  }
  return found;
}

function metricsTable(metrics: readonly MetricLine[]): string {
  const rows = metrics.map(({ name, type, help, labels }) => {
    const named = labels.length === 0 ? `\`${name}\`` : `\`${name}{${labels.join(',')}}\``;
    return `| ${named} | ${type} | ${help.replaceAll('|', '\\|')} |`;
  });
  return ['| metric | type | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}
