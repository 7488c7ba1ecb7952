/**
 * Who may talk to us: what a Hello has to say, and what we answer.
 *
 * MUST: accept only nodes of our own cluster that mean us, speak our protocol, and have the disk that they always had.
 * MAY: accept one that our own log does not name (yet): a membership that we lack may name it, and then only it can tell us
 * (dissertation §4.1). Such a guest must say where we can answer it.
 */

import { type KnownDisks, otherDisk } from './disks.ts';
import { agreedProtocol, FEATURES, PEER_PROTOCOL, PEER_PROTOCOL_OLDEST } from './features.ts';
import type { Hello, HelloReply } from './hello-codec.ts';

const HTTP_URL_CHARACTERS = 512;

export interface Identity {
  readonly cluster: string;
  readonly self: string;
  isMember(id: string): boolean;
  /** May that node, whom we do not know, be answered at this address? */
  admits(id: string, peer: string): boolean;
  readonly disks: KnownDisks;
  /** Of our own data folder. */
  readonly incarnation: string;
}

/** True for '' (off) and for a base URL we can show and open. */
export function isHttpBase(url: string): boolean {
  if (url === '') return true;
  return url.length <= HTTP_URL_CHARACTERS && /^https?:\/\//.test(url) && URL.canParse(url);
}

/** The answer to `hello`; `http` is our own base URL. */
export function answerHello(hello: Hello, us: Identity, http: string): HelloReply {
  const refuse = (code: string, message: string): HelloReply => ({
    ...{ ok: false, code, message },
    ...{ http: '', features: FEATURES, incarnation: '' },
  });
  if (agreedProtocol(hello.protocol, hello.oldest) === undefined) {
    const ours = range(PEER_PROTOCOL_OLDEST, PEER_PROTOCOL);
    return refuse(
      'PROTOCOL',
      `${us.self} speaks peer protocol ${ours}, not ${range(hello.oldest, hello.protocol)}`,
    );
  }
  if (hello.cluster !== us.cluster) {
    const [ours, theirs] = [JSON.stringify(us.cluster), JSON.stringify(hello.cluster)];
    return refuse('WRONG_CLUSTER', `${us.self} belongs to cluster ${ours}, not ${theirs}`);
  }
  if (hello.to !== us.self) {
    return refuse('WRONG_NODE', `this is node ${us.self}, not ${JSON.stringify(hello.to)}`);
  }
  if (!isHttpBase(hello.http)) {
    return refuse('PROTOCOL', `${hello.from} announced an HTTP address that is not one`);
  }
  if (hello.incarnation !== '' && !us.disks.isOf(hello.from, hello.incarnation)) {
    return refuse('WRONG_DISK', otherDisk(hello.from));
  }
  if (!us.isMember(hello.from) && !us.admits(hello.from, hello.peer)) {
    return refuse('UNKNOWN_NODE', `${us.self} knows no other member called ${JSON.stringify(hello.from)}`);
  }
  return { ok: true, code: '', message: '', http, features: FEATURES, incarnation: us.incarnation };
}

function range(oldest: number, newest: number): string {
  return oldest === 0 || oldest === newest ? `${newest}` : `${oldest} to ${newest}`;
}
