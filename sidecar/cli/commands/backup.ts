/** `outrigger backup`: the state of a running cluster as one file, and what such a file is. */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { access, link, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Backup } from '../../recovery/backup-file.ts';
import { Client } from '../client.ts';
import { CliError, messageOf, systemCode, usageError } from '../errors.ts';
import { backupAt, backupFields, printBackup } from '../recovery/backup-words.ts';
import { download } from '../recovery/download.ts';
import type { Shell } from '../shell.ts';
import { askAll, chooseTargets, type TargetFlags, targetOptions } from '../targets.ts';

/** A large one takes its time. */
const SNAPSHOT_MS = 600_000;
/** A snapshot may have been begun before the backup was: then another one is asked for. */
const TRIES = 3;

const HELP = `
Has one node take a snapshot of its app now (a follower, where one has a healthy app), fetches it and checks every byte. It has
everything that was acknowledged before the backup began, the sessions and their replies: docs/recovery.md. The file is for its
owner only (0600), complete under its name or not there at all, and never written over another one without --force.

Examples:
  outrigger backup --out orders.backup
  outrigger backup --node n3 --out /backups/orders-1 --json
  outrigger backup --inspect orders.backup          what it is of, and whether it is whole
  outrigger restore orders.backup …                 a new cluster that begins with it`;

interface Flags extends TargetFlags {
  readonly out?: string;
  readonly inspect?: string;
  readonly force?: true;
  readonly json?: true;
}

export function addBackup(program: Command, shell: Shell): void {
  targetOptions(program.command('backup'))
    .description('write the state of a running cluster into one file')
    .option('--out <file>', 'where to')
    .option('--force', 'also over a file that is there')
    .option('--inspect <file>', 'in place of --out: check a backup, and say what it is of')
    .addHelpText('after', HELP)
    .action((flags: Flags) => run(shell, flags));
}

async function run(shell: Shell, flags: Flags): Promise<void> {
  if ((flags.out === undefined) === (flags.inspect === undefined))
    throw usageError('give --out FILE to make a backup, or --inspect FILE to look at one.');
  if (flags.inspect !== undefined) {
    say(shell, flags, await backupAt(flags.inspect));
    return;
  }
  const out = resolve(flags.out ?? '');
  if (flags.force === undefined && (await isThere(out)))
    throw usageError(`${out} is there already: choose another file, or give --force.`);
  const client = await chooseNode(flags, shell.env);
  const confirmed = await confirmedIndex(shell, client);
  const { index } = await takeSnapshot(client, confirmed ?? 0);
  const backup = await fetchInto(client, index, out, flags.force === true);
  say(shell, flags, backup, { confirmed: confirmed !== undefined });
}

function say(shell: Shell, flags: Flags, backup: Backup, more: object = {}): void {
  if (flags.json) shell.out.json({ ...backupFields(backup), ...more });
  else printBackup(shell, backup);
}

/** The one that was named, or the first follower with a healthy app, or else the leader. */
async function chooseNode(flags: TargetFlags, env: NodeJS.ProcessEnv): Promise<Client> {
  const targets = await chooseTargets(flags, env);
  const [only] = targets;
  if (only !== undefined && targets.length === 1) return new Client(only);
  const answers = await askAll(targets);
  const able = answers.filter(({ status }) => status?.app.state === 'CONNECTED');
  const chosen =
    able.find(({ status }) => status?.role === 'FOLLOWER') ??
    able.find(({ status }) => status?.role === 'LEADER') ??
    able[0];
  if (chosen !== undefined) return chosen.client;
  const why = answers.map((answer) =>
    answer.status === undefined
      ? answer.reason
      : `${answer.client.target.name}: its app is ${answer.status.app.state}.`,
  );
  throw new CliError(`no node here has an app that could give its state. ${why.join(' ')}`);
}

/** Everything acknowledged so far is at this index or before, and this node's app has it. Undefined where no leader says so. */
async function confirmedIndex(shell: Shell, client: Client): Promise<number | undefined> {
  try {
    const asked = { consistency: 'LINEARIZABLE' };
    return (await client.post<{ index: number }>('/v1/read', 'write', asked)).index;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const { name } = client.target;
    shell.err.line(
      `outrigger: no leader confirms that ${name} has everything, so what was acknowledged last may be missing. ${error.message}`,
    );
    return undefined;
  }
}

async function takeSnapshot(client: Client, least: number): Promise<{ index: number }> {
  for (let tries = 0; tries < TRIES; tries++) {
    const taken = await client.post<{ index: number }>('/v1/snapshot', 'admin', {}, SNAPSHOT_MS);
    if (taken.index >= least) return taken;
  }
  throw new CliError(`${client.target.name} gives older snapshots than was asked for (entry ${least}).`);
}

/** Under another name first: what bears the name is whole, and on the disk. */
async function fetchInto(client: Client, index: number, out: string, force: boolean): Promise<Backup> {
  const partial = `${out}.${process.pid}.partial`;
  try {
    const file = await open(partial, 'wx', 0o600);
    let digest: string;
    try {
      digest = await download(client, index, file);
      await file.sync();
    } finally {
      await file.close();
    }
    const backup = await backupAt(partial);
    if (backup.digest !== digest || backup.meta.point.index !== index)
      throw new CliError(`what ${client.target.name} sent is not the snapshot that it named.`);
    await giveName(partial, out, force);
    return { ...backup, path: out };
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`the backup cannot be written: ${messageOf(error)}.`);
  } finally {
    await rm(partial, { force: true });
  }
}

async function giveName(partial: string, out: string, force: boolean): Promise<void> {
  if (force) await rename(partial, out);
  else await link(partial, out).catch((error: unknown) => withoutLinks(error, partial, out));
  if (process.platform === 'win32') return; // Windows cannot sync a folder.
  const folder = openSync(dirname(out), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** A link never replaces what came meanwhile; some file systems have none. */
async function withoutLinks(error: unknown, partial: string, out: string): Promise<void> {
  if (systemCode(error) === 'EEXIST' || (await isThere(out)))
    throw usageError(`${out} is there already: choose another file, or give --force.`);
  await rename(partial, out);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw new CliError(`${path} cannot be looked at: ${messageOf(error)}.`);
  }
}
