/**
 * A VS Code server with a real Node extension host, for one run, in folders of its own.
 *
 * MUST: listen on 127.0.0.1 only, ask nobody outside for anything, and leave no process and no socket behind.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { PATIENCE_MS } from '../support/patience.ts';

const LOG_LINES = 500;
const LISTENING = /Extension host agent listening on (\d+)/;

/** Ends the server when the process that started it is gone, even by `kill -9`: then its input ends. */
const WATCH =
  "process.stdin.resume().on('end', () => { try { process.kill(-process.argv[1], 'SIGKILL'); } catch { process.exit(1); } });";

/** So that nothing moves, asks or shines that is not under test. */
const QUIET = {
  'chat.agentHost.enabled': false,
  'chat.disableAIFeatures': true,
  'editor.cursorBlinking': 'solid',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'remote.autoForwardPorts': false,
  'telemetry.telemetryLevel': 'off',
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.reduceMotion': 'on',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
};

export interface ServerOptions {
  /** From `workbenchState()`. */
  readonly workbench: { readonly folder: string; readonly node: string };
  /** A folder of this run's own; its path must be short, since sockets are made in it. */
  readonly runDir: string;
  readonly extensionsDir?: string;
  readonly userDataDir?: string;
  /** The user's settings.json, over the quiet ones. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: NodeJS.ProcessEnv;
  /** Needed for extensions under development and their tests. With it, toasts are not drawn. */
  readonly testDriver?: boolean;
  /** Asks whether a workspace is trusted, as the desktop does. Without it every one is. */
  readonly workspaceTrust?: boolean;
}

export class WorkbenchServer {
  readonly authority: string;
  readonly #process: ManagedProcess;
  readonly #watch: ManagedProcess;
  /** The newest lines that it printed. */
  readonly log: readonly string[];

  private constructor(child: ManagedProcess, watch: ManagedProcess, port: string, log: readonly string[]) {
    this.#process = child;
    this.#watch = watch;
    this.authority = `127.0.0.1:${port}`;
    this.log = log;
  }

  /** Resolves when it listens. Throws with its last words when it does not. */
  static async start(options: ServerOptions): Promise<WorkbenchServer> {
    const { runDir, workbench, testDriver = false } = options;
    const userDataDir = options.userDataDir ?? join(runDir, 'user');
    await mkdir(join(userDataDir, 'User'), { recursive: true });
    const settings = JSON.stringify({ ...QUIET, ...options.settings }, null, 2);
    await writeFile(join(userDataDir, 'User', 'settings.json'), settings);
    const log: string[] = [];
    let listening: (port: string) => void = () => undefined;
    const port = new Promise<string>((done) => {
      listening = done;
    });
    const child = await ManagedProcess.start({
      command: workbench.node,
      args: [
        join(workbench.folder, 'out', 'server-main.js'),
        ...['--host', '127.0.0.1', '--port', '0', '--without-connection-token'],
        ...['--accept-server-license-terms', '--telemetry-level', 'off'],
        ...['--server-data-dir', join(runDir, 'server'), '--user-data-dir', userDataDir],
        ...['--extensions-dir', extensionsDirOf(options)],
        ...(testDriver ? ['--enable-smoke-test-driver'] : []),
        ...(options.workspaceTrust === true ? [] : ['--disable-workspace-trust']),
      ],
      env: environmentOf(options),
      stdin: 'none',
      onLine: (_stream, text) => {
        if (log.push(text) > LOG_LINES) log.shift();
        const found = LISTENING.exec(text)?.[1];
        if (found !== undefined) listening(found);
      },
    });
    const watch = await ManagedProcess.start({
      command: process.execPath,
      args: ['-e', WATCH, String(child.pid)],
      env: process.env,
      stdin: 'held',
      onLine: () => undefined,
    });
    const late = AbortSignal.timeout(PATIENCE_MS);
    const gaveUp = new Promise<undefined>((done) => late.addEventListener('abort', () => done(undefined)));
    const bound = await Promise.race([port, child.exited.then(() => undefined), gaveUp]);
    if (bound !== undefined) return new WorkbenchServer(child, watch, bound, log);
    await watch.kill();
    await child.kill();
    throw new Error(`the VS Code server did not start: ${log.slice(-10).join('\n')}`);
  }

  /** Resolves when it has ended, whatever the reason. */
  get ended(): Promise<unknown> {
    return this.#process.exited;
  }

  /** The address of a window on `folder`. `payload` is what a desktop's command line would say. */
  url(folder: string | undefined, payload: readonly (readonly [string, string])[]): string {
    const query = new URLSearchParams(folder === undefined ? { ew: 'true' } : { folder });
    query.set('payload', JSON.stringify(payload));
    return `http://${this.authority}/?${query}`;
  }

  /** A file of this machine, as the window names it. */
  fileUri(path: string): string {
    return `vscode-remote://${this.authority}${path}`;
  }

  /** Ends it and all it started, at once. */
  async kill(): Promise<void> {
    await this.#watch.kill();
    await this.#process.kill();
  }
}

/** Installs a VSIX for a server that starts with the same options. */
export function installExtension(options: ServerOptions, vsix: string): void {
  const { workbench, runDir } = options;
  const { status, stdout, stderr } = spawnSync(
    workbench.node,
    [
      ...[join(workbench.folder, 'out', 'server-main.js'), '--install-extension', vsix, '--force'],
      ...['--extensions-dir', extensionsDirOf(options), '--server-data-dir', join(runDir, 'server')],
    ],
    { env: environmentOf(options), encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${vsix} cannot be installed: ${stdout}${stderr}`);
}

function extensionsDirOf(options: ServerOptions): string {
  return options.extensionsDir ?? join(options.runDir, 'extensions');
}

/** Nothing of the process that runs the tests: variables of another editor or of Node.js would change this one. */
function environmentOf({ env, runDir }: ServerOptions): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(VSCODE_|ELECTRON_|NODE_OPTIONS$)/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    EXTENSIONS_GALLERY: '{}',
    TMPDIR: runDir,
    XDG_RUNTIME_DIR: runDir,
    ...env,
  };
}
