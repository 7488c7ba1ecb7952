/**
 * Runs the operator's command from a small process of its own: starting a program copies the page tables of whoever starts
 * it, and for a sidecar with a full memory that takes as long as an election.
 *
 * `serveNews` is that process, `CommandRunner` the sidecar's end. Between them go lines of JSON: news one way, and for each
 * how it ended (`{failure}`, null for well) the other.
 *
 * MUST: begin the process before the memory is full; end it, and the command under way, with the sidecar, however that ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import type { LeaderNews } from '../../shared/leader-news.ts';
import { LIMITS } from '../../shared/limits.ts';
import { NewsCommand } from './command.ts';
import type { Carrier } from './contract.ts';

/** What the process needs beyond the time of a try before it is given up. */
const GRACE_MS = 2_000;

const replySchema = z.object({ failure: z.string().nullable() });

/** The process: runs the command for each line of `input`, until that ends. */
export async function serveNews(words: readonly string[], input: Readable, output: Writable): Promise<void> {
  const command = new NewsCommand(words);
  const closing = new AbortController();
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  const running = new Set<Promise<void>>();
  lines.on('line', (line) => {
    const run = command.carry(JSON.parse(line) as LeaderNews, closing.signal).then(
      () => answer(null),
      (error: unknown) => answer(error instanceof Error ? error.message : String(error)),
    );
    running.add(run);
    void run.finally(() => running.delete(run));
  });
  const answer = (failure: string | null): void => {
    output.write(`${JSON.stringify({ failure })}\n`);
  };
  await once(lines, 'close');
  closing.abort();
  await Promise.all(running);
}

export class CommandRunner implements Carrier {
  readonly way = 'command';
  readonly #start: readonly string[];
  readonly #tryMs: number;
  #child: ChildProcess | undefined;
  /** Hears of the next reply, or of the end of the process. */
  #waiting: ((failure: string | null) => void) | undefined;

  /** `process`: how `serveNews` is started, program and arguments; `words`: the command, appended to that. */
  constructor(process: readonly string[], words: readonly string[], tryMs: number = LIMITS.newsTryMs) {
    this.#start = [...process, ...words];
    this.#tryMs = tryMs;
    this.#child = this.#spawn();
  }

  #spawn(): ChildProcess {
    const [program = '', ...args] = this.#start;
    // A group of its own: a Ctrl-C is for the sidecar, which ends it in order.
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    const gone = (why: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#settle(`the process that runs the command ended: ${why}`);
    };
    child.once('error', (error) => gone(error.message));
    child.once('exit', (code, signal) => gone(`${signal ?? `exit code ${code}`}`));
    // Its end is told by `exit`.
    child.stdin?.on('error', () => child.stdin?.destroy());
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => this.#settle(failureIn(line)));
    }
    return child;
  }

  #settle(failure: string | null): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(failure);
  }

  /** One at a time. */
  carry(news: LeaderNews): Promise<void> {
    this.#child ??= this.#spawn();
    const child = this.#child;
    return new Promise((resolve, reject) => {
      // The command has a bound of its own there: this is for a process that does not keep it.
      const timer = setTimeout(() => child.kill('SIGKILL'), this.#tryMs + GRACE_MS);
      this.#waiting = (failure) => {
        clearTimeout(timer);
        if (failure === null) resolve();
        else reject(new Error(failure));
      };
      child.stdin?.write(`${JSON.stringify(news)}\n`);
    });
  }

  /** Ends the process; with its input it ends the command under way. */
  async close(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    const ended = once(child, 'exit');
    child.stdin?.end();
    await ended;
    clearTimeout(timer);
  }
}

function failureIn(line: string): string | null {
  try {
    return replySchema.parse(JSON.parse(line)).failure;
  } catch {
    return 'the process that runs the command said something strange';
  }
}
