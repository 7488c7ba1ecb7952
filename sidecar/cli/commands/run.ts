/** `outrigger run`: one sidecar in the foreground. */
import { type Command, Option } from 'commander';
import { loadConfig, type SettingName } from '../config.ts';
import { CliError, ExitCode, messageOf } from '../errors.ts';
import { type Asked, fetchFrom } from '../secure-fetch.ts';
import { type Shell, startWords } from '../shell.ts';
import { stopSignals } from '../stop-signals.ts';
import { RUN_NEWS } from './run-news.ts';

const HELP = `
Every flag can also come from the environment or from a JSON file: --peer-listen is OUTRIGGER_PEER_LISTEN and
"peerListen". Flags win over the environment, the environment over the file, the file over the defaults.

Ctrl-C or SIGTERM stops it in order: it hands leadership over, answers what is open, closes. A second one ends it at once.
Exit codes: 0 stopped, 1 failed, 2 bad configuration, 3 storage fault, 4 another daemon has the data folder.

Examples:
  outrigger run --id n1 --cluster orders --data /var/lib/orders/n1 \\
    --members n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003 --http-listen 127.0.0.1:8001
  outrigger run --config n1.json --log-level debug

"leaderNewsCommand" is in the file only: ["/path/of/program", "argument", …] is run when leadership changes, with the
news as one line of JSON on its standard input.

n1.json:
  { "id": "n1", "cluster": "orders", "data": "/var/lib/orders/n1",
    "members": { "n1": "127.0.0.1:7001", "n2": "127.0.0.1:7002", "n3": "127.0.0.1:7003" } }`;

type RunFlags = Partial<Record<SettingName, unknown>> & {
  readonly config?: string;
  readonly join?: string;
  readonly json?: true;
  readonly exitWithParent?: true;
};

export function addRun(program: Command, shell: Shell): void {
  program
    .command('run')
    .description('run one sidecar in the foreground')
    .option('--id <id>', 'name of this node')
    .option('--cluster <name>', 'name of the cluster')
    .option('--data <folder>', 'where it keeps its log; made when it is not there')
    .option(
      '--members <list>',
      'all nodes, this one too: n1=HOST:PORT,n2=HOST:PORT,… (addresses between sidecars)',
    )
    .option(
      '--join <url>',
      'in place of --members: become a member of a running cluster, by the URL of any node of it',
    )
    .option(
      '--peer-listen <host:port>',
      'where other sidecars reach it (default: its own address in --members)',
    )
    .option(
      '--http-listen <host:port>',
      'where HTTP is served; port 0 takes a free one (default: 127.0.0.1:0)',
    )
    .option(
      '--app-socket <path>',
      'socket for the app: a path, or tcp://127.0.0.1:PORT (default: app.sock in --data)',
    )
    .option(
      '--agent-listen <host:port>',
      "port for HAProxy's agent-check: up on the leader alone (default: none)",
    )
    .option('--agent-ready-listen <host:port>', 'the same: up on every node that can serve (default: none)')
    .option('--leader-news-url <url>', 'where news of leadership is posted: http://127.0.0.1:PORT/…')
    .option(
      '--token-file <file>',
      'secrets for HTTP, the same file on all nodes for clients of any node (default: its own, in --data)',
    )
    .option(
      '--tls-ca <file>',
      'PEM: the CA of all nodes; with the two below peers and HTTP speak TLS (docs/tls.md)',
    )
    .option('--tls-cert <file>', 'PEM: certificate of this node, as `outrigger certs` makes it')
    .option('--tls-key <file>', 'PEM: its key')
    .option('--http-tls-cert <file>', 'PEM: another certificate for HTTP (default: that of --tls-cert)')
    .option('--http-tls-key <file>', 'PEM: its key')
    .option(
      '--control',
      'let faults be planted, and editors propose and transfer (for tests; never in production)',
    )
    .option('--election-min-ms <ms>', 'shortest time without a leader before it campaigns (default: 150)')
    .option('--election-max-ms <ms>', 'longest such time (default: 300)')
    .option('--heartbeat-ms <ms>', 'how often a leader makes itself known (default: 50)')
    .option(
      '--app-grace-ms <ms>',
      'a leader whose app is not healthy for so long hands over to a node whose app is (default: 5000)',
    )
    .option('--no-pre-vote', 'campaign without asking first whether it could win')
    .option('--no-check-quorum', 'let a leader stay that hears from no quorum')
    .option('--lease-reads', 'let the leader serve LEASE reads; read in docs/protocol.md what they stand on')
    .option('--lease-clock-bound <share>', 'how much slower one clock may be than another (default: 0.2)')
    .option('--snapshot-bytes <bytes>', 'log after which a snapshot is taken, in bytes (default: 64 MiB)')
    .option('--snapshot-entries <count>', 'the same in entries (default: 500000)')
    .option('--snapshot-send-bytes <bytes>', 'bytes a second of snapshots given to others (default: 32 MiB)')
    .option('--log-level <level>', 'debug, info, warn or error (default: info)')
    .option('--config <file>', 'JSON file with the same settings')
    .option('--json', 'print what was bound as one line of JSON')
    .addOption(new Option('--exit-with-parent', 'stop when standard input closes').hideHelp())
    .addHelpText('after', HELP)
    .action(async (flags: RunFlags, command: Command) => {
      process.exitCode = await run(shell, givenOnly(flags, command));
    });
}

/** Without the values that commander made up for `--no-…` flags that nobody gave. */
function givenOnly(flags: RunFlags, command: Command): RunFlags {
  return Object.fromEntries(
    Object.entries(flags).filter(([flag]) => command.getOptionValueSource(flag) !== 'default'),
  );
}

async function run(shell: Shell, { json, exitWithParent, ...flags }: RunFlags): Promise<number> {
  const config = loadConfig(flags, shell.env);
  const options = {
    ...config,
    fetch: (url: URL, asked: Asked) => fetchFrom(url, asked, { ca: config.tls?.ca }),
    newsRunner: [...startWords(shell.script), RUN_NEWS, '--'],
  };
  const signals = stopSignals();
  if (exitWithParent) shell.stdin.on('end', signals.stop).on('error', signals.stop).resume();
  // Where SQLite's compiled part cannot be loaded, this fails.
  const { startSidecar } = await import('../../node/sidecar.ts').catch((error: unknown) => {
    throw hasExitCode(error) ? new CliError(messageOf(error), error.exitCode) : error;
  });
  const sidecar = await startSidecar(options).catch((error: unknown) => {
    throw new CliError(messageOf(error), hasExitCode(error) ? error.exitCode : ExitCode.FAILED);
  });
  const bound = {
    node: options.id,
    http: sidecar.http,
    peer: sidecar.peer,
    appSocket: sidecar.appSocket,
    ...sidecar.agents,
    pid: process.pid,
  };
  if (json) shell.out.json(bound);
  else {
    shell.out.line(`${options.id} of ${options.cluster} runs (pid ${bound.pid}):`);
    shell.out.line(`  http        ${bound.http}`);
    shell.out.line(`  peers       ${bound.peer}`);
    shell.out.line(`  app socket  ${bound.appSocket}`);
    if (bound.agent !== undefined) shell.out.line(`  agent       ${bound.agent} (up on the leader)`);
    if (bound.agentReady !== undefined) shell.out.line(`  agent       ${bound.agentReady} (up where ready)`);
  }
  const code = await Promise.race([sidecar.ended, signals.first.then(() => undefined)]);
  if (code === undefined) await sidecar.stop();
  else shell.err.line(`outrigger: ${options.id} ended by itself, with exit code ${code}.`);
  signals.release();
  return code ?? ExitCode.DONE;
}

function hasExitCode(error: unknown): error is Error & { exitCode: number } {
  return error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number';
}
