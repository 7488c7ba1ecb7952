/** Checks of the key-value app's own clients: what it proposes and reads for them through its one socket. */
import type { SidecarFrame } from '../../../shared/app-frames.ts';
import type { AppBench } from '../bench.ts';
import { excerpt } from '../bench.ts';
import { type Check, Failed } from '../contract.ts';
import { readKvCommand } from '../kv.ts';
import type { Asked, Instance } from '../play/instance.ts';

const WRITES = 8;
const SOME = 10;

const withoutHttp = (bench: AppBench): string | undefined => {
  if (!bench.kv) return 'how another app is made to propose is not known here';
  return bench.facts.http ? undefined : 'it printed no `listening on http://127.0.0.1:PORT`';
};

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A request of a client of the app. */
function ask(bench: AppBench, app: Instance, method: string, key: string, body?: string): Promise<Answer> {
  const answer = request(bench, app, method, key, body);
  // Where a check fails before it looks at the answer, nobody does.
  answer.catch(() => undefined);
  return answer;
}

async function request(
  bench: AppBench,
  app: Instance,
  method: string,
  key: string,
  body?: string,
): Promise<Answer> {
  const http = await app.until(
    () => 'it did not print that it is listening on http://127.0.0.1:PORT',
    () => app.http,
  );
  const what = `${method} /${key}`;
  try {
    const response = await fetch(`${http}/${key}`, {
      method,
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(bench.options.waitMs),
    });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Failed(`${what} to the app was not answered: ${error.message}`);
  }
}

/** What the client of a write was told. */
function told({ status, body }: Answer, what: string): { index: unknown; existed: unknown } {
  if (status !== 200)
    throw new Failed(`${what} was answered with ${status} ${excerpt(Buffer.from(body))}, and not 200`);
  try {
    return JSON.parse(body) as { index: unknown; existed: unknown };
  } catch {
    throw new Failed(`${what} was answered with ${excerpt(Buffer.from(body))}, and not with JSON`);
  }
}

/** Its own result of an entry, as a sidecar would hand it to whoever proposed it. */
function proposedOf(app: Instance, { frame }: Asked<'propose'>, index: number): SidecarFrame {
  const result = app.answers.findLast((answer) => answer.index === index)?.result;
  return { type: 'proposed', id: frame.id, index, term: app.log.term, result };
}

/** `count` writes of as many clients at a time, as they reached the log. */
async function proposals(app: Instance, count: number): Promise<Asked<'propose'>[]> {
  const asked: Asked<'propose'>[] = [];
  while (asked.length < count) asked.push(await app.next('propose'));
  return asked;
}

export const proposes: Check<AppBench> = {
  id: 'proposes',
  proves:
    'Each of many writes at a time is proposed, and gets its own answer in whatever order the answers come.',
  needs: ['results', 'applies'],
  spares: withoutHttp,
  run: async (bench) => {
    const app = await bench.joined();
    await app.delivers(bench.grow(app.log, SOME));
    const keys = Array.from({ length: WRITES }, (_, at) => `w${at}`);
    const clients = Promise.all(keys.map((key) => ask(bench, app, 'PUT', key, `value of ${key}`)));
    const open = await Promise.race([proposals(app, WRITES), clients.then(() => undefined)]);
    if (open === undefined)
      throw new Failed('writes were answered before the sidecar had answered their proposals');
    const at = new Map<string, number>();
    for (const { frame } of open) {
      const command = readKvCommand(Buffer.from(frame.command));
      if (command === undefined) throw new Failed(`it proposed ${excerpt(Buffer.from(frame.command))}`);
      at.set(command.key, app.log.append(Buffer.from(frame.command)));
    }
    if (new Set(open.map(({ frame }) => frame.id)).size !== WRITES) {
      throw new Failed('two of its open proposals had the same id');
    }
    await app.delivers(app.log.last);
    // The last one is told first.
    for (const asked of open.toReversed()) {
      const key = readKvCommand(Buffer.from(asked.frame.command))?.key ?? '';
      asked.connection.send(proposedOf(app, asked, at.get(key) ?? 0));
    }
    for (const [which, answer] of (await clients).entries()) {
      const key = keys[which] ?? '';
      const { index, existed } = told(answer, `PUT /${key}`);
      if (Number(index) !== at.get(key) || existed !== false) {
        throw new Failed(
          `PUT /${key} is entry ${at.get(key)} and existed false, and its client was told index ${index} and existed ${existed}`,
        );
      }
    }
  },
};

export const refusals: Check<AppBench> = {
  id: 'refusals',
  proves:
    'A write that was definitely refused is 503 to its client, one of which nobody knows is 504: also when the connection breaks.',
  needs: ['proposes', 'comes-back'],
  spares: withoutHttp,
  run: async (bench) => {
    const app = await bench.joined();
    await app.delivers(bench.grow(app.log, SOME));
    const message = 'said by the conformance suite';
    const cases = [
      { error: { code: 'OVERLOADED', definite: true, retryAfterMs: 5 }, status: 503 },
      { error: { code: 'LEADER_LOST', definite: false }, status: 504 },
    ] as const;
    for (const { error, status } of cases) {
      const client = ask(bench, app, 'PUT', 'refused', 'x');
      const { frame, connection } = await proposalOf(app, client);
      connection.send({ type: 'error', id: frame.id, message, ...error });
      expectStatus(await client, status, `was refused with ${error.code} (definite ${error.definite})`);
    }
    const client = ask(bench, app, 'PUT', 'cut', 'x');
    const { connection } = await proposalOf(app, client);
    await connection.cut();
    if (app.ledger?.connection !== connection) await app.ledger?.connection.cut();
    expectStatus(await client, 504, 'was open when the connection broke');
    await app.join();
    await app.delivers(bench.grow(app.log, SOME));
    if (app.asked.length > 0)
      throw new Failed('it proposed a write again whose outcome nobody knows, without a session');
  },
};

async function proposalOf(app: Instance, client: Promise<Answer>): Promise<Asked<'propose'>> {
  const asked = await Promise.race([app.next('propose'), client]);
  if ('status' in asked) throw new Failed(`a write was answered with ${asked.status} before it was proposed`);
  return asked;
}

function expectStatus({ status, body }: Answer, right: number, what: string): void {
  if (status === right) return;
  throw new Failed(
    `a write that ${what} was answered with ${status} ${excerpt(Buffer.from(body))}, and not ${right}`,
  );
}

export const reads: Check<AppBench> = {
  id: 'reads',
  proves:
    'A read is served when the sidecar says readReady, and from a state that has everything up to that index.',
  needs: ['proposes'],
  spares: withoutHttp,
  run: async (bench) => {
    const app = await bench.joined();
    await app.delivers(bench.grow(app.log, SOME));
    const client = ask(bench, app, 'GET', 'fresh');
    const asked = await Promise.race([app.next('read'), client]);
    if ('status' in asked) throw new Failed('a read was answered before the sidecar had said readReady');
    const { id, consistency = 'LINEARIZABLE' } = asked.frame;
    if (consistency !== 'LINEARIZABLE')
      throw new Failed(`GET /fresh was asked for as ${consistency}, and not LINEARIZABLE`);
    app.log.append(Buffer.from('{"op":"put","key":"fresh","value":"as fresh as can be"}'));
    await app.delivers(app.log.last);
    asked.connection.send({ type: 'readReady', id, index: app.log.last });
    const { status, body } = await client;
    if (status !== 200 || body !== 'as fresh as can be') {
      throw new Failed(
        `readReady said ${app.log.last}, where GET /fresh has a value, and it was answered with ${status} ${excerpt(Buffer.from(body))}`,
      );
    }
  },
};
