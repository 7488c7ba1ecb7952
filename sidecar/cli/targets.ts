/**
 * Which sidecars a command talks to: those of the endpoint files of this user, or the one that was named.
 *
 * With exactly one cluster running no flags are needed. MUST NOT guess between several: it lists them (exit code 2).
 */
import type { Command } from 'commander';
import { endpointRoot, listEndpoints } from '../../shared/endpoint-files.ts';
import type { EndpointFile, NodeStatus } from '../../shared/inspect.ts';
import { Client, type Target } from './client.ts';
import { CliError, usageError } from './errors.ts';

export interface TargetFlags {
  readonly cluster?: string;
  readonly node?: string;
  readonly http?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
}

/** The flags that choose. Every data command has them. */
export function targetOptions(command: Command): Command {
  return command
    .option('--cluster <name>', 'the cluster, where several run on this machine (or OUTRIGGER_CLUSTER)')
    .option('--node <id>', 'the node to ask')
    .option('--http <url>', 'a sidecar by its HTTP address, instead of one found on this machine')
    .option('--token-file <file>', 'its token file, with --http')
    .option('--ca <file>', 'PEM: the CA of its certificate, with an https:// URL in --http')
    .option('--json', 'print JSON');
}

/** The sidecars that were chosen, at least one, in order of node id. Throws CliError. */
export async function chooseTargets(flags: TargetFlags, env: NodeJS.ProcessEnv): Promise<Target[]> {
  if (flags.http !== undefined) return [namedTarget(flags.http, flags)];
  if (flags.tokenFile !== undefined) throw usageError('--token-file goes with --http URL.');
  if (flags.ca !== undefined) throw usageError('--ca goes with --http URL.');
  const cluster = flags.cluster ?? (env['OUTRIGGER_CLUSTER'] || undefined);
  const { endpoints, skipped } = await listEndpoints(endpointRoot(env));
  if (endpoints.length === 0) {
    const [first] = skipped;
    const seen = first === undefined ? '' : ` ${first.path} does not count: ${first.reason}.`;
    throw new CliError(`no sidecar of this user runs on this machine (\`outrigger run\` starts one).${seen}`);
  }
  return narrow(endpoints, cluster, flags.node)
    .sort((a, b) => a.node.localeCompare(b.node, 'en', { numeric: true }))
    .map(({ cluster: of, node, http, tokenFile, ca }) => ({
      ...{ name: node, http, tokenFile },
      trust: { ca, node: { cluster: of, node } },
    }));
}

function namedTarget(url: string, flags: TargetFlags): Target {
  if (flags.cluster !== undefined || flags.node !== undefined) {
    throw usageError('--http already names one sidecar: leave out --cluster and --node.');
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw usageError(`--http must be a URL such as http://127.0.0.1:8001, not "${url}".`);
  }
  return { name: url, http: url, tokenFile: flags.tokenFile, trust: { ca: flags.ca } };
}

/** Picks by cluster and node. Exported for tests. */
export function narrow(
  running: readonly EndpointFile[],
  cluster: string | undefined,
  node: string | undefined,
): EndpointFile[] {
  const clusters = [...new Set(running.map((endpoint) => endpoint.cluster))].sort();
  if (cluster !== undefined && !clusters.includes(cluster)) {
    throw usageError(`no cluster called ${cluster} runs here; there is ${clusters.join(', ')}.`);
  }
  if (cluster === undefined && clusters.length > 1) {
    throw usageError(`several clusters run here, choose one with --cluster: ${clusters.join(', ')}.`);
  }
  const inCluster = running.filter((endpoint) => endpoint.cluster === (cluster ?? clusters[0]));
  if (node === undefined) return inCluster;
  const chosen = inCluster.filter((endpoint) => endpoint.node === node);
  if (chosen.length === 0) {
    const nodes = inCluster.map((endpoint) => endpoint.node).join(', ');
    throw usageError(`no node called ${node} of ${inCluster[0]?.cluster} runs here; there is ${nodes}.`);
  }
  return chosen;
}

export type StatusAnswer =
  | { readonly client: Client; readonly status: NodeStatus }
  | { readonly client: Client; readonly status: undefined; readonly reason: string };

/** Asks all of them at once how they are. One that does not answer says why. */
export function askAll(targets: readonly Target[]): Promise<StatusAnswer[]> {
  return Promise.all(
    targets.map(async (target): Promise<StatusAnswer> => {
      const client = new Client(target);
      try {
        return { client, status: await client.status() };
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        return { client, status: undefined, reason: error.message };
      }
    }),
  );
}

/** One sidecar that answers: the leader where `prefer` is 'leader' and one is known, else the first. Throws CliError. */
export async function chooseOne(
  flags: TargetFlags,
  env: NodeJS.ProcessEnv,
  prefer: 'any' | 'leader' = 'any',
): Promise<Client> {
  const targets = await chooseTargets(flags, env);
  const [first] = targets;
  if (targets.length === 1 && first !== undefined) return new Client(first);
  const answers = await askAll(targets);
  const working = answers.filter((answer) => answer.status !== undefined);
  const leaders = working
    .filter(({ status }) => status?.role === 'LEADER')
    .sort((a, b) => (b.status?.term ?? 0) - (a.status?.term ?? 0));
  const chosen = (prefer === 'leader' ? leaders[0] : undefined) ?? working[0];
  if (chosen !== undefined) return chosen.client;
  throw new CliError(answers.map((answer) => (answer.status ? '' : answer.reason)).join(' '));
}
