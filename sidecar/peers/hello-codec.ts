/**
 * The two frames of a handshake: the dialer's hello, and the one reply to it.
 *
 * MUST: throw a FrameError, and nothing else, for bytes that are not one. What a hello must say is decided in `handshake.ts`.
 */
import { decodeFrame, encodeFrame, notAllowed } from './peer-frame.ts';

export interface Hello {
  readonly protocol: number;
  readonly cluster: string;
  readonly from: string;
  readonly to: string;
  readonly version: string;
  /** Base URL of the dialer's HTTP surface, '' when off. */
  readonly http: string;
  /** The oldest protocol that the dialer speaks besides `protocol`; 0: it does not say. */
  readonly oldest: number;
  /** What the dialer knows (`features.ts`); 0 from those of before. */
  readonly features: number;
  /** Of the dialer's data folder; '' from those of before (`disks.ts`). */
  readonly incarnation: string;
  /** Where the dialer is reached by other sidecars, HOST:PORT; '' where it does not say. */
  readonly peer: string;
}

export interface HelloReply {
  readonly ok: boolean;
  /** '' when ok, else WRONG_CLUSTER, WRONG_NODE, UNKNOWN_NODE, WRONG_DISK or PROTOCOL. */
  readonly code: string;
  readonly message: string;
  readonly http: string;
  readonly features: number;
  readonly incarnation: string;
}

export function encodeHello(hello: Hello): Buffer {
  return encodeFrame('', 0, 'hello', hello);
}

export function encodeHelloReply(reply: HelloReply): Buffer {
  return encodeFrame('', 0, 'helloReply', reply);
}

/** Throws FrameError unless `payload` is a Hello. */
export function decodeHello(payload: Buffer): Hello {
  const raw = decodeFrame(payload);
  if (raw['body'] !== 'hello') throw notAllowed(raw['body'], 'before hello');
  const hello: Hello = raw['hello'];
  const { protocol, cluster, from, to, version, http, oldest, features, incarnation, peer } = hello;
  return { protocol, cluster, from, to, version, http, oldest, features, incarnation, peer };
}

/** Throws FrameError unless `payload` is a HelloReply. */
export function decodeHelloReply(payload: Buffer): HelloReply {
  const raw = decodeFrame(payload);
  if (raw['body'] !== 'helloReply') throw notAllowed(raw['body'], 'in place of the reply to hello');
  const { ok, code, message, http, features, incarnation }: HelloReply = raw['helloReply'];
  return { ok, code, message, http, features, incarnation };
}
