/**
 * One plain connection to a sidecar's app socket, for many requests that nobody waits for one by one: each answer goes to
 * the function that was given with its request.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { AppFrame, Consistency, SidecarFrame } from '../../shared/app-frames.ts';
import { appCodec, BadFrame } from '../../shared/wire/app-codec.ts';

/** The index, or the code of the refusal. */
export type Answer = number | string;

export class Connection {
  readonly #socket: Socket;
  readonly #codec = appCodec('json');
  readonly #open = new Map<number, (answer: Answer) => void>();
  #nextId = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    // `close` says all there is to say.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#end());
  }

  static async open(path: string): Promise<Connection> {
    const socket = connect(path);
    await once(socket, 'connect');
    const connection = new Connection(socket);
    connection.#send({ type: 'hello', protocol: 1, app: 'lease', group: '' });
    return connection;
  }

  /** Requests without an answer. */
  get open(): number {
    return this.#open.size;
  }

  read(consistency: Consistency, timeoutMs: number, answered: (answer: Answer) => void): void {
    const id = this.#nextId++;
    this.#open.set(id, answered);
    this.#send({ type: 'read', id, consistency, timeoutMs });
  }

  propose(text: string, timeoutMs: number, answered: (answer: Answer) => void): void {
    const id = this.#nextId++;
    this.#open.set(id, answered);
    this.#send({ type: 'propose', id, command: Buffer.from(text), wait: 'COMMITTED', timeoutMs });
  }

  async close(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }

  #send(frame: AppFrame): void {
    this.#socket.write(this.#codec.encode([frame]));
  }

  #take(chunk: Buffer): void {
    this.#codec.push(chunk);
    for (let frame = this.#codec.next(); frame !== undefined; frame = this.#codec.next()) {
      if (frame instanceof BadFrame) throw new Error(`the sidecar sent a bad frame: ${frame.message}`);
      this.#frame(frame);
    }
  }

  #frame(frame: SidecarFrame): void {
    if (frame.type === 'readReady' || frame.type === 'proposed') this.#answer(frame.id, frame.index);
    else if (frame.type === 'error') this.#answer(frame.id, frame.code);
  }

  #answer(id: number | undefined, answer: Answer): void {
    const answered = this.#open.get(id ?? 0);
    this.#open.delete(id ?? 0);
    answered?.(answer);
  }

  #end(): void {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const answered of open) answered('CLOSED');
  }
}
