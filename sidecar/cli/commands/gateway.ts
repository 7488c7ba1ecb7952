/** `outrigger gateway`: a gateway in the foreground. */
import { type Command, Option } from 'commander';
import { CliError, ExitCode, messageOf } from '../errors.ts';
import { type GatewayFlags, loadGatewayConfig } from '../gateway-config.ts';
import type { Shell } from '../shell.ts';
import { stopSignals } from '../stop-signals.ts';

const HELP = `
Clients speak to a gateway as to a sidecar (propose, read, sessions; no state machine). It has no log and no vote: it
finds the leader, sends on what it is asked, and keeps the crowd away from the replicas.
Without --replicas it finds the sidecars of this machine by themselves, also those that start later.

Ctrl-C or SIGTERM stops it in order: what is open is answered, then it says goodbye. A second one ends it at once.
Exit codes: 0 stopped, 1 failed, 2 bad configuration.

Examples:
  outrigger gateway --app-socket /run/user/1000/gateway/app.sock
  outrigger gateway --cluster orders --replicas n1=unix:/srv/n1/app.sock,n2=tcp://127.0.0.1:7001 \\
    --token-file n2=/srv/n2/tokens.json --app-socket /srv/gateway/app.sock --http-listen 127.0.0.1:8080`;

type Flags = GatewayFlags & { readonly json?: true; readonly exitWithParent?: true };

export function addGateway(program: Command, shell: Shell): void {
  program
    .command('gateway')
    .description('serve clients of machines that run no replica')
    .option('--id <id>', 'name of this gateway (default: gateway)')
    .option('--cluster <name>', 'name of the cluster (default: the only one of this machine)')
    .option('--replicas <list>', 'n1=unix:PATH,n2=tcp://127.0.0.1:PORT,… (default: those of this machine)')
    .option('--token-file <file>', 'token file of the replicas on TCP: one for all, or n1=FILE,n2=FILE,…')
    .option('--app-socket <path>', 'socket for clients: a path, or tcp://127.0.0.1:PORT')
    .option(
      '--http-listen <host:port>',
      'where HTTP is served; port 0 takes a free one (default: 127.0.0.1:0)',
    )
    .option('--http-tls-cert <file>', 'PEM: certificate for HTTP, which is HTTPS then (docs/tls.md)')
    .option('--http-tls-key <file>', 'PEM: its key')
    .option(
      '--client-token-file <file>',
      'tokens that clients show; made when not there (default: beside --app-socket)',
    )
    .addOption(
      new Option('--log-level <level>', 'debug, info, warn or error (default: info)').choices([
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
    .option('--json', 'print what was bound as one line of JSON')
    .addOption(new Option('--exit-with-parent', 'stop when standard input closes').hideHelp())
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      process.exitCode = await run(shell, flags);
    });
}

async function run(shell: Shell, { json, exitWithParent, ...flags }: Flags): Promise<number> {
  const options = await loadGatewayConfig(flags, shell.env);
  const signals = stopSignals();
  if (exitWithParent) shell.stdin.on('end', signals.stop).on('error', signals.stop).resume();
  const { startGateway } = await import('../../gateway/gateway.ts');
  const gateway = await startGateway(options).catch((error: unknown) => {
    // Files that cannot work are a mistake of the configuration, as they are of `run`.
    const isUsage = error instanceof Error && error.name === 'CertificateError';
    throw new CliError(messageOf(error), isUsage ? ExitCode.USAGE : ExitCode.FAILED);
  });
  const { http, appSocket } = gateway;
  if (json)
    shell.out.json({ gateway: options.id, cluster: options.cluster, http, appSocket, pid: process.pid });
  else {
    shell.out.line(`${options.id} of ${options.cluster} runs (pid ${process.pid}):`);
    shell.out.line(`  http        ${http}`);
    shell.out.line(`  app socket  ${appSocket}`);
    shell.out.line(`  tokens      ${options.tokenFile}`);
  }
  await signals.first;
  await gateway.stop();
  signals.release();
  return ExitCode.DONE;
}
