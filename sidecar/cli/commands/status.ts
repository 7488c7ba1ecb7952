/** `outrigger status`: every node of the cluster in one table. */
import type { Command } from 'commander';
import { conditionOf } from '../../../shared/app-conditions.ts';
import type { NodeStatus } from '../../../shared/inspect.ts';
import { CliError } from '../errors.ts';
import type { Shell } from '../shell.ts';
import { askAll, chooseTargets, type StatusAnswer, type TargetFlags, targetOptions } from '../targets.ts';
import { type Cell, type Colors, harmless } from '../terminal.ts';

const COLUMNS = [
  { title: 'NODE' },
  { title: 'ROLE' },
  { title: 'TERM', align: 'right' },
  { title: 'LEADER' },
  { title: 'COMMIT', align: 'right' },
  { title: 'APPLIED', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'APP' },
  { title: 'HTTP' },
] as const;

const HELP = `
LAG counts the entries that the leader has committed and this node's app has not applied yet.

Examples:
  outrigger status
  outrigger status --cluster orders --node n2
  outrigger status --json | jq '.[] | {node, role, commitIndex}'`;

export function addStatus(program: Command, shell: Shell): void {
  targetOptions(program.command('status'))
    .description('show every node: role, term, leader, commit, applied, lag, app')
    .addHelpText('after', HELP)
    .action(async (flags: TargetFlags & { json?: true }) => {
      const answers = await askAll(await chooseTargets(flags, shell.env));
      if (flags.json) shell.out.json(answers.map(jsonOf));
      else print(shell, answers);
      if (answers.every((answer) => answer.status === undefined)) {
        throw new CliError('no node answered.');
      }
    });
}

function jsonOf(answer: StatusAnswer): unknown {
  return answer.status ?? { node: answer.client.target.name, unreachable: answer.reason };
}

function print({ out }: Shell, answers: readonly StatusAnswer[]): void {
  const found = answers.flatMap((answer) => answer.status ?? []);
  const [first] = found;
  if (first !== undefined) out.line(out.colors.dim(`cluster ${harmless(first.cluster)}`));
  const commit = Math.max(0, ...found.map((status) => status.commitIndex));
  const rows = answers.map((answer) =>
    answer.status === undefined
      ? [answer.client.target.name, { text: 'unreachable', paint: out.colors.red }]
      : row(answer.status, commit, answer.client.target.http, out.colors),
  );
  out.table(COLUMNS, rows);
  for (const answer of answers) {
    if (answer.status === undefined) out.line(out.colors.red(harmless(answer.reason)));
    else for (const remark of remarks(answer.status)) out.line(out.colors.yellow(harmless(remark)));
  }
}

function row(status: NodeStatus, commit: number, http: string, colors: Colors): Cell[] {
  const lag = Math.max(0, commit - status.appliedIndex);
  return [
    status.node,
    { text: status.role, paint: status.role === 'LEADER' ? colors.green : (text) => text },
    status.term,
    status.leader ?? '-',
    status.commitIndex,
    status.appliedIndex,
    { text: lag, paint: lag === 0 ? (text) => text : colors.yellow },
    { text: status.app.condition ?? status.app.state, paint: stateColor(status, colors) },
    http,
  ];
}

function stateColor({ app }: NodeStatus, colors: Colors): (text: string) => string {
  return app.state === 'CONNECTED' ? (text) => text : colors.yellow;
}

/** Every state that is not healthy says why. */
function remarks(status: NodeStatus): string[] {
  const found: string[] = [];
  const condition = conditionOf(status.app);
  if (condition !== 'HEALTHY') found.push(`${status.node}: app ${condition}: ${status.app.reason}`);
  for (const { reason } of status.divergence ?? []) found.push(`${status.node}: ${reason}`);
  if (status.store.state !== 'OK')
    found.push(`${status.node}: store ${status.store.state}: ${status.store.reason}`);
  else if (!status.store.whole) found.push(`${status.node}: log not proven whole: ${status.store.reason}`);
  for (const { use, state, notAfter, reason } of status.certificates ?? []) {
    const end = new Date(notAfter);
    const until = Number.isNaN(end.getTime()) ? 'not known' : end.toISOString();
    if (state !== 'VALID') found.push(`${status.node}: certificate for ${use} ${state}, its end is ${until}`);
    if (reason !== '') found.push(`${status.node}: certificate for ${use} not renewed: ${reason}`);
  }
  return found;
}
