/** Frames and messages without sockets: what is encoded once, what is refused, what a mutated frame does. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type Entry, EntryKind, ZERO_HASH } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { Append, PeerMessage } from '../../shared/messages.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import { peerSchema } from '../../shared/wire/schema.ts';
import { decodeMessage, PeerEncoder } from '../../sidecar/peers/codec.ts';
import {
  FRAME_HEADER_BYTES,
  FrameError,
  type FrameFault,
  FrameReader,
  frameOf,
} from '../../sidecar/peers/framing.ts';
import { encodeHello } from '../../sidecar/peers/hello-codec.ts';
import { assertLoopback } from '../../sidecar/peers/loopback.ts';
import { everyMessage, helloOf, makeAppend, makeEntries, plain, seeded } from './peers-support.ts';

function payloadOf(message: PeerMessage): Buffer {
  return new PeerEncoder().encode(message).subarray(FRAME_HEADER_BYTES);
}

function decodeAppend(payload: Buffer): Append {
  const message = decodeMessage(payload, 'a', 'b');
  assert.equal(message.type, 'Append');
  if (message.type !== 'Append') throw new Error('unreachable');
  return message;
}

function refuses(fault: FrameFault, words: RegExp, run: () => unknown): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof FrameError);
    assert.equal(error.fault, fault);
    assert.match(error.message, words);
    return true;
  });
}

describe('peers: codec', () => {
  it('carries every message type unchanged', () => {
    for (const message of everyMessage('a', 'b')) {
      assert.deepEqual(plain(decodeMessage(payloadOf(message), 'a', 'b')), plain(message));
    }
  });

  it('covers every body of peer.proto', () => {
    const bodies = peerSchema.lookupType('outrigger.peer.v1.PeerFrame').oneofs['body']?.oneof ?? [];
    const types = new Set(everyMessage('a', 'b').map(({ type }) => type));
    assert.equal(types.size, bodies.length - 2, 'all but hello and helloReply');
  });

  it('takes the hash of the last sealed entry and hands out records as views', () => {
    const entries = makeEntries(1, 3);
    const hash = sealEntries(entries, ZERO_HASH);
    const payload = payloadOf(makeAppend('a', 'b', entries));
    const { entries: decoded, lastHash } = decodeAppend(payload);
    assert.equal(lastHash, hash);
    for (const [at, entry] of decoded.entries()) {
      assert.deepEqual(entry.record, entries[at]?.record);
      assert.equal(entry.command.buffer, payload.buffer);
    }
  });

  it('hands out empty bytes as bytes', () => {
    const none = Buffer.alloc(0);
    const place = { index: 1, term: 1, offset: 0 };
    const header = { group: '', from: 'a', to: 'b', id: 1 };
    const chunk: PeerMessage = {
      type: 'SnapshotData',
      ...header,
      ...place,
      data: none,
      size: 0,
      digest: none,
    };
    const decodedChunk = decodeMessage(payloadOf(chunk), 'a', 'b');
    assert.ok(decodedChunk.type === 'SnapshotData' && decodedChunk.data instanceof Uint8Array);
    const propose: PeerMessage = {
      type: 'ForwardPropose',
      group: '',
      from: 'a',
      to: 'b',
      id: 1,
      commands: [{ command: none, session: 0, sequence: 0 }],
    };
    const decodedPropose = decodeMessage(payloadOf(propose), 'a', 'b');
    assert.ok(
      decodedPropose.type === 'ForwardPropose' && decodedPropose.commands[0]?.command instanceof Uint8Array,
    );
  });

  it('hands out the empty command of a NOOP entry as bytes', () => {
    const noop: Entry = {
      index: 1,
      term: 3,
      kind: EntryKind.NOOP,
      time: 1,
      session: 0,
      sequence: 0,
      command: Buffer.alloc(0),
    };
    const [entry] = decodeAppend(payloadOf(makeAppend('a', 'b', [noop], { prevTerm: 0 }))).entries;
    assert.ok(entry?.command instanceof Uint8Array, 'the command of a NOOP entry');
  });

  it('encodes a batch once for all followers, and again when anything differs', () => {
    const encoder = new PeerEncoder();
    const entries = makeEntries(5, 8);
    const first = encoder.encode(makeAppend('a', 'b', entries));
    assert.equal(encoder.encode(makeAppend('a', 'c', [...entries])), first);
    assert.equal(encoder.encodes, 1);
    const others: Append[] = [
      makeAppend('a', 'b', entries, { term: 4 }),
      makeAppend('a', 'b', entries, { commit: 1 }),
      makeAppend('a', 'b', entries, { round: 1 }),
      makeAppend('a', 'b', entries, { group: 'g' }),
      makeAppend('a', 'b', entries, { lastHash: 'x'.repeat(32) }),
      makeAppend('a', 'b', entries.slice(0, 7)),
      makeAppend('a', 'b', [...entries.slice(0, 7), ...makeEntries(12, 1)]),
      makeAppend('a', 'b', [...makeEntries(5, 1), ...entries.slice(1)]),
      makeAppend('a', 'b', entries, { prevTerm: 2 }),
    ];
    for (const [at, other] of others.entries()) {
      assert.equal(encoder.encode(makeAppend('a', 'b', entries)).equals(first), true);
      assert.deepEqual(encoder.encode(other).subarray(FRAME_HEADER_BYTES), payloadOf(other));
      assert.equal(encoder.encodes, 2 * at + 2);
    }
  });

  it('refuses entries with a gap, with a falling term, or over the term of the sender', () => {
    const [one, two, three] = makeEntries(1, 3) as [Entry, Entry, Entry];
    const bad: [Entry[], RegExp][] = [
      [[one, three], /entry 3 is where 2 should be/],
      [[one, one], /entry 1 is where 2 should be/],
      [[one, { ...two, term: 2 }], /lower term/],
      [[one, { ...two, term: 9 }], /over the sender's/],
    ];
    for (const [entries, words] of bad) {
      refuses('UNDECODABLE', words, () => decodeMessage(payloadOf(makeAppend('a', 'b', entries)), 'a', 'b'));
    }
    const moved = makeAppend('a', 'b', [two], { prevIndex: 5 });
    refuses('UNDECODABLE', /entry 2 is where 6/, () => decodeMessage(payloadOf(moved), 'a', 'b'));
    const before = makeAppend('a', 'b', [two], { prevTerm: 4, term: 5 });
    refuses('UNDECODABLE', /lower term/, () => decodeMessage(payloadOf(before), 'a', 'b'));
  });

  it('refuses unsafe integers, hashes of a wrong size, and frames that have no place here', () => {
    for (const good of everyMessage('a', 'b')) {
      const message = 'id' in good ? { ...good, id: 2 ** 53 } : { ...good, term: 2 ** 53 };
      refuses('UNDECODABLE', /2\^53-1/, () => decodeMessage(payloadOf(message), 'a', 'b'));
    }
    const short = makeAppend('a', 'b', [], { lastHash: 'short' });
    refuses('UNDECODABLE', /a hash has 5 bytes/, () => decodeMessage(payloadOf(short), 'a', 'b'));
    const hello = encodeHello(helloOf('a', 'b')).subarray(FRAME_HEADER_BYTES);
    refuses('NOT_ALLOWED', /hello is not allowed/, () => decodeMessage(hello, 'a', 'b'));
    refuses('NOT_ALLOWED', /without a known body/, () => decodeMessage(Buffer.alloc(0), 'a', 'b'));
  });

  it('lets only FrameErrors out for 2,000 mutated frames', () => {
    const random = seeded(20_261_121);
    const payloads = everyMessage('a', 'b').map(payloadOf);
    let refused = 0;
    for (let round = 0; round < 2_000; round++) {
      const source = payloads[round % payloads.length] ?? Buffer.alloc(0);
      let mutated = Buffer.from(source.subarray(0, 1 + Math.floor(random() * source.length)));
      for (let change = Math.floor(random() * 4); change >= 0; change--) {
        mutated[Math.floor(random() * mutated.length)] = Math.floor(random() * 256);
      }
      if (random() < 0.2) mutated = Buffer.concat([mutated, source]);
      try {
        decodeMessage(mutated, 'a', 'b');
      } catch (error) {
        assert.ok(error instanceof FrameError, `${mutated.toString('hex')}: ${String(error)}`);
        refused++;
      }
    }
    assert.ok(refused > 500, `only ${refused} were refused`);
  });
});

describe('peers: framing', () => {
  const payloads = [0, 1, 7, 8, 9, 300, 70_000].map((size) => Buffer.alloc(size, size & 0xff));
  const stream = Buffer.concat(payloads.map(frameOf));

  function readInChunks(size: number): Buffer[] {
    const taken: Buffer[] = [];
    const reader = new FrameReader(100_000, (payload) => taken.push(payload) > 0);
    for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
    return taken;
  }

  it('finds the same payloads however the stream is cut', () => {
    for (const size of [1, 2, 3, 7, 8, 9, 100, 4_096, 65_536, stream.length]) {
      assert.deepEqual(readInChunks(size), payloads, `in chunks of ${size}`);
    }
  });

  it('refuses a flipped bit and a length over the limit, and is dead afterwards', () => {
    const taken: Buffer[] = [];
    const take = (payload: Buffer): boolean => taken.push(payload) > 0;
    const flipped = frameOf(Buffer.from('hello'));
    flipped[10] = (flipped[10] ?? 0) ^ 1;
    const reader = new FrameReader(100, take);
    refuses('BAD_CRC', /checksum/, () => reader.push(flipped));
    reader.push(frameOf(Buffer.from('fine')));
    refuses('TOO_LONG', /101 bytes is over the limit of 100/, () =>
      new FrameReader(100, take).push(frameOf(Buffer.alloc(101))),
    );
    assert.deepEqual(taken, []);
  });

  it('stops when it is told to', () => {
    let taken = 0;
    const reader = new FrameReader(100, () => ++taken < 2);
    reader.push(
      Buffer.concat([frameOf(Buffer.from('1')), frameOf(Buffer.from('2')), frameOf(Buffer.from('3'))]),
    );
    reader.push(frameOf(Buffer.from('4')));
    assert.equal(taken, 2);
  });

  it('reads 16 MB in small chunks in linear time', () => {
    const frame = frameOf(Buffer.alloc(LIMITS.peerFrameBytes, 1));
    let crc = -1;
    const reader = new FrameReader(LIMITS.peerFrameBytes, (payload) => {
      crc = crc32(payload);
      return true;
    });
    const copied = bytesCopied(() => {
      for (let at = 0; at < frame.length; at += 1_024) reader.push(frame.subarray(at, at + 1_024));
    });
    assert.equal(crc, frame.readUInt32LE(4));
    // Joining at each chunk would copy 128 GB.
    assert.ok(copied >= LIMITS.peerFrameBytes && copied <= 2 * frame.length, `${copied} bytes were copied`);
  });
});

/** What `act` copies from one buffer to another. */
function bytesCopied(act: () => void): number {
  const { concat } = Buffer;
  const { copy } = Buffer.prototype;
  let bytes = 0;
  Buffer.concat = (list, length) => {
    const joined = concat(list, length);
    bytes += joined.length;
    return joined;
  };
  Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<Buffer['copy']>) {
    const taken = copy.apply(this, args);
    bytes += taken;
    return taken;
  };
  try {
    act();
  } finally {
    Object.assign(Buffer, { concat });
    Object.assign(Buffer.prototype, { copy });
  }
  return bytes;
}

describe('peers: loopback rule', () => {
  it('takes loopback addresses only', () => {
    for (const host of ['127.0.0.1', '127.9.8.7', '::1', '0:0:0:0:0:0:0:1', 'localhost']) {
      assert.doesNotThrow(() => assertLoopback(host, 'the address of n2'), host);
    }
    for (const host of [
      '0.0.0.0',
      '10.0.0.1',
      '::',
      'fe80::1',
      'example.org',
      '',
      '128.0.0.1',
      'localhost.evil',
      '127.1',
    ]) {
      assert.throws(
        () => assertLoopback(host, 'the address of n2'),
        /^Error: the address of n2 .* TLS/,
        host,
      );
    }
  });
});
