/** `outrigger restore`: data folders of a new cluster that begins with a backup. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import { plural } from '../../../shared/wording.ts';
import { formatAddress, type Member, NAME_RULE, parseMembers } from '../address.ts';
import { messageOf, usageError } from '../errors.ts';
import { backupAt, backupFields } from '../recovery/backup-words.ts';
import { loadRestore, onFolders } from '../recovery/load.ts';
import type { Shell } from '../shell.ts';

const HELP = `
Works without any running node. Each node of the new cluster gets a folder of its own, from the same backup and with the same
--members: run it on each machine with --data and --id, or once with --all. Then start the nodes as always, with apps that have no
state: each app is given the state of the backup. Sessions and their replies are kept, so clients may try again what they did.

The new cluster needs a new name, so that nodes of the old one that may still be somewhere are strangers to it (and, with TLS,
certificates of that name). --same-cluster keeps the name: only where no node and no folder of the old cluster is left. docs/recovery.md

Examples:
  outrigger restore orders.backup --cluster orders-2 --members n1=10.0.0.1:7001,n2=10.0.0.2:7001,n3=10.0.0.3:7001 \\
    --id n1 --data /var/lib/orders/n1
  outrigger restore orders.backup --cluster orders-2 --members n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003 --all data`;

interface Flags {
  readonly cluster: string;
  readonly members: string;
  readonly id?: string;
  readonly data?: string;
  readonly all?: string;
  readonly sameCluster?: true;
  readonly json?: true;
}

export function addRestore(program: Command, shell: Shell): void {
  program
    .command('restore')
    .description('begin a new cluster with a backup')
    .argument('<file>', 'the backup')
    .requiredOption('--cluster <name>', 'name of the new cluster')
    .requiredOption('--members <list>', 'all nodes of the new cluster: n1=HOST:PORT,n2=HOST:PORT,…')
    .option('--id <id>', 'the node whose folder is made')
    .option('--data <folder>', 'its data folder: empty, or not there yet')
    .option('--all <folder>', 'in place of --id and --data: makes FOLDER/ID for every node')
    .option('--same-cluster', 'keep the name of the old cluster: only where nothing of it is left')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action((file: string, flags: Flags) => run(shell, file, flags));
}

async function run(shell: Shell, file: string, flags: Flags): Promise<void> {
  const { cluster } = flags;
  if (!NAME_PATTERN.test(cluster)) throw usageError(`--cluster ${NAME_RULE}.`);
  const members = membersOf(flags.members);
  const folders = foldersOf(flags, members);
  const backup = await backupAt(file);
  const old = backup.meta.cluster;
  if (cluster === old && flags.sameCluster === undefined)
    throw usageError(
      `the backup is of the cluster ${old}: give the new one another name, or --same-cluster where no node and no folder of the old one is left.`,
    );
  const { refuseUsedFolder, restoreInto } = await loadRestore();
  const book = members.map((member) => ({ id: member.id, peer: formatAddress(member) }));
  const membership = { voters: members.map(({ id }) => id), outgoing: [], learners: [], book };
  await onFolders(async () => {
    for (const { data } of folders) await refuseUsedFolder(data);
    for (const { node, data } of folders) await restoreInto(data, backup, { cluster, node }, membership);
  });
  const { out } = shell;
  if (flags.json) {
    out.json({ cluster, members: book, folders, backup: backupFields(backup) });
    return;
  }
  const { index, term } = backup.meta.point;
  out.line(
    `${plural(folders.length, 'folder')} of the new cluster ${cluster}, as of entry ${index} of term ${term} of ${old}:`,
  );
  for (const { node, data } of folders)
    out.line(`  outrigger run --id ${node} --cluster ${cluster} --data ${data} --members ${flags.members}`);
}

function membersOf(text: string): Member[] {
  try {
    return parseMembers(text);
  } catch (error) {
    throw usageError(`--members ${messageOf(error)}.`);
  }
}

interface Folder {
  readonly node: string;
  readonly data: string;
}

function foldersOf({ id, data, all }: Flags, members: readonly Member[]): Folder[] {
  if (all !== undefined) {
    if (id !== undefined || data !== undefined) throw usageError('--all goes without --id and --data.');
    return members.map((member) => ({ node: member.id, data: resolve(join(all, member.id)) }));
  }
  if (id === undefined || data === undefined)
    throw usageError('give --id and --data for one node, or --all FOLDER for all of them.');
  if (!members.some((member) => member.id === id)) throw usageError(`--members must list ${id}.`);
  return [{ node: id, data: resolve(data) }];
}
