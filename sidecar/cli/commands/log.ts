/** `outrigger log`: entries of the replicated log, as one node holds them. */
import type { Command } from 'commander';
import type { LogEntryView, LogPage } from '../../../shared/inspect.ts';
import type { Client } from '../client.ts';
import { atLeast } from '../numbers.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';
import type { Cell, Colors } from '../terminal.ts';

const COLUMNS = [
  { title: 'INDEX', align: 'right' },
  { title: 'TERM', align: 'right' },
  { title: 'KIND' },
  { title: 'TIME' },
  { title: 'SIZE', align: 'right' },
  { title: 'COMMAND' },
] as const;

/** Entries shown when nothing says how many. */
const DEFAULT_LIMIT = 50;
/** Characters of a command shown in the table; --json has all of it. */
const COMMAND_WIDTH = 120;

const HELP = `
Without --from it shows the newest entries. TIME is the cluster time that the leader gave the entry. A command is
shown as text where it is printable UTF-8, else in hex (0x…); --json has every byte, in base64.
Entries after the commit index are marked with * : they are not decided yet.

Examples:
  outrigger log
  outrigger log --from 1 --limit 10
  outrigger log --node n3 --from 100 --to 200 --json`;

interface LogFlags extends TargetFlags {
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
  readonly json?: true;
}

export function addLog(program: Command, shell: Shell): void {
  targetOptions(program.command('log'))
    .description('show entries of the replicated log')
    .option('--from <index>', 'the first index', atLeast(1))
    .option('--to <index>', 'the last index', atLeast(1))
    .option('--limit <count>', 'at most so many entries', atLeast(1), DEFAULT_LIMIT)
    .addHelpText('after', HELP)
    .action(async (flags: LogFlags) => {
      const page = await readLog(await chooseOne(flags, shell.env), flags);
      if (flags.json) shell.out.json(page);
      else print(shell, page);
    });
}

/** Follows the pages until the limit, `to` or the end of the log. */
async function readLog(client: Client, { from, to, limit }: LogFlags): Promise<LogPage> {
  const ask = (first: number, last: number, count: number): Promise<LogPage> =>
    client.get(`/v1/log?from=${first}&to=${last}&limit=${count}`, 'view');
  const probe = await ask(from ?? 1, from ?? 1, 1);
  const last = Math.min(to ?? probe.lastIndex, probe.lastIndex);
  let next = Math.max(from ?? last - limit + 1, probe.firstIndex);
  const entries: LogEntryView[] = [];
  while (next <= last && entries.length < limit) {
    const page = await ask(next, last, limit - entries.length);
    const newest = page.entries.at(-1);
    if (newest === undefined) break;
    entries.push(...page.entries);
    next = newest.index + 1;
  }
  return { ...probe, from: entries[0]?.index ?? next, to: entries.at(-1)?.index ?? last, entries };
}

function print({ out }: Shell, page: LogPage): void {
  out.table(
    COLUMNS,
    page.entries.map((entry) => row(entry, page.commitIndex, out.colors)),
  );
  const range =
    page.lastIndex < page.firstIndex
      ? 'the log is empty'
      : `the log holds ${page.firstIndex} to ${page.lastIndex}`;
  out.line(out.colors.dim(`${range}, committed to ${page.commitIndex}`));
}

function row(entry: LogEntryView, commit: number, colors: Colors): Cell[] {
  const paint = entry.index > commit ? colors.yellow : (text: string) => text;
  return [
    { text: `${entry.index}${entry.index > commit ? '*' : ''}`, paint },
    entry.term,
    { text: entry.kind, paint: entry.kind === 'COMMAND' ? (text) => text : colors.dim },
    new Date(entry.time).toISOString(),
    entry.size,
    commandText(Buffer.from(entry.command, 'base64')),
  ];
}

/** Printable UTF-8 as it is, else hex; cut where it is long. Exported for tests. */
export function commandText(command: Uint8Array): string {
  if (command.length === 0) return '';
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(command);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return cut(hex(command));
  }
  return cut(/^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(text) ? text : hex(command));
}

function hex(command: Uint8Array): string {
  return `0x${Buffer.from(command.subarray(0, COMMAND_WIDTH)).toString('hex')}`;
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= COMMAND_WIDTH ? text : `${characters.slice(0, COMMAND_WIDTH - 1).join('')}…`;
}
