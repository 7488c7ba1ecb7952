/**
 * Tells news by running a program of the operator's, which reads it as one line of JSON from its standard input.
 *
 * MUST: run exactly the words of the operator's configuration file, without a shell; end the program, and all that it
 * started, when it takes too long or the sidecar stops; keep no more of what it says than the end of its complaint.
 */
import { spawn } from 'node:child_process';
import type { LeaderNews } from '../../shared/leader-news.ts';
import { LIMITS } from '../../shared/limits.ts';
import { codeOf } from '../../shared/private-file.ts';
import type { Carrier } from './contract.ts';

/** What the program leaves running may hold its standard error open: we close ours so long after its end. */
const LINGER_MS = 100;

export class NewsCommand implements Carrier {
  readonly way = 'command';
  readonly #words: readonly string[];
  readonly #tryMs: number;

  /** The program's path and its arguments. */
  constructor(words: readonly string[], tryMs: number = LIMITS.newsTryMs) {
    this.#words = words;
    this.#tryMs = tryMs;
  }

  carry(news: LeaderNews, aborted: AbortSignal): Promise<void> {
    if (aborted.aborted) return Promise.reject(new Error('it was given up'));
    const [program = '', ...args] = this.#words;
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, {
        stdio: ['pipe', 'ignore', 'pipe'],
        // A group of its own, so that whatever it started ends with it.
        detached: process.platform !== 'win32',
        windowsHide: true,
      });
      const said = new Tail(LIMITS.newsComplaintBytes);
      let late = false;
      const end = (): void => endGroup(child.pid);
      const timer = setTimeout(() => {
        late = true;
        end();
      }, this.#tryMs);
      aborted.addEventListener('abort', end, { once: true });
      const settled = (): void => {
        clearTimeout(timer);
        aborted.removeEventListener('abort', end);
      };
      child.stderr.on('data', (bytes: Buffer) => said.add(bytes));
      // A program need not read its news.
      child.stdin.on('error', () => child.stdin.destroy());
      child.once('error', (error) => {
        settled();
        const why = codeOf(error) === 'ENOENT' ? 'there is no such program' : error.message;
        reject(new Error(`${program} cannot be run: ${why}`, { cause: error }));
      });
      child.once('exit', () => setTimeout(() => child.stderr.destroy(), LINGER_MS));
      child.once('close', (code, signal) => {
        settled();
        if (code === 0) resolve();
        else
          reject(
            new Error(
              `${program} ${late ? `ran longer than ${this.#tryMs} ms` : ending(code, signal, said)}`,
            ),
          );
      });
      child.stdin.end(`${JSON.stringify(news)}\n`);
    });
  }
}

function ending(code: number | null, signal: NodeJS.Signals | null, said: Tail): string {
  const complaint = said.lastLine();
  return `ended with ${signal ?? `exit code ${code}`}${complaint === '' ? '' : `: ${complaint}`}`;
}

/** Ends a process group. One that is gone already is what was wanted (some systems call that EPERM). */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error;
  }
}

/** The newest bytes of a stream. */
class Tail {
  readonly #max: number;
  #kept: Buffer = Buffer.alloc(0);

  constructor(max: number) {
    this.#max = max;
  }

  add(bytes: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, bytes]).subarray(-this.#max);
  }

  lastLine(): string {
    return this.#kept.toString('utf8').trimEnd().split('\n').at(-1)?.trim() ?? '';
  }
}
