/** `outrigger certs`: a CA and certificates, for development and for clusters without a PKI of their own. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { NAME_PATTERN } from '../../../shared/names.ts';
import { NAME_RULE } from '../address.ts';
import { usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';

const HELP = `
The certificate of a node names its cluster and its id, and both are checked on every connection (docs/tls.md).
The key of the CA can make nodes: keep the folder off the machines of the cluster. Nothing is ever overwritten.

Examples:
  outrigger certs ca --dir certs --cluster orders
  outrigger certs node --dir certs --id n1 --host 10.0.0.1,n1.example.org
  outrigger run … --tls-ca certs/ca.crt --tls-cert certs/n1.crt --tls-key certs/n1.key`;

const CA_DAYS = 3_650;
const NODE_DAYS = 90;
/** Names that a node always has: the command line on its own machine talks to them. */
const LOCAL = ['localhost', '127.0.0.1', '::1'];
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$/;

interface CaFlags {
  readonly dir?: string;
  readonly cluster?: string;
  readonly days?: string;
  readonly json?: true;
}

interface NodeFlags extends Omit<CaFlags, 'cluster'> {
  readonly id?: string;
  readonly host?: string;
  readonly out?: string;
}

export function addCerts(program: Command, shell: Shell): void {
  const certs = program
    .command('certs')
    .description('make a CA, and certificates of nodes')
    .helpCommand(false)
    .addHelpText('after', HELP);
  certs
    .command('ca')
    .description('make the CA of a cluster: ca.crt and ca.key')
    .option('--dir <folder>', 'where; made when it is not there')
    .option('--cluster <name>', 'name of the cluster')
    .option('--days <days>', `for how long (default: ${CA_DAYS})`)
    .option('--json', 'print JSON')
    .action((flags: CaFlags) => makeCa(shell, flags));
  certs
    .command('node')
    .description('make the certificate of one node: ID.crt and ID.key')
    .option('--dir <folder>', 'where the CA is')
    .option('--id <id>', 'name of the node')
    .option('--host <list>', `names and addresses for HTTP clients, besides ${LOCAL.join(', ')}`)
    .option('--days <days>', `for how long (default: ${NODE_DAYS})`)
    .option('--out <folder>', 'where to (default: the folder of the CA)')
    .option('--json', 'print JSON')
    .action((flags: NodeFlags) => makeNode(shell, flags));
}

async function makeCa(shell: Shell, flags: CaFlags): Promise<void> {
  const dir = folder('--dir', flags.dir);
  const cluster = name('--cluster', flags.cluster);
  const days = wholeDays(flags.days, CA_DAYS);
  // Loaded by those alone who make certificates.
  const { createCa } = await import('../certs/folder.ts');
  const paths = await createCa(dir, cluster, days);
  if (flags.json) shell.out.json({ cluster, ...paths });
  else {
    shell.out.line(`CA of ${cluster}, for ${days} days:`);
    shell.out.line(`  certificate  ${paths.cert} (give it to every node and client: --tls-ca, --ca)`);
    shell.out.line(`  key          ${paths.key} (keep it to yourself: whoever has it can be any node)`);
  }
}

async function makeNode(shell: Shell, flags: NodeFlags): Promise<void> {
  const dir = folder('--dir', flags.dir);
  const id = name('--id', flags.id);
  const days = wholeDays(flags.days, NODE_DAYS);
  const hosts = [...new Set([...LOCAL, ...hostsOf(flags.host)])];
  const { createNode } = await import('../certs/folder.ts');
  const out = flags.out === undefined ? dir : folder('--out', flags.out);
  const { cert, key, cluster, notAfter } = await createNode(dir, out, id, hosts, days);
  const until = notAfter.toISOString();
  if (flags.json) shell.out.json({ cluster, node: id, hosts, cert, key, notAfter: until });
  else {
    shell.out.line(`${id} of ${cluster}, until ${until}, for HTTP at ${hosts.join(', ')}:`);
    shell.out.line(`  certificate  ${cert}`);
    shell.out.line(`  key          ${key}`);
  }
}

function folder(flag: string, given: string | undefined): string {
  if (given === undefined || given === '') throw usageError(`missing ${flag}: a folder.`);
  return resolve(given);
}

function name(flag: string, given: string | undefined): string {
  if (given === undefined) throw usageError(`missing ${flag}: a name.`);
  if (!NAME_PATTERN.test(given)) throw usageError(`${flag} ${NAME_RULE}.`);
  // It would be the name of the CA's own files.
  if (flag === '--id' && given.toLowerCase() === 'ca')
    throw usageError('--id cannot be "ca": those files are of the CA.');
  return given;
}

function wholeDays(given: string | undefined, usual: number): number {
  if (given === undefined) return usual;
  const days = Number(given);
  if (!/^\d+$/.test(given) || days < 1 || days > 36_500) {
    throw usageError(`--days must be a whole number from 1 to 36500, not "${given}".`);
  }
  return days;
}

function hostsOf(given: string | undefined): string[] {
  if (given === undefined) return [];
  return given.split(',').map((part) => {
    const host = part
      .trim()
      .toLowerCase()
      .replace(/^\[(.*)\]$/, '$1');
    if (isIP(host) !== 0 || HOST_NAME.test(host)) return host;
    throw usageError(
      `--host must be names and IP addresses without ports, n1.example.org,10.0.0.1,…, but has "${part.trim()}".`,
    );
  });
}
