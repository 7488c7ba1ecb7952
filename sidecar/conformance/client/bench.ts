/**
 * What a check of clients works with: nodes, and a client program that proposes the lines of its standard input.
 *
 * The program is started with the addresses of the nodes as its last arguments (`--once` before them: without a session). It
 * proposes line after line, each when the one before is answered, and prints for each `INDEX RESULT` or `! KIND …`, where KIND is
 * definite, unknown or session-lost. After the last line it reads AT_LEAST the highest index that it was told, and ends.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorFrame } from '../../../shared/app-frames.ts';
import type { CodecName } from '../../../shared/wire/app-codec.ts';
import { excerpt } from '../bench.ts';
import { Failed, type SuiteOptions } from '../contract.ts';
import { Process } from '../play/process.ts';
import { pause, Watch } from '../play/watch.ts';
import { PlayedNode, type Request } from './node.ts';

export interface ClientFacts {
  readonly name: string;
  readonly codec: CodecName;
}

/** What the client printed for one line. */
export type Told =
  | { readonly index: number; readonly result: string }
  | { readonly kind: string; readonly text: string };

export const SESSION = 77;
const ANSWER = /^(\d+)(?: (.*))?$/;
const FAILURE = /^! (definite|unknown|session-lost)\b(.*)$/;

export class ClientBench {
  readonly options: SuiteOptions;
  readonly nodes: PlayedNode[] = [];
  readonly watch = new Watch();
  readonly #facts: ClientFacts | undefined;
  readonly #folder: string;
  readonly #process: Process;
  #taken = 0;
  #index = 5;
  #mayEnd = false;

  constructor(options: SuiteOptions, facts: ClientFacts | undefined, folder: string) {
    this.options = options;
    this.#facts = facts;
    this.#folder = folder;
    this.#process = new Process(options.launch, this.watch);
  }

  get facts(): ClientFacts {
    if (this.#facts === undefined) throw new Error('no client was met yet');
    return this.#facts;
  }

  /** A node that does not listen yet. */
  async node(cluster = 'conformance'): Promise<PlayedNode> {
    const id = `n${this.nodes.length + 1}`;
    const folder = join(this.#folder, id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const node = new PlayedNode({ id, cluster, folder, tcp: this.options.tcp, watch: this.watch });
    this.nodes.push(node);
    return node;
  }

  /** Starts the client with the nodes that there are; with none, one is made. */
  async start({ session = false } = {}): Promise<void> {
    if (this.nodes.length === 0) await this.node();
    for (const node of this.nodes) await node.listen();
    const addresses = this.nodes.map(({ address }) => address);
    await this.#process.start({}, { args: [...(session ? [] : ['--once']), ...addresses], stdin: 'held' });
    if (!session) return;
    const { connection, frame } = await this.next('openSession');
    connection.send({ type: 'sessionOpened', id: frame.id, session: SESSION });
  }

  /** The first node. */
  get first(): PlayedNode {
    const [node] = this.nodes;
    if (node === undefined) throw new Error('there is no node');
    return node;
  }

  line(text: string): void {
    this.#process.tell(text);
  }

  endInput(): void {
    this.#mayEnd = true;
    this.#process.endInput();
  }

  /** Its end, once it ended by itself. */
  ended(): Promise<number> {
    return this.until(
      () => 'its standard input has ended and all is answered, and it did not end',
      () => this.#process.exit?.code ?? undefined,
    );
  }

  get exited(): boolean {
    return this.#process.exit !== undefined;
  }

  mayEnd(): void {
    this.#mayEnd = true;
  }

  until<T>(late: () => string, look: () => T | undefined): Promise<T> {
    return this.watch.until(this.options.waitMs, late, () => {
      const found = look();
      if (found !== undefined) return found;
      const wrong = this.wrong();
      if (wrong !== undefined) throw new Failed(wrong);
      return undefined;
    });
  }

  wrong(): string | undefined {
    const refused = this.nodes.find(({ wrong }) => wrong !== undefined)?.wrong;
    if (refused !== undefined) return refused;
    const { end } = this.#process;
    return end === undefined || this.#mayEnd ? undefined : `the client ended ${end}`;
  }

  /** The oldest request of that kind that no check took, at whatever node. */
  next<T extends Request['frame']['type']>(type: T): Promise<Request<T>> {
    return this.until(
      () => `no ${type} came`,
      () => this.poll(type),
    );
  }

  poll<T extends Request['frame']['type']>(type: T): Request<T> | undefined {
    for (const { requests } of this.nodes) {
      const at = requests.findIndex(({ frame }) => frame.type === type);
      if (at !== -1) return requests.splice(at, 1)[0] as unknown as Request<T>;
    }
    return undefined;
  }

  /** The next proposal, which must be of this command. */
  async proposal(command: string): Promise<Request<'propose'>> {
    const asked = await this.next('propose');
    const its = Buffer.from(asked.frame.command);
    if (its.equals(Buffer.from(command))) return asked;
    throw new Failed(`the line ${excerpt(Buffer.from(command))} was proposed as ${excerpt(its)}`);
  }

  /** Answers it as applied at the next index, which it returns. */
  done(
    { connection, frame }: Request<'propose'>,
    result: string,
    more: { duplicate?: boolean } = {},
  ): number {
    this.#index += 1;
    const answer = { index: this.#index, term: 3, result: Buffer.from(result), ...more };
    connection.send({ type: 'proposed', id: frame.id, ...answer });
    return this.#index;
  }

  /** The next index is the one after this. */
  leap(index: number): void {
    this.#index = index;
  }

  refuse(
    { connection, frame }: Request<'propose'>,
    code: string,
    definite: boolean,
    more: { retryAfterMs?: number } = {},
  ): void {
    const error = { id: frame.id, code, definite, message: 'said by the conformance suite', ...more };
    // A code of a later version is one as well.
    connection.send({ type: 'error', ...error } as ErrorFrame);
  }

  /** What it printed next. */
  told(): Promise<Told> {
    return this.until(
      () => 'it printed no answer to its line',
      () => this.#printed(),
    );
  }

  /** What it printed next, or its next proposal where that comes first. */
  toldOrProposal(): Promise<Told | Request<'propose'>> {
    return this.until(
      () => 'it printed no answer to its line, and proposed nothing',
      () => this.#printed() ?? this.poll('propose'),
    );
  }

  #printed(): Told | undefined {
    const text = this.#process.printed[this.#taken];
    if (text === undefined) return undefined;
    this.#taken += 1;
    const failure = FAILURE.exec(text);
    if (failure !== null) return { kind: failure[1] ?? '', text };
    const answer = ANSWER.exec(text);
    if (answer === null)
      throw new Failed(`it printed ${excerpt(Buffer.from(text))}, and not INDEX RESULT or ! KIND`);
    return { index: Number(answer[1]), result: answer[2] ?? '' };
  }

  async toldDone(index: number, result: string): Promise<void> {
    const told = await this.told();
    if ('index' in told && told.index === index && told.result === result) return;
    const said = 'kind' in told ? told.text : `${told.index} ${told.result}`;
    throw new Failed(`its line took effect at ${index} with the result ${result}, and it printed ${said}`);
  }

  /** It says so, and does not try again in whatever way. */
  async toldFailure(kind: 'unknown' | 'session-lost', what: string): Promise<void> {
    const next = await this.until(
      () => `${what}, and it printed no answer to its line`,
      () => this.#printed() ?? this.poll('propose') ?? this.poll('openSession'),
    );
    if ('kind' in next && next.kind === kind) return;
    const right = `${what}: it should have printed ! ${kind}`;
    if ('frame' in next) throw new Failed(`${right}, and it sent ${next.frame.type} again`);
    throw new Failed(
      `${right}, and it printed ${'kind' in next ? next.text : `${next.index} ${next.result}`}`,
    );
  }

  /** A line of a client, proposed and answered. */
  async roundTrip(command: string, result = 'done'): Promise<Request<'propose'>> {
    this.line(command);
    const asked = await this.proposal(command);
    await this.toldDone(this.done(asked, result), result);
    return asked;
  }

  /** Fails when a proposal comes within that time. */
  async noProposal(ms: number, why: string): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end) {
      const came = this.poll('propose');
      if (came !== undefined) {
        throw new Failed(
          `${why}, and it proposed ${excerpt(Buffer.from(came.frame.command))} at ${came.node.id}`,
        );
      }
      await pause(ms / 20);
    }
  }

  async end(): Promise<string | undefined> {
    const wrong = this.wrong();
    this.#mayEnd = true;
    await this.#process.kill();
    await Promise.all(this.nodes.map((node) => node.die()));
    return wrong;
  }
}
