/** The key-value app over HTTP: the same requests and answers as examples/python-kv. README.md has them. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Refused, Replica } from './replica.ts';

/** A longer body is refused: no sidecar takes a command of that size. */
const BODY_BYTES = 4 * 1024 * 1024;

interface Reply {
  readonly status: number;
  readonly body: string | Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Begins to follow the sidecar at `socket`. The server is for the caller to `listen` with. */
export function createKvServer(socket: string): Server {
  const replica = new Replica(socket);
  replica.follow();
  return createServer((request, response) => {
    handle(replica, request)
      .catch((error: unknown) => replyTo(error))
      .then((reply) => answer(response, reply))
      .catch((error: unknown) => {
        console.error(error);
        response.destroy();
      });
  });
}

async function handle(replica: Replica, request: IncomingMessage): Promise<Reply> {
  const body = await read(request);
  const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s);
  const key = decode(path.slice(1));
  switch (request.method) {
    case 'GET':
      return get(replica, key, new URLSearchParams(query));
    case 'PUT':
      return changed(await replica.propose({ op: 'put', key, value: text(body) }));
    case 'DELETE':
      return changed(await replica.propose({ op: 'delete', key }));
    default:
      return { status: 501, body: 'GET, PUT and DELETE are what there is' };
  }
}

async function get(replica: Replica, key: string, query: URLSearchParams): Promise<Reply> {
  if (key === '_dump') {
    const body = `{"appliedIndex": ${replica.applied}, "state": ${replica.text()}}`;
    return { status: 200, body };
  }
  const asked = ['consistency', 'index'].flatMap((name) => {
    const value = query.get(name);
    return value === null ? [] : [[name, value]];
  });
  await replica.ask('read', Object.fromEntries(asked)); // back when our state is as fresh as was asked for
  const value = replica.get(key);
  const headers = { 'X-Index': String(replica.applied) };
  return { status: value === undefined ? 404 : 200, body: value ?? '', headers };
}

function changed(body: Readonly<Record<string, unknown>>): Reply {
  return { status: 200, body, headers: { 'X-Index': String(body['index']) } };
}

/** A definite refusal may simply be tried again (503). After an indefinite one (504) it may have happened. */
function replyTo(error: unknown): Reply {
  if (!(error instanceof Refused)) throw error;
  const { code, definite, message } = error;
  const status = definite ? (code === 'BAD_REQUEST' ? 400 : code === 'TOO_LARGE' ? 413 : 503) : 504;
  return { status, body: { code, definite, message }, headers: status === 503 ? { 'Retry-After': '1' } : {} };
}

function answer(response: ServerResponse, { status, body, headers = {} }: Reply): void {
  const json = typeof body !== 'string';
  const data = Buffer.from(json ? JSON.stringify(body) : body);
  const type = json ? { 'Content-Type': 'application/json' } : {};
  response.writeHead(status, { ...type, ...headers, 'Content-Length': data.length }).end(data);
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // What is too long is not read to its end, and is answered all the same.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > BODY_BYTES) throw new Refused('TOO_LARGE', true, `a body has at most ${BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function text(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (error) {
    if (error instanceof TypeError) throw new Refused('BAD_REQUEST', true, 'values are UTF-8 text');
    throw error;
  }
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) throw new Refused('BAD_REQUEST', true, 'keys are UTF-8 text');
    throw error;
  }
}
