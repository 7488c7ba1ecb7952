/** `outrigger recover`: a cluster whose majority is lost for good goes on as a new one, from one survivor's folder. Offline. */
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import { list } from '../../../shared/wording.ts';
import { type Comparison, isAsGood } from '../../recovery/compare.ts';
import type { Opened } from '../../recovery/recover.ts';
import { formatAddress, type Member, NAME_RULE, parseMembers } from '../address.ts';
import { CliError, messageOf, usageError } from '../errors.ts';
import { loadRecover, onFolders } from '../recovery/load.ts';
import { lossesOf, nextName, printSurvivors } from '../recovery/recover-words.ts';
import type { Shell } from '../shell.ts';

const HELP = `
Only when more than half of the voters are lost for good: else start those that are left, and replace the others (\`outrigger replace\`).
Give the data folder of every survivor; their nodes must be stopped. Without --as it looks, and says what each folder has, which is
the most up to date, and what may be lost. With --as it asks, and then makes that survivor the only voter of a new cluster; the others
join it with empty folders. docs/recovery.md says what is never safe.

The new cluster gets a new name, so that lost nodes that come back are strangers to it (with TLS, it needs certificates of that name).

Examples:
  outrigger recover --data /var/lib/orders/n1 --data /mnt/n2/orders/n2
  outrigger recover --data /var/lib/orders/n1 --data /mnt/n2/orders/n2 --as n1=10.0.0.1:7001 --cluster orders-2`;

interface Flags {
  readonly data: readonly string[];
  readonly as?: string;
  readonly cluster?: string;
  readonly keepCluster?: true;
  readonly yes?: true;
  readonly force?: true;
  readonly json?: true;
}

export function addRecover(program: Command, shell: Shell): void {
  program
    .command('recover')
    .description('go on with one survivor where the majority is lost for good')
    .requiredOption(
      '--data <folder>',
      'data folder of a survivor; give all of them, one --data each',
      (folder: string, before: readonly string[] | undefined) => [...(before ?? []), folder],
    )
    .option('--as <id=host:port>', 'the survivor that goes on, and where other sidecars reach it from now on')
    .option('--cluster <name>', 'name of the new cluster')
    .option(
      '--keep-cluster',
      'keep the name. DANGER: a lost node that comes back serves clients under the same name',
    )
    .option('--yes', 'do not ask')
    .option(
      '--force',
      'although another survivor has more, or although those that are here could elect a leader',
    )
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action((flags: Flags) => run(shell, flags));
}

async function run(shell: Shell, flags: Flags): Promise<void> {
  const as = flags.as === undefined ? undefined : memberOf(flags.as);
  checkFlags(flags, as);
  const folders = [...new Set(flags.data.map((folder) => resolve(folder)))];
  const { openSurvivors, closeSurvivors, compareOpened, takeOver } = await loadRecover();
  await onFolders(async () => {
    const opened = await openSurvivors(folders);
    try {
      const comparison = await compareOpened(opened);
      const chosen = as === undefined ? undefined : chosenOf(opened, as.id);
      const report = reportOf(comparison, opened, (chosen ?? bestOf(opened, comparison)).survivor);
      if (!flags.json) say(shell, report, comparison, opened);
      if (as === undefined || chosen === undefined) {
        if (flags.json) shell.out.json({ ...report, done: false });
        else suggest(shell, folders, comparison);
        return;
      }
      const cluster = clusterOf(flags, chosen);
      refuseUnwise(flags, comparison, chosen);
      if (flags.yes === undefined) await confirm(shell, as.id, cluster);
      const { index, term } = await takeOver(opened, chosen, { cluster, node: as.id }, formatAddress(as));
      if (flags.json) shell.out.json({ ...report, done: true, node: as.id, cluster, index, term });
      else explainNext(shell, chosen.survivor.folder, as, cluster, folders);
    } finally {
      await closeSurvivors(opened);
    }
  });
}

function memberOf(text: string): Member {
  try {
    const [member, ...more] = parseMembers(text);
    if (member !== undefined && more.length === 0) return member;
  } catch (error) {
    throw usageError(`--as ${messageOf(error)}.`);
  }
  throw usageError('--as names one node: ID=HOST:PORT.');
}

function checkFlags({ cluster, keepCluster }: Flags, as: Member | undefined): void {
  if (cluster !== undefined && !NAME_PATTERN.test(cluster)) throw usageError(`--cluster ${NAME_RULE}.`);
  if (cluster !== undefined && keepCluster)
    throw usageError('--cluster and --keep-cluster exclude each other.');
  if (as === undefined && (cluster !== undefined || keepCluster))
    throw usageError('--cluster and --keep-cluster go with --as ID=HOST:PORT.');
}

/** The folder of that node; a folder that does not know whose it is counts where it is the only one. */
function chosenOf(opened: readonly Opened[], id: string): Opened {
  const [only] = opened;
  const found = opened.find(({ survivor }) => survivor.node === id);
  if (found !== undefined) return found;
  if (only !== undefined && opened.length === 1 && only.survivor.node === '') return only;
  const nodes = opened.map(({ survivor }) => `${survivor.node || 'an unknown node'} (${survivor.folder})`);
  throw usageError(`no folder of ${id} was given, but of ${list(nodes)}.`);
}

function bestOf(opened: readonly Opened[], { best }: Comparison): Opened {
  return opened.find(({ survivor }) => survivor.folder === best.folder) as Opened;
}

function clusterOf({ cluster, keepCluster }: Flags, { survivor, resumes }: Opened): string {
  const old = survivor.cluster;
  if (keepCluster) {
    if (old === '') throw usageError(`${survivor.folder} does not know its cluster: give --cluster NAME.`);
    return old;
  }
  const suggested = old === '' ? 'NAME' : nextName(old);
  if (cluster === undefined)
    throw usageError(`give the new cluster a name of its own, such as --cluster ${suggested}.`);
  if (cluster === old && !resumes)
    throw usageError(
      `${old} is the name of the old cluster: give another one, such as --cluster ${suggested}.`,
    );
  return cluster;
}

function refuseUnwise({ force }: Flags, comparison: Comparison, { survivor, resumes }: Opened): void {
  if (survivor.lastIndex === 0)
    throw usageError(`the log in ${survivor.folder} is empty: there is nothing to go on with.`);
  if (force || resumes) return;
  if (comparison.quorum)
    throw usageError(
      `${list(comparison.present)} are a majority of the voters: start them, and nothing is lost. (--force goes on all the same.)`,
    );
  const { best } = comparison;
  if (!isAsGood(survivor, comparison))
    throw usageError(
      `${best.node || best.folder} has more than ${survivor.node || survivor.folder}: give --as ${best.node || 'ID'}=HOST:PORT. (--force goes on all the same, and loses it.)`,
    );
}

async function confirm({ stdin, err }: Shell, node: string, cluster: string): Promise<void> {
  if (!('isTTY' in stdin) || stdin.isTTY !== true)
    throw new CliError('not confirmed, and nothing was changed: give --yes, or run it on a terminal.');
  err.line(`This cannot be undone. Type ${cluster} to make ${node} the only voter of it:`);
  const lines = createInterface({ input: stdin });
  const answer = await new Promise<string>((done) => {
    lines.once('line', done);
    lines.once('close', () => done(''));
  });
  lines.close();
  if (answer.trim() !== cluster) throw new CliError('not confirmed, and nothing was changed.');
}

function reportOf(comparison: Comparison, opened: readonly Opened[], chosen: Opened['survivor']) {
  const { best, beside, lost, present, quorum, committed, uncertain, missing } = comparison;
  return {
    survivors: opened.map(({ survivor: { runs: _runs, membership, ...rest } }) => ({
      ...{ ...rest, voters: membership.voters, learners: membership.learners },
      damage: rest.damage ?? null,
    })),
    ...{ best: best.node || best.folder, beside, lost, present, quorum, committed },
    ...{ uncertain: uncertain ?? null, missing: missing ?? null },
    mayBeLost: lossesOf(comparison, chosen),
  };
}

function say(
  { out }: Shell,
  report: ReturnType<typeof reportOf>,
  comparison: Comparison,
  opened: readonly Opened[],
): void {
  printSurvivors(
    out,
    comparison,
    opened.map(({ survivor }) => survivor),
  );
  out.line();
  const { voters } = comparison.best.membership;
  out.line(`Voters: ${list(voters)}. Not here: ${list(report.lost) || 'none of them'}.`);
  for (const sentence of report.mayBeLost) out.line(`- ${sentence}`);
}

function suggest({ out }: Shell, folders: readonly string[], { best, quorum, present }: Comparison): void {
  out.line();
  if (quorum) {
    out.line(`${list(present)} are a majority: start them, and nothing is lost. Nothing was changed.`);
    return;
  }
  const data = folders.map((folder) => `--data ${folder}`).join(' ');
  const cluster = best.cluster === '' ? 'NAME' : nextName(best.cluster);
  out.line('Nothing was changed. To go on with what is here:');
  out.line(`  outrigger recover ${data} --as ${best.node || 'ID'}=HOST:PORT --cluster ${cluster}`);
}

function explainNext(
  { out }: Shell,
  data: string,
  as: Member,
  cluster: string,
  folders: readonly string[],
): void {
  const peer = formatAddress(as);
  out.line();
  out.line(`${as.id} is the only voter of ${cluster} now. Start it, and then the others with empty folders:`);
  out.line(`  outrigger run --id ${as.id} --cluster ${cluster} --data ${data} --members ${as.id}=${peer}`);
  out.line(
    `  outrigger run --id ID --cluster ${cluster} --data EMPTY-FOLDER --peer-listen HOST:PORT --join URL-OF-${as.id}`,
  );
  const rest = folders.filter((folder) => folder !== data);
  if (rest.length > 0) out.line(`Never start a node with ${list(rest)} again.`);
}
