/**
 * The closed loop against sidecars: many clients over a few connections, as etcd's own client does.
 *
 * MUST: write once per chunk read, whatever number of answers it held. MAY: be rough about errors that
 * end the run anyway.
 */
import { connect, type Socket } from 'node:net';
import type { ClosedLoop } from './closed-loop.ts';
import { appFrame, FrameReader, PREAMBLE, ProposeWriter, type SidecarFrame } from './frames.ts';
import type { LoadPlan } from './protocol.ts';

/** One connection with its share of the clients. The client's number is the request id. */
class Connection {
  readonly #socket: Socket;
  readonly #loop: ClosedLoop;
  readonly #writer: ProposeWriter;
  readonly #frames = FrameReader.ofSidecar();
  /** Clients whose next operation leaves with the next write. */
  #due: number[] = [];
  #reading = false;
  readonly #open = new Set<number>();
  #welcome: () => void = () => undefined;
  readonly welcomed: Promise<void>;

  constructor(path: string, loop: ClosedLoop, writer: ProposeWriter) {
    this.#loop = loop;
    this.#writer = writer;
    this.welcomed = new Promise((resolve) => {
      this.#welcome = resolve;
    });
    this.#socket = connect(path);
    this.#socket.write(PREAMBLE);
    this.#socket.write(appFrame({ hello: { protocol: 1, app: 'bench-load', group: '' } }));
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('error', (error) => this.#lost(error.message));
    this.#socket.on('close', () => this.#lost('the sidecar closed the connection'));
  }

  submit(client: number): void {
    this.#due.push(client);
    // Inside a read everything due leaves together at its end; outside (start, pause after an error), in a moment.
    if (!this.#reading && this.#due.length === 1) setImmediate(() => this.#flush());
  }

  #read(chunk: Buffer): void {
    this.#reading = true;
    this.#frames.take(chunk, (frame) => this.#frame(frame));
    this.#reading = false;
    this.#flush();
  }

  #frame(frame: SidecarFrame): void {
    if (frame.proposed) {
      this.#open.delete(frame.proposed.id);
      this.#loop.ended(frame.proposed.id);
    } else if (frame.error) {
      const { id, code, message } = frame.error;
      if (typeof id !== 'number')
        throw new Error(`a sidecar refused the load generator: ${code}: ${message}`);
      this.#open.delete(id);
      this.#loop.ended(id, code);
    } else if (frame.welcome) {
      this.#welcome();
    }
  }

  #flush(): void {
    const due = this.#due;
    if (due.length === 0) return;
    this.#due = [];
    const out = Buffer.allocUnsafe(due.length * this.#writer.maxBytes);
    let end = 0;
    for (const client of due) {
      this.#open.add(client);
      this.#loop.sent(client);
      end = this.#writer.write(out, end, client);
    }
    this.#socket.write(out.subarray(0, end));
  }

  #lost(reason: string): void {
    if (this.#open.size === 0) return;
    console.error(`load: a connection was lost with ${this.#open.size} operations open: ${reason}`);
    process.exit(1);
  }
}

/** Connects everything, and returns how to submit an operation of a client. */
export async function connectOutrigger(plan: LoadPlan, loop: ClosedLoop): Promise<(client: number) => void> {
  const writer = new ProposeWriter(plan.keys, plan.valueBytes);
  const connections: Connection[] = [];
  for (let i = 0; i < plan.connections; i++) {
    for (const path of plan.endpoints) connections.push(new Connection(path, loop, writer));
  }
  await Promise.all(connections.map((one) => one.welcomed));
  return (client) => connections[client % connections.length]?.submit(client);
}
