/** What a backup is of, for people and for programs. */
import { byteSize, list, plural } from '../../../shared/wording.ts';
import { type Backup, BackupError, readBackup } from '../../recovery/backup-file.ts';
import { CliError, messageOf, systemCode, usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';

/** Reads a backup, all of it. Throws CliError: exit code 2 where there is no such file, 1 where it is no (whole) backup. */
export async function backupAt(path: string): Promise<Backup> {
  try {
    return await readBackup(path);
  } catch (error) {
    if (error instanceof BackupError) throw new CliError(`${error.message}.`);
    const why = systemCode(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw usageError(`the backup ${path} cannot be read: ${why}.`);
  }
}

/** As JSON says it. */
export function backupFields({ path, meta, digest, bytes, sessions }: Backup) {
  const { cluster, node, point, config, app, appFormat } = meta;
  const { voters, learners } = config.membership;
  return {
    ...{ file: path, cluster, node, index: point.index, term: point.term, time: point.time },
    ...{ bytes, appBytes: app.bytes, appFormat, sessions, voters, learners, digest },
  };
}

export function printBackup({ out }: Shell, backup: Backup): void {
  const { cluster, node, point, config, app, appFormat } = backup.meta;
  const { voters, learners } = config.membership;
  const learn =
    learners.length === 0 ? '' : `; ${list(learners)} only ${learners.length === 1 ? 'learns' : 'learn'}`;
  out.table(
    [{ title: backup.path }, { title: '' }],
    [
      ['of', `cluster ${cluster}, by node ${node}`],
      [
        'up to',
        `entry ${point.index} of term ${point.term}, cluster time ${new Date(point.time).toISOString()}`,
      ],
      ['voters', `${list(voters)}${learn}`],
      ['state', `${byteSize(app.bytes)} in the app's format ${JSON.stringify(appFormat)}`],
      ['sessions', plural(backup.sessions, 'open session')],
      ['file', `${byteSize(backup.bytes)}, every byte checked`],
      ['digest', backup.digest],
    ],
  );
}
