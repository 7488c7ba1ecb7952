/** `outrigger events`: what happened to the nodes, with the causes. */
import type { Command } from 'commander';
import { describeEvent } from '../../../shared/describe-event.ts';
import type { EventKind, NodeEvent } from '../../../shared/events.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { Client } from '../client.ts';
import { CliError, usageError } from '../errors.ts';
import { followEvents, readEvents } from '../event-stream.ts';
import type { Shell } from '../shell.ts';
import { chooseTargets, type TargetFlags, targetOptions } from '../targets.ts';
import type { Cell, Colors, Terminal } from '../terminal.ts';

const COLUMNS = [
  { title: 'TIME' },
  { title: 'NODE' },
  { title: 'SEQ', align: 'right' },
  { title: 'TERM', align: 'right' },
  { title: 'KIND' },
  { title: 'CAUSE' },
  { title: 'WHAT' },
] as const;
/** Widths of a followed stream, whose lines are not known in advance. */
const WIDTHS = [24, 4, 6, 5, 16, 16] as const;

const HELP = `
Each node remembers its own newest events, numbered from 1 in each run of its process. Without --node it shows those of
all nodes of this machine in order of time; over several machines clocks differ, and time is no order.
With --follow it goes on until Ctrl-C, and comes back by itself when a sidecar was away.

Examples:
  outrigger events
  outrigger events --follow
  outrigger events --node n2 --since 120 --json | jq 'select(.kind == "ROLE")'`;

interface EventsFlags extends TargetFlags {
  readonly follow?: true;
  readonly since?: string;
  readonly json?: true;
}

export function addEvents(program: Command, shell: Shell): void {
  targetOptions(program.command('events'))
    .description('show what happened: elections, votes, lost contact, apps, disks')
    .option('--follow', 'go on with what happens now')
    .option('--since <id>', 'only what came after this event of the node: its number, or GENERATION-NUMBER')
    .addHelpText('after', HELP)
    .action((flags: EventsFlags) => events(shell, flags));
}

async function events(shell: Shell, flags: EventsFlags): Promise<void> {
  const { since } = flags;
  if (since !== undefined && !/^(?:[0-9a-z]{1,64}-)?\d{1,15}$/.test(since)) {
    throw usageError(
      `--since is the number of an event, or GENERATION-NUMBER, not "${safeLine(since, 80)}".`,
    );
  }
  const clients = (await chooseTargets(flags, shell.env)).map((target) => new Client(target));
  if (since !== undefined && clients.length > 1) {
    throw usageError('--since counts the events of one node: choose it with --node.');
  }
  if (flags.follow) await follow(shell, clients, flags);
  else await show(shell, clients, flags);
}

/** Everything that is remembered now, of all nodes, in order of time. */
async function show({ out, err }: Shell, clients: readonly Client[], flags: EventsFlags): Promise<void> {
  const found: NodeEvent[] = [];
  const failures: CliError[] = [];
  await Promise.all(
    clients.map(async (client) => {
      const reader = { since: flags.since, event: (event: NodeEvent) => found.push(event) };
      await readEvents(client, reader, false).catch((error: unknown) => {
        if (!(error instanceof CliError)) throw error;
        failures.push(error);
      });
    }),
  );
  const [failure] = failures;
  if (failure !== undefined && failures.length === clients.length) throw failure;
  found.sort((a, b) => a.at - b.at);
  if (flags.json) for (const event of found) out.json(event);
  else
    out.table(
      COLUMNS,
      found.map((event) => row(event, out.colors)),
    );
  for (const { message } of failures) err.line(err.colors.red(safeLine(message, 500)));
}

async function follow({ out, err }: Shell, clients: readonly Client[], flags: EventsFlags): Promise<void> {
  if (!flags.json) out.line(out.colors.bold(aligned(COLUMNS.map(({ title }) => title))));
  await Promise.all(
    clients.map((client) =>
      followEvents(client, {
        since: flags.since,
        event: (event) => {
          if (flags.json) out.json(event);
          else out.line(followed(event, out));
        },
        gap: (first) => remark(err, `${client.target.name}: events before ${first} were forgotten meanwhile`),
        lost: (reason) => remark(err, `${reason} Trying again.`),
      }),
    ),
  );
}

function remark(err: Terminal, text: string): void {
  err.line(err.colors.yellow(safeLine(text, 500)));
}

/** One line of a stream, in columns of fixed width. */
function followed(event: NodeEvent, { colors }: Terminal): string {
  const cells = row(event, colors);
  const texts = cells.map((cell) => String(typeof cell === 'object' ? cell.text : cell));
  const padded = texts.map((text, at) => pad(text, at));
  return cells
    .map((cell, at) => (typeof cell === 'object' ? cell.paint(padded[at] ?? '') : padded[at]))
    .join('  ')
    .trimEnd();
}

function aligned(texts: readonly string[]): string {
  return texts.map(pad).join('  ').trimEnd();
}

function pad(text: string, at: number): string {
  const column = COLUMNS[at];
  const width = WIDTHS[at] ?? 0;
  return column !== undefined && 'align' in column ? text.padStart(width) : text.padEnd(width);
}

function row(event: NodeEvent, colors: Colors): Cell[] {
  return [
    { text: new Date(event.at).toISOString(), paint: colors.dim },
    safeLine(event.node, 80),
    event.seq,
    event.term,
    { text: safeLine(event.kind, 40), paint: paintOf(event.kind, event, colors) },
    safeLine(event.cause, 40),
    safeLine(describeEvent(event), 500),
  ];
}

const BAD: ReadonlySet<EventKind> = new Set([
  'CONTACT_LOST',
  'PEER_DOWN',
  'DISK_SLOW',
  'DISK_FULL',
  'LOOP_SLOW',
  'TRUNCATED',
  'TRANSFER_FAILED',
  'STOPPING',
]);

function paintOf(kind: EventKind, event: NodeEvent, colors: Colors): (text: string) => string {
  if (kind === 'ROLE') return event.role === 'LEADER' ? colors.green : colors.cyan;
  if (kind === 'APP') return event.state === 'CONNECTED' ? colors.green : colors.yellow;
  return BAD.has(kind) ? colors.yellow : (text) => text;
}
