/**
 * Runs the operator's command from a small process of its own: starting a program copies the page tables of whoever starts
 * it, and for a sidecar with a full memory that takes as long as an election.
 *
 * `serveNews` is that process, `CommandRunner` the sidecar's end. Between them go lines of JSON: news one way, and for each
 * how it ended (`{sequence, failure}`, null for well) the other.
 *
 * MUST: begin the process before the memory is full; end it, and the command under way, with the sidecar, however that ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as z from 'zod';
import type { LeaderNews } from '../../shared/leader-news.ts';
import { LIMITS } from '../../shared/limits.ts';
import { NewsCommand } from './command.ts';
import type { Carrier } from './contract.ts';

/** What the process needs beyond the time of a try before it is given up. */
const GRACE_MS = 2_000;

const replySchema = z.object({ sequence: z.int(), failure: z.string().nullable() });
type Reply = z.infer<typeof replySchema>;

/** The process: runs the command for each line of `input`, until that ends. A new line ends the run for the one before. */
export async function serveNews(words: readonly string[], input: Readable, output: Writable): Promise<void> {
  const server = new Server(new NewsCommand(words), output);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on('line', (line) => server.take(JSON.parse(line) as LeaderNews));
  await once(lines, 'close');
  await server.close();
}

class Server {
  readonly #command: NewsCommand;
  readonly #output: Writable;
  #next: LeaderNews | undefined;
  #run = new AbortController();
  #running: Promise<void> | undefined;

  constructor(command: NewsCommand, output: Writable) {
    this.#command = command;
    this.#output = output;
  }

  take(news: LeaderNews): void {
    this.#next = news;
    this.#run.abort();
    this.#running ??= this.#serve();
  }

  async #serve(): Promise<void> {
    // Of lines that came while this process started, only the last one counts.
    await nextTurn();
    for (let news = this.#next; news !== undefined; news = this.#next) {
      this.#next = undefined;
      this.#run = new AbortController();
      const failure = await this.#command.carry(news, this.#run.signal).then(
        () => null,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      this.#output.write(`${JSON.stringify({ sequence: news.sequence, failure })}\n`);
    }
    this.#running = undefined;
  }

  async close(): Promise<void> {
    this.#next = undefined;
    this.#run.abort();
    await this.#running;
  }
}

export class CommandRunner implements Carrier {
  readonly way = 'command';
  readonly #start: readonly string[];
  readonly #tryMs: number;
  #child: ChildProcess | undefined;
  /** The news under way, and who hears how it ended. */
  #waiting: { readonly sequence: number; readonly settle: (failure: string | null) => void } | undefined;

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
      createInterface({ input: child.stdout }).on('line', (line) => this.#heard(line));
    }
    return child;
  }

  #heard(line: string): void {
    const reply = replyIn(line);
    if (reply === undefined) this.#settle('the process that runs the command said something strange');
    // What it says of news that was given up meanwhile does not matter.
    else if (reply.sequence === this.#waiting?.sequence) this.#settle(reply.failure);
  }

  #settle(failure: string | null): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.settle(failure);
  }

  /** One at a time: when it is aborted, the next news ends the run over there. */
  carry(news: LeaderNews, aborted: AbortSignal): Promise<void> {
    if (aborted.aborted) return Promise.reject(new Error('it was given up'));
    this.#child ??= this.#spawn();
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const abort = (): void => this.#settle('it was given up');
      // The command has a bound of its own there: this is for a process that does not keep it.
      const timer = setTimeout(() => child.kill('SIGKILL'), this.#tryMs + GRACE_MS);
      const settle = (failure: string | null): void => {
        clearTimeout(timer);
        aborted.removeEventListener('abort', abort);
        if (failure === null) resolve();
        else reject(new Error(failure));
      };
      this.#waiting = { sequence: news.sequence, settle };
      aborted.addEventListener('abort', abort, { once: true });
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

function replyIn(line: string): Reply | undefined {
  try {
    return replySchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
