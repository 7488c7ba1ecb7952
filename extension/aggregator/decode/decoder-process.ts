/**
 * One run of the user's decoder program: frames in (4 bytes big-endian length, then the payload), one line of JSON out
 * for each, in order.
 *
 * MUST: start it without a shell, in its own process group, without the variables by which the editor makes its children
 * behave otherwise; bound what it may write; report its end exactly once, with the reason. MUST NOT outlive `kill`.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import * as z from 'zod';
import { DECODE_LIMITS } from './limits.ts';
import type { TrustedFolder } from './trust.ts';

/** The first makes the editor's own program a plain Node, the second changes every Node, the third is a secret. */
const NOT_HANDED_ON = ['ELECTRON_RUN_AS_NODE', 'NODE_OPTIONS', 'OUTRIGGER_TOKEN'];

export type Answer = { readonly text: string } | { readonly error: string };

const answerSchema = z.union([z.object({ text: z.string() }), z.object({ error: z.string() })]);

export interface ProcessEvents {
  onAnswer(answer: Answer): void;
  /** It ended, or was killed for what it did. One sentence without a full stop. */
  onEnd(why: string): void;
}

export class DecoderProcess {
  readonly #events: ProcessEvents;
  readonly #child: ChildProcessWithoutNullStreams | undefined;
  readonly #name: string;
  #output: Buffer[] = [];
  #outputBytes = 0;
  #stderr = '';
  #ended = false;

  /** Starts it. A failure to start is reported through `onEnd`, never within the constructor. */
  constructor(folder: TrustedFolder, command: readonly string[], events: ProcessEvents) {
    this.#events = events;
    const [program = '', ...args] = command;
    this.#name = program;
    const env = { ...process.env };
    for (const name of NOT_HANDED_ON) delete env[name];
    const cwd = folder.path;
    try {
      const child = spawn(program, args, {
        cwd,
        env,
        shell: false,
        windowsHide: true,
        detached: process.platform !== 'win32',
      });
      this.#child = child;
      this.#listen(child);
    } catch (error) {
      queueMicrotask(() => this.#end(`the command ${program} cannot be started: ${messageOf(error)}`));
    }
  }

  send(payload: Uint8Array): void {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(payload.length);
    this.#child?.stdin.write(head);
    this.#child?.stdin.write(payload);
  }

  /** Ends it and what it started, at once. `why` goes to `onEnd`. */
  kill(why: string): void {
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      try {
        if (process.platform === 'win32') child.kill('SIGKILL');
        else process.kill(-child.pid, 'SIGKILL');
      } catch (error) {
        // It ended between the look and the signal: that is what was wanted.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    }
    this.#end(why);
  }

  #listen(child: ChildProcessWithoutNullStreams): void {
    child.on('error', (error) => this.#end(`the command ${this.#name} cannot be started: ${error.message}`));
    child.on('close', (code, signal) => {
      const how = signal === null ? `with exit code ${code}` : `by signal ${signal}`;
      const last = this.#stderr.trim().split('\n').at(-1) ?? '';
      this.#end(`the command ${this.#name} ended ${how}${last === '' ? '' : `, saying: ${last}`}`);
    });
    // Writing to a program that ended is told by its end, which says more.
    child.stdin.on('error', () => undefined);
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-DECODE_LIMITS.stderrChars);
    });
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(0x0a); end !== -1 && !this.#ended; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...this.#output, rest.subarray(0, end)]);
      this.#output = [];
      this.#outputBytes = 0;
      rest = rest.subarray(end + 1);
      if (line.length > DECODE_LIMITS.answerBytes) return this.#tooLong();
      this.#answer(line.toString('utf8'));
    }
    if (rest.length > 0) this.#output.push(rest);
    this.#outputBytes += rest.length;
    if (this.#outputBytes > DECODE_LIMITS.answerBytes) this.#tooLong();
  }

  #tooLong(): void {
    this.kill(`the command ${this.#name} wrote a line of more than ${DECODE_LIMITS.answerBytes} bytes`);
  }

  #answer(line: string): void {
    if (this.#ended) return;
    let answer: Answer;
    try {
      answer = answerSchema.parse(JSON.parse(line));
    } catch {
      this.kill(
        `the command ${this.#name} wrote a line that is not {"text": …} or {"error": …}: ${line.slice(0, 80)}`,
      );
      return;
    }
    this.#events.onAnswer(answer);
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#output = [];
    this.#child?.stdin.destroy();
    this.#events.onEnd(why);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
