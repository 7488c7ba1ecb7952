/**
 * The clients of clients/ behind one face, so that one table of scenarios holds for all of them: the TypeScript one here, the
 * Python one as a child process that reads commands as JSON lines.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import * as outrigger from '../../clients/typescript/outrigger.ts';

/** How a call failed, in the same words for every language. */
export interface Failure {
  readonly kind: 'Definite' | 'Indefinite' | 'SessionLost';
  readonly code: string;
  readonly definite: boolean;
  readonly message: string;
  readonly leader: string | null;
  readonly retryAfterMs: number | null;
}

export interface Done {
  readonly index: number;
  readonly term: number;
  readonly result: string | null;
  readonly duplicate: boolean;
  readonly resultLost: boolean;
  readonly node: string;
}

/** What a client knows. */
export interface Facts {
  readonly node: string | null;
  readonly leader: string | null;
  readonly highestIndex: number;
}

/** Limits by their names in clients/typescript/limits.ts; times are milliseconds. */
export type Limits = Partial<outrigger.ClientLimits>;

interface Results {
  connect: null;
  propose: Done;
  proposeInSession: Done;
  read: { readonly index: number; readonly node: string };
  readMonotonic: { readonly index: number; readonly node: string };
  openSession: { readonly session: number };
  closeSession: null;
  close: null;
  facts: Facts;
}

interface Arguments {
  connect: {
    readonly addresses: readonly outrigger.Address[];
    readonly limits: Limits;
    readonly timeoutMs: number;
  };
  propose: { readonly command: string; readonly timeoutMs?: number };
  proposeInSession: { readonly session: number; readonly command: string; readonly timeoutMs?: number };
  read: {
    readonly consistency?: outrigger.Consistency;
    readonly atLeast?: number;
    readonly timeoutMs?: number;
  };
  readMonotonic: { readonly timeoutMs?: number };
  openSession: { readonly ttlMs: number };
  closeSession: { readonly session: number };
  close: Record<string, never>;
  facts: Record<string, never>;
}

export type Method = keyof Results;

export interface ClientDriver {
  /** Calls the client. Rejects with a `CallFailed`. */
  call<M extends Method>(method: M, args: Arguments[M]): Promise<Results[M]>;
  /** Closes the client, with what waits in it; `connect` makes another one. */
  reset(): Promise<void>;
  end(): Promise<void>;
}

export class CallFailed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(`${failure.kind} ${failure.code}: ${failure.message}`);
    this.failure = failure;
  }
}

export const DRIVERS: Readonly<Record<string, () => ClientDriver>> = {
  TypeScript: () => new TypeScriptDriver(),
  Python: () => new PythonDriver(),
};

class TypeScriptDriver implements ClientDriver {
  #client: outrigger.Client | undefined;
  readonly #sessions = new Map<number, outrigger.Session>();

  async call<M extends Method>(method: M, args: Arguments[M]): Promise<Results[M]> {
    try {
      return (await this.#call(method, args)) as Results[M];
    } catch (error) {
      if (!(error instanceof outrigger.OutriggerError)) throw error;
      const { code, definite, message, leader = null, retryAfterMs = null } = error;
      throw new CallFailed({
        kind: error.name as Failure['kind'],
        code,
        definite,
        message,
        leader,
        retryAfterMs,
      });
    }
  }

  async reset(): Promise<void> {
    this.#client?.close();
    this.#sessions.clear();
  }

  end(): Promise<void> {
    return this.reset();
  }

  async #call(method: Method, args: unknown): Promise<unknown> {
    if (method === 'connect') {
      const { addresses, ...options } = args as Arguments['connect'];
      this.#client = await outrigger.connect(addresses, { shuffle: false, ...options });
      return null;
    }
    const client = this.#client;
    if (client === undefined) throw new Error('not connected');
    switch (method) {
      case 'propose': {
        const { command, ...options } = args as Arguments['propose'];
        return done(await client.propose(command, options));
      }
      case 'proposeInSession': {
        const { session, command, ...options } = args as Arguments['proposeInSession'];
        return done(await this.#session(session).propose(command, options));
      }
      case 'read':
        return client.read(args as Arguments['read']);
      case 'readMonotonic':
        return client.readMonotonic(args as Arguments['readMonotonic']);
      case 'openSession': {
        const session = await client.session(args as Arguments['openSession']);
        this.#sessions.set(session.id, session);
        return { session: session.id };
      }
      case 'closeSession':
        await this.#session((args as Arguments['closeSession']).session).close();
        return null;
      case 'close':
        client.close();
        return null;
      case 'facts': {
        const { node = null, leader = null, highestIndex } = client;
        return { node, leader, highestIndex };
      }
    }
  }

  #session(id: number): outrigger.Session {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new Error(`there is no session ${id}`);
    return session;
  }
}

function done({ result, ...rest }: outrigger.Proposed): Done {
  return { ...rest, result: result === undefined ? null : Buffer.from(result).toString() };
}

/** Each command gets a thread of its own there, in the order given. */
class PythonDriver implements ClientDriver {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #last = 0;

  constructor() {
    this.#child = spawn('python3', [resolve('test/support/client_driver.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, PYTHONPATH: resolve('clients/python'), PYTHONDONTWRITEBYTECODE: '1' },
    });
    if (this.#child.stdout === null) throw new Error('the driver has no output');
    createInterface({ input: this.#child.stdout }).on('line', (text) => this.#line(text));
    this.#child.on('exit', () => {
      for (const { reject } of this.#open.values()) reject(new Error('the driver ended'));
    });
  }

  call<M extends Method>(method: M, args: Arguments[M]): Promise<Results[M]> {
    this.#last += 1;
    const id = this.#last;
    this.#child.stdin?.write(`${JSON.stringify({ id, method, args })}\n`);
    return new Promise<Results[M]>((resolve, reject) => {
      this.#open.set(id, { resolve: resolve as (value: never) => void, reject });
    });
  }

  async reset(): Promise<void> {
    await this.call('close', {});
  }

  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }

  #line(text: string): void {
    const { id, ok, failure, bug } = JSON.parse(text);
    const call = this.#open.get(id);
    this.#open.delete(id);
    if (failure !== undefined) call?.reject(new CallFailed(failure));
    else if (bug !== undefined) call?.reject(new Error(bug));
    else call?.resolve(ok as never);
  }
}
