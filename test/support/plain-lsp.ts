/**
 * A language client as any editor's: Content-Length framing over a process' standard streams, and nothing of ours in it.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

const HEADER_END = '\r\n\r\n';

export class PlainLsp {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly exited: Promise<number | null>;
  readonly #answers = new Map<number, (message: { result?: unknown; error?: { message: string } }) => void>();
  #received = Buffer.alloc(0);
  #nextId = 1;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.#child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdout.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  /** Resolves with the result; rejects with the error's message. */
  request<T>(method: string, params: unknown): Promise<T> {
    const id = this.#nextId++;
    this.#send({ jsonrpc: '2.0', id, method, params });
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result as T);
        else reject(new Error(error.message));
      });
    });
  }

  notify(method: string, params: unknown): void {
    this.#send({ jsonrpc: '2.0', method, params });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #send(message: object): void {
    const body = Buffer.from(JSON.stringify(message));
    this.#child.stdin.write(`Content-Length: ${body.length}${HEADER_END}`);
    this.#child.stdin.write(body);
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const end = this.#received.indexOf(HEADER_END);
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.#received.toString('latin1', 0, end))?.[1]);
      const from = end + HEADER_END.length;
      if (this.#received.length < from + length) return;
      const message = JSON.parse(this.#received.toString('utf8', from, from + length));
      this.#received = this.#received.subarray(from + length);
      if (message.method === undefined) this.#answers.get(message.id)?.(message);
      // What the server asks of its client gets the empty answer that LSP allows.
      else if (message.id !== undefined) this.#send({ jsonrpc: '2.0', id: message.id, result: null });
    }
  }
}
