/**
 * What commands print with: plain lines, aligned tables, JSON; coloured on a terminal, plain in a pipe.
 *
 * MUST: print nothing that a terminal would obey (names, reasons and commands come from elsewhere).
 * MUST: be plain in a pipe, whatever CI sets in the environment.
 */
import picocolors from 'picocolors';

export type Colors = ReturnType<typeof picocolors.createColors>;

/** The part of a stream that we use; `process.stdout` is one. */
export interface Output {
  write(data: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** A cell is its text, with a colour for terminals. */
export type Cell =
  | string
  | number
  | { readonly text: string | number; readonly paint: (text: string) => string };

export interface Terminal {
  readonly colors: Colors;
  readonly isTerminal: boolean;
  line(text?: string): void;
  bytes(data: Uint8Array): void;
  json(value: unknown): void;
  table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): void;
}

/** NO_COLOR and FORCE_COLOR (no-color.org, force-color.org) win over what the stream is. */
function wantsColor(output: Output, env: NodeJS.ProcessEnv): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  if ((env['FORCE_COLOR'] ?? '') !== '') return env['FORCE_COLOR'] !== '0';
  return output.isTTY === true && env['TERM'] !== 'dumb';
}

/** Control characters, and those that hide or reorder text, shown as `?`. */
export function harmless(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}

/** Lines of an aligned table; the last left-aligned column is not padded, so no line ends in blanks. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  paintTitle: (text: string) => string = (text) => text,
): string[] {
  const plain = rows.map((row) => columns.map((_, at) => cellText(row[at])));
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...plain.map((row) => row[at]?.length ?? 0)),
  );
  const pad = (text: string, at: number): string => {
    const width = widths[at] ?? 0;
    if (columns[at]?.align === 'right') return text.padStart(width);
    return at === columns.length - 1 ? text : text.padEnd(width);
  };
  const title = columns.map((column, at) => pad(column.title, at)).join('  ');
  const body = rows.map((row, line) =>
    columns.map((_, at) => paintCell(row[at], pad(plain[line]?.[at] ?? '', at))).join('  '),
  );
  return [paintTitle(title.trimEnd()), ...body.map((text) => text.trimEnd())];
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return '';
  return harmless(String(typeof cell === 'object' ? cell.text : cell));
}

function paintCell(cell: Cell | undefined, padded: string): string {
  return typeof cell === 'object' ? cell.paint(padded) : padded;
}

export function createTerminal(output: Output, env: NodeJS.ProcessEnv): Terminal {
  const colors = picocolors.createColors(wantsColor(output, env));
  return {
    colors,
    isTerminal: output.isTTY === true,
    line: (text = '') => void output.write(`${text}\n`),
    bytes: (data) => void output.write(data),
    json: (value) => void output.write(`${JSON.stringify(value)}\n`),
    table: (columns, rows) => {
      for (const text of tableLines(columns, rows, colors.bold)) output.write(`${text}\n`);
    },
  };
}
