/** `outrigger fault`: plants faults in sidecars that were started with `--control`, lists them, and ends them. */
import type { Command } from 'commander';
import { describeFault, FAULT_KINDS, type FaultKind, type FaultStatus } from '../../../shared/faults.ts';
import { duration } from '../../../shared/wording.ts';
import { Client } from '../client.ts';
import { CliError, usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, chooseTargets, type TargetFlags, targetOptions } from '../targets.ts';

const HELP = `
A fault is of one node: of the leader, or of --node. Messages are lost or come later there, and connections stay. Each fault ends by
itself. All of it needs sidecars that were started with --control (\`outrigger run --control\`, \`outrigger dev --control\`).

  cut PEER        no message of that peer               delay MS      messages come so much later
  isolate         no message of any peer                drop PERCENT  so many of the messages are lost
  pause           the whole process stands still        end [ID]      that fault is over; without ID, all of all nodes

Examples:
  outrigger fault                                 which ones there are
  outrigger fault isolate                         what becomes of a leader that is cut off?
  outrigger fault cut n3 --node n1 --out          n1 does not reach n3, but hears it
  outrigger fault delay 200 --jitter 50 --node n2 --for 60
  outrigger fault drop 30 --peer n2
  outrigger fault pause --for 5
  outrigger fault end`;

interface FaultFlags extends TargetFlags {
  readonly json?: true;
  readonly peer?: string;
  readonly in?: true;
  readonly out?: true;
  readonly jitter?: number;
  readonly for: number;
}

export function addFault(program: Command, shell: Shell): void {
  targetOptions(program.command('fault'))
    .description('make replication misbehave for a while: cut, isolate, delay, drop, pause')
    .argument('[what]', `${FAULT_KINDS.join(', ').toLowerCase()}, or end; without it the faults are listed`)
    .argument('[value]', 'PEER of cut, MS of delay, PERCENT of drop, ID of end')
    .option('--for <seconds>', 'when it ends by itself', Number, 30)
    .option('--peer <id>', 'messages of this peer only (delay, drop)')
    .option('--in', 'only messages that the node gets')
    .option('--out', 'only messages that it sends')
    .option('--jitter <ms>', 'up to so much later still, by chance (delay)', Number)
    .addHelpText('after', HELP)
    .action(async (what: string | undefined, value: string | undefined, flags: FaultFlags) => {
      if (what === undefined) await listFaults(shell, flags);
      else if (what === 'end') await endFaults(shell, flags, value);
      else await plant(shell, flags, faultOf(what, value, flags));
    });
}

/** What is asked of the sidecar, which checks it. Throws CliError for what it could not read. */
function faultOf(what: string, value: string | undefined, flags: FaultFlags): object {
  const kind = FAULT_KINDS.find((name) => name.toLowerCase() === what);
  if (kind === undefined) {
    const known = FAULT_KINDS.map((name) => name.toLowerCase()).join(', ');
    throw usageError(`there is no fault "${what}": give ${known}, or end.`);
  }
  if (!(flags.for > 0)) throw usageError('--for must be a number of seconds over 0.');
  if (flags.in && flags.out) throw usageError('--in and --out: leave both out to mean both.');
  const { peer, jitter } = flags;
  const direction = flags.in ? 'IN' : flags.out ? 'OUT' : undefined;
  return {
    ...{ kind, ttlMs: Math.round(flags.for * 1_000) },
    ...(direction === undefined ? {} : { direction }),
    ...(peer === undefined ? {} : { peer }),
    ...(jitter === undefined ? {} : { jitterMs: jitter }),
    ...measureOf(kind, value),
  };
}

/** The value that stands behind a kind, as what it is for that kind. */
function measureOf(kind: FaultKind, value: string | undefined): object {
  const needs = {
    CUT: 'the id of a peer',
    DELAY: 'milliseconds',
    DROP: 'a percentage',
    ISOLATE: '',
    PAUSE: '',
  }[kind];
  const name = kind.toLowerCase();
  if (needs === '') {
    if (value !== undefined) throw usageError(`${name} takes nothing more, not "${value}".`);
    return {};
  }
  if (value === undefined)
    throw usageError(
      `${name} needs ${needs}, such as: outrigger fault ${name} ${kind === 'CUT' ? 'n2' : '50'}`,
    );
  if (kind === 'CUT') return { peer: value };
  const number = Number(value.replace(/%$/, ''));
  if (!(number > 0)) throw usageError(`${name} needs ${needs}, not "${value}".`);
  return kind === 'DELAY' ? { delayMs: number } : { share: number / 100 };
}

async function plant(shell: Shell, flags: FaultFlags, fault: object): Promise<void> {
  const client = await chooseOne(flags, shell.env, 'leader');
  const { node } = await client.status();
  const planted = await client.post<FaultStatus>('/v1/faults', 'admin', fault);
  if (flags.json) shell.out.json({ node, ...planted });
  else
    shell.out.line(`${node} ${describeFault(planted)} for ${duration(planted.ttlMs)}: fault ${planted.id}`);
}

interface NodeFaults {
  readonly client: Client;
  readonly node: string;
  readonly faults: readonly FaultStatus[];
}

/** Of all nodes that answer; one that does not (it stands still, say) is told of. Throws CliError where none does. */
async function faultsOf(shell: Shell, flags: FaultFlags): Promise<NodeFaults[]> {
  const targets = await chooseTargets(flags, shell.env);
  const silent: CliError[] = [];
  const asked = targets.map(async (target): Promise<NodeFaults[]> => {
    const client = new Client(target);
    try {
      const { faults } = await client.get<{ faults: readonly FaultStatus[] }>('/v1/faults', 'admin');
      return [{ client, node: target.name, faults }];
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      silent.push(error);
      return [];
    }
  });
  const answers = (await Promise.all(asked)).flat();
  const [first] = silent;
  if (answers.length === 0 && first !== undefined) throw first;
  for (const { message } of silent) shell.err.line(`outrigger: ${message}`);
  return answers;
}

const COLUMNS = [
  { title: 'NODE' },
  { title: 'ID' },
  { title: 'WHAT IT DOES' },
  { title: 'ENDS IN', align: 'right' },
  { title: 'MESSAGES', align: 'right' },
] as const;

async function listFaults(shell: Shell, flags: FaultFlags): Promise<void> {
  const nodes = await faultsOf(shell, flags);
  const rows = nodes.flatMap(({ node, faults }) => faults.map((fault) => ({ node, ...fault })));
  if (flags.json) shell.out.json(rows);
  else if (rows.length === 0) shell.out.line('no faults are planted');
  else {
    const cells = rows.map((fault) => [
      ...[fault.node, fault.id, describeFault(fault)],
      ...[duration(Math.max(0, fault.until - Date.now())), String(fault.messages)],
    ]);
    shell.out.table(COLUMNS, cells);
  }
}

async function endFaults(shell: Shell, flags: FaultFlags, id: string | undefined): Promise<void> {
  const ended: { node: string; id: string }[] = [];
  for (const { client, node, faults } of await faultsOf(shell, flags)) {
    for (const fault of faults) {
      if (id !== undefined && fault.id !== id) continue;
      await client.delete<FaultStatus>(`/v1/faults/${fault.id}`, 'admin');
      ended.push({ node, id: fault.id });
    }
  }
  if (id !== undefined && ended.length === 0) throw usageError(`no node that answers has a fault ${id}.`);
  if (flags.json) shell.out.json(ended);
  else if (ended.length === 0) shell.out.line('no faults are planted');
  else for (const { node, id: which } of ended) shell.out.line(`${node}: fault ${which} is over`);
}
