/**
 * The figures as text: a Markdown table that is also aligned for a terminal, and the ratios.
 */
import { arch, cpus, platform, totalmem } from 'node:os';
import type { Cell } from './measure.ts';

/** One line: what was measured where and when. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  const gib = Math.round(totalmem() / 1024 ** 3);
  return `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${model}, ${gib} GiB, ${platform()} ${arch()}, Node ${process.versions.node}`;
}

/** A Markdown table; the first row is its head. Columns other than the first are right-aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(rows[0] ?? []), rule, ...rows.slice(1).map(line)].join('\n');
}

/** Throughput and latency of all cells. */
export function cellTable(cells: readonly Cell[]): string {
  const head = ['system', 'clients', 'throughput/s', 'p50 ms', 'p99 ms', 'max ms', 'errors'];
  return table([
    head,
    ...cells.map((cell) => [
      cell.system,
      String(cell.clients),
      Math.round(cell.throughput).toLocaleString('en-US'),
      cell.p50.toFixed(2),
      cell.p99.toFixed(2),
      cell.max.toFixed(1),
      errorText(cell),
    ]),
  ]);
}

/** Microseconds of CPU per operation, by kind of process. */
export function cpuText(cells: readonly Cell[]): string {
  return cells
    .map((cell) => {
      const parts = Object.entries(cell.cpu).map(([group, micros]) => `${group} ${micros.toFixed(1)}`);
      const total = Object.values(cell.cpu).reduce((sum, micros) => sum + micros, 0);
      return `  ${cell.system}, ${cell.clients} clients: ${parts.join(', ')} = ${total.toFixed(1)}`;
    })
    .join('\n');
}

/** How the first system compares with the second at each number of clients, with the targets we set ourselves. */
export function ratioText(ours: readonly Cell[], theirs: readonly Cell[]): string {
  const lines: string[] = [];
  for (const our of ours) {
    const their = theirs.find((cell) => cell.clients === our.clients);
    if (their === undefined) continue;
    const throughput = our.throughput / their.throughput;
    const share = (mine: number, other: number): string => `${(mine / other).toFixed(2)} ×`;
    lines.push(
      `  ${our.clients} clients: throughput ${throughput.toFixed(2)} ×, p50 ${share(our.p50, their.p50)}, ` +
        `p99 ${share(our.p99, their.p99)}, max ${share(our.max, their.max)}${target(our, their)}`,
    );
  }
  return lines.join('\n');
}

function target(our: Cell, their: Cell): string {
  const verdict = (met: boolean): string => (met ? 'met' : 'MISSED');
  if (our.clients === 1) return `   [target p50 ≤ 1 ×: ${verdict(our.p50 <= their.p50)}]`;
  if (our.clients !== 512) return '';
  const met = our.throughput >= 3 * their.throughput && our.p99 < their.p99;
  return `   [target throughput ≥ 3 ×, p99 < 1 ×: ${verdict(met)}]`;
}

function errorText(cell: Cell): string {
  const kinds = Object.entries(cell.errors);
  return kinds.length === 0 ? '0' : `⚠ ${kinds.map(([code, count]) => `${code} ${count}`).join(', ')}`;
}
