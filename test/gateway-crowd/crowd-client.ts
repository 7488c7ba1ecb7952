/**
 * One connection of the crowd, or the well-behaved client: it proposes, and tells how each proposal ended.
 *
 * MUST: be cheap, since ten thousand of them share a machine with what they crowd.
 */
import { connect, type Socket } from 'node:net';
import { appFrame, FrameReader, PREAMBLE, type ProposeWriter, type SidecarFrame } from '../bench/frames.ts';

const HELLO = Buffer.concat([PREAMBLE, appFrame({ hello: { protocol: 1, app: 'crowd', group: '' } })]);

export interface CrowdEvents {
  /** `code` is '' for a good answer. */
  answered(client: CrowdClient, id: number, code: string): void;
  closed(client: CrowdClient, reason: string): void;
}

export class CrowdClient {
  readonly #socket: Socket;
  readonly #writer: ProposeWriter;
  readonly #frames = FrameReader.ofSidecar();
  #nextId = 1;
  #due = 0;
  /** Requests without an answer. */
  open = 0;

  private constructor(socket: Socket, writer: ProposeWriter) {
    this.#socket = socket;
    this.#writer = writer;
  }

  /** Resolves when the gateway has welcomed it. */
  static open(path: string, writer: ProposeWriter, events: CrowdEvents): Promise<CrowdClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const client = new CrowdClient(socket, writer);
      let why = 'the gateway closed the connection';
      socket.write(HELLO);
      socket.on('data', (chunk: Buffer) => {
        client.#frames.take(chunk, (frame) => {
          if (frame.welcome) resolve(client);
          else client.#frame(frame, events);
        });
        client.#flush();
      });
      socket.on('error', (error) => {
        why = error.message;
      });
      socket.on('close', () => {
        reject(new Error(why));
        events.closed(client, why);
      });
    });
  }

  /** Proposes something; returns its id. It leaves at the end of what is being read, or at once. */
  propose(reading = false): number {
    this.open++;
    this.#due++;
    const id = this.#nextId + this.#due - 1;
    if (!reading) this.#flush();
    return id;
  }

  end(): void {
    this.#socket.destroy();
  }

  #frame(frame: SidecarFrame, events: CrowdEvents): void {
    const id = frame.proposed?.id ?? frame.error?.id;
    if (typeof id !== 'number') return;
    this.open--;
    events.answered(this, id, frame.error?.code ?? '');
  }

  #flush(): void {
    if (this.#due === 0) return;
    const out = Buffer.allocUnsafe(this.#due * this.#writer.maxBytes);
    let end = 0;
    for (; this.#due > 0; this.#due--) end = this.#writer.write(out, end, this.#nextId++);
    this.#socket.write(out.subarray(0, end));
  }
}
