/**
 * A child process whose output is read line by line and whose end is always known.
 *
 * MUST: start no shell; give the child a process group of its own, so that Ctrl-C in the terminal reaches only us and
 * everything the child started ends with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { CliError, messageOf, systemCode } from '../errors.ts';

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** 'held' gives the child a pipe that closes when we end, however we end. */
  readonly stdin: 'none' | 'held';
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A longer line is shown in pieces. Characters. */
const LINE_LENGTH = 16 * 1024;

export class ManagedProcess {
  readonly pid: number;
  /** Resolves when it has ended and all its output was read. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  /** True once we asked it to end: then its end is no news. */
  asked = false;

  /** Resolves once the program runs. Throws CliError when it cannot be started. */
  static async start(launch: Launch): Promise<ManagedProcess> {
    const child = spawn(launch.command, launch.args, {
      env: launch.env,
      stdio: [launch.stdin === 'held' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      const why = systemCode(error) === 'ENOENT' ? 'there is no such program' : messageOf(error);
      throw new CliError(`${launch.command} cannot be started: ${why}.`);
    }
    return new ManagedProcess(child, launch);
  }

  private constructor(child: ChildProcess, { onLine }: Launch) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    // A child that ended does not read its input any more; its end is reported by `exited`.
    child.stdin?.on('error', () => child.stdin?.destroy());
    if (child.stdout !== null) readLines(child.stdout, (text) => onLine('stdout', text));
    if (child.stderr !== null) readLines(child.stderr, (text) => onLine('stderr', text));
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Writes to a held standard input. */
  tell(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Ends a held standard input. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Asks it to end (SIGTERM), and after `graceMs` ends it. */
  async stop(graceMs: number): Promise<Exit> {
    this.asked = true;
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), graceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** `kill -9`: it gets no chance to do anything. */
  async kill(): Promise<Exit> {
    this.asked = true;
    this.#signal('SIGKILL');
    return this.exited;
  }

  #signal(signal: NodeJS.Signals): void {
    if (!this.running) return;
    signalGroup(this.pid, signal);
  }
}

/** Signals the process group that `pid` leads (on Windows the process). Says nothing when it is gone already. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

function readLines(stream: Readable, onLine: (text: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) onLine(text.endsWith('\r') ? text.slice(0, -1) : text);
    for (; rest.length > LINE_LENGTH; rest = rest.slice(LINE_LENGTH)) onLine(rest.slice(0, LINE_LENGTH));
  });
  stream.on('end', () => {
    rest += decoder.end();
    if (rest !== '') onLine(rest);
  });
}

/** `exit code 1` or `killed by SIGKILL`. */
export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}
