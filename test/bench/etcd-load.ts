/**
 * The closed loop against etcd without its Go client: unary gRPC `Put` on Node's own HTTP/2.
 *
 * Used where no Go is installed, or when asked for (`--etcd-client node`). The bench prefers the Go client,
 * because that one gives etcd the better numbers.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { ClosedLoop } from './closed-loop.ts';
import { putVarint, varintBytes } from './frames.ts';
import { KEY_BYTES, keyText, type LoadPlan } from './protocol.ts';

const HEADERS = {
  ':method': 'POST',
  ':path': '/etcdserverpb.KV/Put',
  'content-type': 'application/grpc',
  te: 'trailers',
};

/** Connects everything, and returns how to submit an operation of a client. */
export async function connectEtcd(plan: LoadPlan, loop: ClosedLoop): Promise<(client: number) => void> {
  const sessions: ClientHttp2Session[] = [];
  for (let i = 0; i < plan.connections; i++) {
    for (const endpoint of plan.endpoints) sessions.push(await open(endpoint));
  }
  const value = Buffer.alloc(plan.valueBytes, 'v');
  return (client) => {
    const session = sessions[client % sessions.length] as ClientHttp2Session;
    loop.sent(client);
    let status = 'NO_STATUS';
    const stream = session.request(HEADERS);
    stream.on('response', (headers) => {
      // A refusal without a body carries its status in the headers.
      if (headers['grpc-status'] !== undefined) status = String(headers['grpc-status']);
    });
    stream.on('trailers', (trailers) => {
      status = String(trailers['grpc-status']);
    });
    stream.on('error', (error) => console.error(`load: ${error.message}`));
    stream.on('close', () => loop.ended(client, status === '0' ? '' : `GRPC_${status}`));
    stream.resume();
    stream.end(putRequest(keyText(Math.floor(Math.random() * plan.keys)), value));
  };
}

function open(endpoint: string): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${endpoint}`, {
      maxSessionMemory: 256,
      settings: { enablePush: false, initialWindowSize: 1 << 20 },
    });
    session.once('connect', () => resolve(session));
    session.once('error', reject);
    session.unref();
  });
}

/** gRPC prefix (not compressed, length) and `PutRequest { bytes key = 1; bytes value = 2; }`. */
function putRequest(key: string, value: Buffer): Buffer {
  const size = 2 + KEY_BYTES + 1 + varintBytes(value.length) + value.length;
  const out = Buffer.allocUnsafe(5 + size);
  out[0] = 0;
  out.writeUInt32BE(size, 1);
  out[5] = 0x0a;
  out[6] = KEY_BYTES;
  out.write(key, 7, 'latin1');
  out[7 + KEY_BYTES] = 0x12;
  out.set(value, putVarint(out, 8 + KEY_BYTES, value.length));
  return out;
}
