/**
 * Which program runs the demo cluster, and how: the sidecar that came with the extension, the one of the settings, or
 * `outrigger` of the PATH.
 *
 * MUST: be free of vscode; take `ELECTRON_RUN_AS_NODE` for our own script only: it leaks into every child, and makes an
 * editor of an Electron program started by one misbehave.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** For the doctor: where the sidecar comes from. */
  readonly origin: string;
}

export interface Surroundings {
  /** Folder of the installed extension, or of the built one in a working tree. */
  readonly extensionPath: string;
  /** Is this a working tree, where other places may be looked at? */
  readonly development: boolean;
  /** The setting `outrigger.command`, '' for none. */
  readonly configured: string;
  readonly env: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
  /** Runs scripts: the editor's own runtime. */
  readonly node: string;
  readonly exists: (path: string) => boolean;
}

export const here = { platform: process.platform, node: process.execPath, exists: existsSync } as const;

/** The sidecar's program; undefined where there is none. */
export function findSidecar(around: Surroundings): Launch | undefined {
  const { extensionPath, development, exists, env } = around;
  if (around.configured !== '') {
    return {
      command: around.configured,
      args: [],
      env: withoutElectron(env),
      origin: `the setting outrigger.command: ${around.configured}`,
    };
  }
  const scripts = [
    join(extensionPath, 'sidecar', 'main.mjs'),
    ...(development ? [join(extensionPath, '..', 'sidecar', 'main.mjs')] : []),
  ];
  const script = scripts.find((path) => exists(path));
  if (script !== undefined) {
    return {
      command: around.node,
      args: [script],
      env: { ...env, ELECTRON_RUN_AS_NODE: '1' },
      origin: script,
    };
  }
  const names = around.platform === 'win32' ? ['outrigger.exe'] : ['outrigger'];
  const found = (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => exists(path));
  if (found === undefined) return undefined;
  return { command: found, args: [], env: withoutElectron(env), origin: found };
}

/** The demo's app; undefined where it is not. */
export function findApp({
  extensionPath,
  development,
  exists,
}: Pick<Surroundings, 'extensionPath' | 'development' | 'exists'>): string | undefined {
  return [
    join(extensionPath, 'demo', 'kv.py'),
    ...(development ? [join(extensionPath, '..', '..', 'examples', 'python-kv', 'kv.py')] : []),
  ].find((path) => exists(path));
}

/** `outrigger dev` with that app beside each of three sidecars, which allow control; it ends with its input. */
export function demoArgs(python: string, app: string): string[] {
  return ['dev', '--nodes', '3', '--control', '--exit-with-parent', '--', python, app];
}

/** Of the app: a free port each, and no compiled files beside the script. */
export function demoEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, KV_PORT: '0', PYTHONDONTWRITEBYTECODE: '1', NO_COLOR: '1' };
}

function withoutElectron(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { ELECTRON_RUN_AS_NODE: _, ...rest } = env;
  return rest;
}

/** A Python that does not answer in this time counts as none. */
const PYTHON_MS = 10_000;

/** The name of a Python that is new enough (3.8); undefined where there is none. */
export async function findPython(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const name of ['python3', 'python']) if (await isPython(name, env)) return name;
  return undefined;
}

function isPython(name: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const program = 'import sys; sys.exit(0 if sys.version_info >= (3, 8) else 1)';
  return new Promise((resolve) => {
    const child = spawn(name, ['-c', program], {
      env: withoutElectron(env),
      stdio: 'ignore',
      timeout: PYTHON_MS,
    });
    // Not there, or not runnable: then it is no Python for us.
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}
