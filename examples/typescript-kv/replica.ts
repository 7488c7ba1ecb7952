/**
 * One copy of the state, and the one connection to the sidecar that all requests share. It speaks JSON lines (docs/protocol.md):
 * one frame per line, `{"name": {fields}}`, bytes in base64.
 *
 * The idea: a write is not done here, it is *proposed*. The sidecar replicates it and gives it back, on every node in the same
 * order, and only then the state changes.
 */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { FORMAT, State, stateFrom } from './state.ts';

/** At indexes that are multiples of this, every copy says what its state is like. */
const CHECK_EVERY = 100;
/** Bytes of a snapshot in one frame. */
const CHUNK = 256 * 1024;
const ANSWER_MS = 20_000;
const AGAIN_MS = 50;

type Fields = Readonly<Record<string, unknown>>;

/** The sidecar said no. `definite`: it did not and will not happen. Otherwise it may still happen, or has. */
export class Refused extends Error {
  readonly code: string;
  readonly definite: boolean;
  constructor(code: string, definite: boolean, message: string) {
    super(message);
    this.code = code;
    this.definite = definite;
  }
}

export class Replica {
  readonly #path: string;
  #state = new State();
  #applied = 0;
  /** Of the log up to `#applied`: says where we are when we introduce ourselves again. */
  #hash: string | undefined;
  #checked = 0;
  #connection: Socket | undefined;
  /** The index that `takeSnapshot` named, until we have applied it. */
  #wanted: number | undefined;
  #restoring: { readonly begin: Fields; readonly chunks: Uint8Array[] } | undefined;
  readonly #waiting = new Map<number, { done: (answer: Fields) => void; failed: (why: Refused) => void }>();
  #numbers = 0;
  /** Bytes that a command may have, once the sidecar has said so. */
  #largest = Number.POSITIVE_INFINITY;

  constructor(path: string) {
    this.#path = path;
  }

  get applied(): number {
    return this.#applied;
  }

  get(key: string): string | undefined {
    return this.#state.get(key);
  }

  text(): string {
    return this.#state.text();
  }

  /** Stays connected for ever. The state outlives the connection: after a sidecar restart we ask only for what came since. */
  follow(): void {
    const socket = connect(this.#path);
    let rest: Buffer[] = [];
    socket.on('connect', () => this.#hello(socket));
    socket.on('data', (chunk: Buffer) => {
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        const line = Buffer.concat([...rest, chunk.subarray(from, end)]).toString('utf8');
        rest = [];
        from = end + 1;
        if (!socket.destroyed) this.#take(socket, line);
      }
      if (from < chunk.length) rest.push(chunk.subarray(from));
    });
    // Not there (yet, or any more): `close` follows, and tries again.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#connection = undefined;
      // Whoever waits will never be answered, and cannot know whether the sidecar got the request: indefinite.
      const lost = new Refused('SIDECAR_LOST', false, 'the connection to the sidecar broke');
      for (const { failed } of this.#waiting.values()) failed(lost);
      this.#waiting.clear();
      setTimeout(() => this.follow(), AGAIN_MS);
    });
  }

  #hello(socket: Socket): void {
    this.#wanted = undefined;
    this.#restoring = undefined;
    const stateMachine = { appliedIndex: this.#applied, snapshots: 'BLOB', appliedHash: this.#hash };
    send(socket, 'hello', { protocol: 1, app: 'typescript-kv', stateMachine });
  }

  #take(socket: Socket, line: string): void {
    try {
      const [name, body] = Object.entries(JSON.parse(line) as Record<string, Fields>)[0] ?? ['', {}];
      this.#received(socket, name, body);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      socket.destroy(); // not a sidecar, or gone in the middle of a line: try again
    }
  }

  #received(socket: Socket, name: string, body: Fields): void {
    switch (name) {
      case 'welcome':
        this.#largest =
          Number((body['limits'] as Fields | undefined)?.['commandBytes']) || Number.POSITIVE_INFINITY;
        this.#connection = socket; // from here on requests may use it
        break;
      case 'entries':
        this.#apply(socket, body);
        break;
      case 'proposed':
      case 'readReady':
        this.#settle(body, ({ done }) => done(body));
        break;
      case 'error':
        this.#refused(body);
        break;
      case 'takeSnapshot':
        this.#wanted = Number(body['index']);
        this.#freeze(socket);
        break;
      case 'restoreBegin':
        this.#restoring = { begin: body, chunks: [] };
        break;
      case 'restoreChunk':
        this.#restoring?.chunks.push(bytes(body['data']));
        break;
      case 'restoreEnd':
        this.#restore(socket, body);
        break;
      case 'goodbye':
        if (body['reason'] === 'SUPERSEDED') {
          console.error('another copy of this app took over');
          process.exit(1); // two copies that push each other out would never end
        }
        socket.end(); // and say hello again
        break;
    }
  }

  /**
   * A stretch of the committed log. One acknowledgement for all of it keeps this fast; `through` also covers entries that are not
   * ours to see.
   */
  #apply(socket: Socket, batch: Fields): void {
    const results: Fields[] = [];
    let stateHash: Fields | undefined;
    /** Everything up to `index` is applied, and nothing later. The sidecars compare what the copies say of the same indexes. */
    const look = (index: number): void => {
      const at = index - (index % CHECK_EVERY);
      if (at <= this.#checked) return;
      this.#checked = at;
      stateHash = { index: at, hash: base64(this.#state.hash()) };
    };
    for (const entry of (batch['entries'] ?? []) as readonly Fields[]) {
      look(Number(entry['index']) - 1);
      const answer = this.#state.execute(bytes(entry['command']));
      results.push({ index: entry['index'], result: base64(Buffer.from(JSON.stringify(answer))) });
    }
    this.#applied = Number(batch['through']);
    this.#hash = String(batch['hash']);
    look(this.#applied);
    send(socket, 'applied', { through: this.#applied, results, stateHash });
    this.#freeze(socket);
  }

  /** Hands our state over, once it is as new as was asked for. Only what was acknowledged may be in it. */
  #freeze(socket: Socket): void {
    if (this.#wanted === undefined || this.#applied < this.#wanted) return;
    this.#wanted = undefined;
    const data = Buffer.from(this.text());
    send(socket, 'snapshotBegin', { index: this.#applied, format: FORMAT, size: data.length });
    for (let from = 0; from < data.length; from += CHUNK)
      send(socket, 'snapshotChunk', { data: base64(data.subarray(from, from + CHUNK)) });
    send(socket, 'snapshotEnd', { sha256: sha256(data) });
  }

  /** Takes over a state that another copy has sent, all of it or nothing: until here ours was untouched. */
  #restore(socket: Socket, end: Fields): void {
    const { begin = {}, chunks = [] } = this.#restoring ?? {};
    this.#restoring = undefined;
    try {
      const data = Buffer.concat(chunks);
      if (begin['format'] !== FORMAT) throw new Error(`unknown format ${begin['format']}`);
      if (sha256(data) !== end['sha256']) throw new Error('the bytes do not have their sha256');
      this.#startOver(stateFrom(data), Number(begin['index']));
    } catch (error) {
      send(socket, 'restoreRefused', { reason: error instanceof Error ? error.message : String(error) });
      return;
    }
    send(socket, 'restored', { index: begin['index'] });
  }

  #startOver(state: State, applied: number): void {
    this.#state = state;
    this.#applied = applied;
    this.#checked = applied;
    this.#hash = undefined; // the next `entries` bring one
  }

  #refused(body: Fields): void {
    if (body['id']) {
      const why = new Refused(String(body['code']), body['definite'] === true, String(body['message']));
      return this.#settle(body, ({ failed }) => failed(why));
    }
    console.error(`sidecar: ${body['code']}: ${body['message']}`);
    // Our state is not this log's; it is only in memory, so starting over costs nothing.
    if (['APP_AHEAD', 'APP_DIVERGED'].includes(String(body['code']))) this.#startOver(new State(), 0);
  }

  #settle(
    body: Fields,
    how: (waiter: { done: (answer: Fields) => void; failed: (why: Refused) => void }) => void,
  ): void {
    const waiter = this.#waiting.get(Number(body['id']));
    this.#waiting.delete(Number(body['id']));
    if (waiter !== undefined) how(waiter);
  }

  /** Sends one request and waits for its answer; many do the same at the same time. Rejects with Refused. */
  ask(name: string, fields: Fields): Promise<Fields> {
    const socket = this.#connection;
    if (socket === undefined)
      return Promise.reject(new Refused('SIDECAR_ABSENT', true, 'not connected to the sidecar'));
    this.#numbers += 1;
    const id = this.#numbers;
    return new Promise<Fields>((done, failed) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        failed(new Refused('TIMEOUT', false, `no answer from the sidecar for ${ANSWER_MS / 1000} s`));
      }, ANSWER_MS);
      this.#waiting.set(id, {
        done: (answer) => {
          clearTimeout(late);
          done(answer);
        },
        failed: (why) => {
          clearTimeout(late);
          failed(why);
        },
      });
      send(socket, name, { id, ...fields });
    });
  }

  /** Resolves when it is on a majority of disks and applied here: the index, and what `execute` answered. */
  async propose(command: Fields): Promise<Fields> {
    const data = Buffer.from(JSON.stringify(command));
    // One too large for a frame would cost the connection, with all that is open.
    if (data.length > this.#largest)
      throw new Refused(
        'TOO_LARGE',
        true,
        `the command has ${data.length} bytes, over the limit of ${this.#largest}`,
      );
    const asked = { command: base64(data), wait: 'APPLIED' };
    const done = await this.ask('propose', asked);
    return {
      index: Number(done['index']),
      ...JSON.parse(Buffer.from(bytes(done['result'])).toString('utf8')),
    };
  }
}

function send(socket: Socket, name: string, fields: Fields): void {
  socket.write(`${JSON.stringify({ [name]: fields })}\n`);
}

function base64(data: Uint8Array): string {
  return Buffer.from(data).toString('base64');
}

function bytes(text: unknown): Uint8Array {
  return Buffer.from(typeof text === 'string' ? text : '', 'base64');
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('base64');
}
