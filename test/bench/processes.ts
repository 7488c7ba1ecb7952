/**
 * Child processes of the bench: started, watched, measured, and ended by pid.
 *
 * MUST: leave no process and no file behind, also after Ctrl-C or a failure. MUST: notice a child that
 * ends by itself, since figures from a broken cluster would be worse than none.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A clock tick of /proc/PID/stat in microseconds (USER_HZ is 100 on every Linux that Node runs on). */
const TICK_MICROS = 10_000;
/** A graceful end may take so long; then the process is killed. */
const STOP_MS = 8_000;

export class BenchError extends Error {}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly process: ChildProcess;
  readonly logFile: string;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  /** Set before we end it ourselves. */
  expectedToEnd: boolean;
}

export class Workplace {
  /** Data and logs: on the disk that is measured. */
  readonly dir: string;
  /** Sockets: a short path, since a Unix socket's name has 107 bytes at most. */
  readonly socketDir: string;
  readonly #children = new Set<Child>();
  /** Rejects when a child ends unasked. */
  readonly broken: Promise<never>;
  #break: (error: Error) => void = () => undefined;

  constructor(parent: string) {
    mkdirSync(parent, { recursive: true });
    this.dir = mkdtempSync(join(parent, 'run-'));
    this.socketDir = mkdtempSync(join(tmpdir(), 'orbench-'));
    this.broken = new Promise((_, reject) => {
      this.#break = reject;
    });
    this.broken.catch(() => undefined); // whoever races against it reports it
    process.once('exit', () => this.#clear());
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => process.exit(130));
  }

  /** Starts `command`, on `cores` alone where that is set. Its output goes to a log file; stdout is piped instead when `pipe` is set. */
  start(
    name: string,
    command: string,
    args: readonly string[],
    more: { pipe?: boolean; env?: object; cores?: string | undefined } = {},
  ): Child {
    const logFile = join(this.dir, `${name}.log`);
    const log = openSync(logFile, 'a', 0o600);
    const [program, words] =
      more.cores === undefined ? [command, args] : ['taskset', ['-c', more.cores, command, ...args]];
    const child = spawn(program, words, {
      cwd: this.dir,
      stdio: ['pipe', more.pipe ? 'pipe' : log, log],
      env: { ...process.env, ...more.env },
    });
    closeSync(log);
    if (child.pid === undefined) throw new BenchError(`${name}: cannot start ${command}`);
    const started: Child = {
      name,
      pid: child.pid,
      process: child,
      logFile,
      expectedToEnd: false,
      ended: new Promise((resolve) => child.once('exit', () => resolve())),
    };
    this.#children.add(started);
    child.once('exit', (code, signal) => {
      this.#children.delete(started);
      if (!started.expectedToEnd)
        this.#break(new BenchError(`${name} ended (${signal ?? code}):\n${tail(logFile)}`));
    });
    return started;
  }

  /** Ends `child` and waits until it is gone. */
  async stop(child: Child, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (child.process.exitCode !== null || child.process.signalCode !== null) return;
    child.expectedToEnd = true;
    child.process.kill(signal);
    const timer = setTimeout(() => {
      console.error(
        `bench: ${child.name} did not end within ${STOP_MS / 1000} s of ${signal}, so it is killed.`,
      );
      child.process.kill('SIGKILL');
    }, STOP_MS);
    await child.ended;
    clearTimeout(timer);
  }

  #clear(): void {
    for (const child of this.#children) child.process.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
    rmSync(this.socketDir, { recursive: true, force: true });
  }
}

/** The last lines a process wrote. */
export function tail(logFile: string, lines = 20): string {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** CPU time used by a process with all its threads, in microseconds; undefined where there is no /proc. */
export function cpuMicros(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name, in brackets, may hold spaces: count the fields behind it. utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

/** Resident memory now and its highest mark, in bytes. Linux only. */
export function residentBytes(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const read = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

/** Ports of 127.0.0.1 that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listening));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new BenchError('cannot find a free port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listening(): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

/** Asks again until `ready` says yes; throws with what it said last. */
export async function until(
  what: string,
  timeoutMs: number,
  ready: () => Promise<true | string>,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ready();
    if (answer === true) return;
    if (Date.now() > deadline) throw new BenchError(`${what}: not after ${timeoutMs / 1000} s (${answer})`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
