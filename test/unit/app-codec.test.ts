import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { AppFrame, SidecarFrame } from '../../shared/app-frames.ts';
import {
  appCodec,
  BadFrame,
  BrokenFraming,
  type CodecName,
  sidecarCodec,
} from '../../shared/wire/app-codec.ts';
import { appSchema } from '../../shared/wire/schema.ts';

const CODECS: readonly CodecName[] = ['json', 'protobuf'];

/** What the sidecar makes of these bytes. */
function readAll(name: CodecName, bytes: Buffer | string, frameBytes?: number): (AppFrame | BadFrame)[] {
  const codec = sidecarCodec(name, frameBytes);
  codec.push(Buffer.from(bytes));
  const frames: (AppFrame | BadFrame)[] = [];
  for (let frame = codec.next(); frame !== undefined; frame = codec.next()) frames.push(frame);
  return frames;
}

function readJson(line: string): AppFrame | BadFrame {
  const [frame, ...more] = readAll('json', `${line}\n`);
  assert.equal(more.length, 0);
  assert.ok(frame !== undefined);
  return frame;
}

function bad(line: string): BadFrame {
  const frame = readJson(line);
  assert.ok(frame instanceof BadFrame, `${line} was accepted`);
  return frame;
}

function written(name: CodecName, frame: SidecarFrame): Buffer {
  return sidecarCodec(name).encode([frame]);
}

describe('app codec: conformance vectors', () => {
  interface Vector {
    readonly name: string;
    readonly from: 'app' | 'sidecar';
    readonly json: string;
    readonly protobuf: string;
  }
  const vectors: Vector[] = JSON.parse(readFileSync('test/conformance/vectors.json', 'utf8')).vectors;
  for (const vector of vectors) {
    it(`${vector.from}: ${vector.name}`, () => {
      const ends = {
        app: { writer: appCodec, reader: sidecarCodec },
        sidecar: { writer: sidecarCodec, reader: appCodec },
      };
      const { writer, reader } = ends[vector.from];
      const bytes = { json: Buffer.from(`${vector.json}\n`), protobuf: Buffer.from(vector.protobuf, 'hex') };
      const read = CODECS.map((name) => {
        const codec = reader(name);
        codec.push(bytes[name]);
        const frame = codec.next();
        assert.ok(frame !== undefined && !(frame instanceof BadFrame), name);
        assert.equal(codec.next(), undefined);
        return frame;
      });
      assert.deepEqual(read[0], read[1]);
      // protobufjs alone, from the JSON text, must come to the same bytes.
      const frame = appSchema.lookupType(
        `outrigger.app.v1.${vector.from === 'app' ? 'AppFrame' : 'SidecarFrame'}`,
      );
      const theirs = frame.encodeDelimited(frame.fromObject(JSON.parse(vector.json))).finish();
      assert.equal(Buffer.from(theirs).toString('hex'), vector.protobuf);
      for (const name of CODECS) {
        const encode = writer(name).encode as (frames: readonly unknown[]) => Buffer;
        const again = encode.call(writer(name), [read[0]]);
        assert.equal(again.toString('latin1'), bytes[name].toString('latin1'), name);
      }
    });
  }

  it('has every member of both frames', () => {
    const count = (name: string) => appSchema.lookupType(name).fieldsArray.length;
    assert.equal(count('outrigger.app.v1.AppFrame') + count('outrigger.app.v1.SidecarFrame'), 33);
    assert.ok(vectors.length >= 15);
  });
});

describe('app codec: JSON lines', () => {
  it('writes defaults that are not optional, and leaves absent optionals out', () => {
    const welcome: SidecarFrame = {
      type: 'welcome',
      protocol: 1,
      cluster: 'orders',
      node: 'n1',
      group: '',
      epoch: 0,
      role: 'FOLLOWER',
      term: 0,
      leader: undefined,
      commitIndex: 0,
      firstIndex: 1,
      limits: { frameBytes: 4, commandBytes: 1, inFlight: 2 },
    };
    assert.equal(
      written('json', welcome).toString(),
      '{"welcome":{"protocol":1,"cluster":"orders","node":"n1","group":"","epoch":0,"role":"FOLLOWER","term":0,"commitIndex":0,"firstIndex":1,"limits":{"frameBytes":4,"commandBytes":1,"inFlight":2}}}\n',
    );
    assert.equal(
      written('json', { type: 'error', code: 'TIMEOUT', definite: false, message: 'late' }).toString(),
      '{"error":{"code":"TIMEOUT","definite":false,"message":"late"}}\n',
    );
    assert.equal(
      written('json', { type: 'proposed', id: 0, index: 7, term: 2, result: Buffer.from('ok') }).toString(),
      '{"proposed":{"id":0,"index":7,"term":2,"result":"b2s="}}\n',
    );
    assert.equal(
      written('json', { type: 'entries', through: 9, hash: Buffer.alloc(3), entries: [] }).toString(),
      '{"entries":{"through":9,"hash":"AAAA","entries":[]}}\n',
    );
  });

  it('takes integers as numbers and as decimal strings, up to 2^53-1', () => {
    const max = Number.MAX_SAFE_INTEGER;
    assert.deepEqual(readJson('{"ping":{"id":"12"}}'), { type: 'ping', id: 12 });
    assert.deepEqual(readJson(`{"ping":{"id":"${max}"}}`), { type: 'ping', id: max });
    for (const id of [
      '-1',
      '1.5',
      '"x"',
      '"-1"',
      '" 1"',
      '"0x10"',
      '9007199254740992',
      '"9007199254740992"',
      'true',
    ]) {
      assert.match(bad(`{"ping":{"id":${id}}}`).message, /^ping\.id must be an integer from 0 to/, id);
    }
    assert.match(
      bad('{"propose":{"id":4,"timeoutMs":4294967296}}').message,
      /timeoutMs must be .* 4294967295/,
    );
  });

  it('fills defaults, ignores unknown fields, takes null as absent', () => {
    assert.deepEqual(readJson('{"propose":{"id":1,"colour":"red","session":null}}'), {
      type: 'propose',
      id: 1,
      command: Buffer.alloc(0),
      wait: 'APPLIED',
    });
    assert.deepEqual(readJson('{"applied":{"through":3}}'), { type: 'applied', through: 3, results: [] });
  });

  it('refuses what is not standard base64', () => {
    for (const text of [
      '***',
      'a',
      'ab',
      'abc',
      'YQ',
      'Y Q=',
      'YQ==\\n',
      '=YQ=',
      'YQ===',
      'ab-_',
      'YQ=a',
      '\\u0141AAA',
    ]) {
      const refused = bad(`{"propose":{"id":5,"command":"${text}"}}`);
      assert.match(refused.message, /propose\.command must be standard base64 with padding/, text);
      assert.equal(refused.id, 5);
    }
    assert.match(bad('{"propose":{"id":5,"command":7}}').message, /base64/);
  });

  it('refuses anything but one known member, and echoes the id', () => {
    assert.deepEqual(bad('{}'), new BadFrame('a frame must have exactly one member, not 0', undefined));
    assert.deepEqual(
      bad('{"ping":{"id":3},"goodbye":{}}'),
      new BadFrame('a frame must have exactly one member, not 2', 3),
    );
    assert.deepEqual(bad('{"propse":{"id":8}}'), new BadFrame('there is no frame "propse"', 8));
    assert.equal(bad('{"__proto__":{"id":8}}').id, 8);
    assert.match(bad('{"constructor":{}}').message, /there is no frame/);
    for (const line of ['5', '[]', '"hello"', 'null', 'true'])
      assert.match(bad(line).message, /a frame must be/);
    assert.match(bad('{"ping":5}').message, /^ping must be an object, not 5$/);
    assert.match(bad('{"ping":null}').message, /^ping must be an object/);
    assert.match(bad('{"applied":{"through":1,"results":{}}}').message, /applied\.results must be a list/);
    assert.match(
      bad('{"applied":{"through":1,"results":[{"index":-1}]}}').message,
      /^applied\.results\[\]\.index must/,
    );
    assert.match(
      bad('{"read":{"id":1,"consistency":"lease"}}').message,
      /must be one of LINEARIZABLE, LEASE/,
    );
    assert.match(bad('{"read":{"id":1,"consistency":1}}').message, /must be one of/);
    assert.match(bad('{"hello":{"app":5}}').message, /hello\.app must be a string, not 5/);
  });

  it('breaks on what is not JSON, on invalid UTF-8, and on a line over the limit', () => {
    assert.throws(() => readAll('json', '{"ping"\n'), BrokenFraming);
    assert.throws(() => readAll('json', Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a])), /not valid UTF-8/);
    assert.throws(() => readAll('json', `${'['.repeat(200_000)}\n`), BrokenFraming);
    assert.throws(() => readAll('json', 'x'.repeat(101), 100), { code: 'TOO_LARGE' });
    assert.throws(() => readAll('json', `${'x'.repeat(101)}\n`, 100), { code: 'TOO_LARGE' });
  });

  it('skips blank lines and takes CRLF', () => {
    assert.deepEqual(readAll('json', '\n\r\n{"ping":{"id":1}}\r\n\n'), [{ type: 'ping', id: 1 }]);
  });
});

describe('app codec: protobuf', () => {
  const frame = (name: string, value: object): Buffer => {
    const type = appSchema.lookupType('outrigger.app.v1.AppFrame');
    return Buffer.from(type.encodeDelimited(type.fromObject({ [name]: value })).finish());
  };

  it('reads and writes what the generated codec of the frame message does', () => {
    const propose = { id: 7, command: Buffer.from('abc'), session: 300, timeoutMs: 70_000, wait: 1 };
    const theirs = frame('propose', propose);
    const [read] = readAll('protobuf', theirs);
    assert.deepEqual(read, { type: 'propose', ...propose, wait: 'COMMITTED' });
    assert.deepEqual(appCodec('protobuf').encode([read as AppFrame]), theirs);
  });

  it('refuses values that are out of range, without breaking', () => {
    // ping { id: 2^63-1 }: tag 0x7a, length 10, field 1 varint of nine bytes.
    const ping = Buffer.from([12, 0x7a, 10, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    const [refused] = readAll('protobuf', ping);
    assert.ok(refused instanceof BadFrame);
    assert.match(refused.message, /ping\.id must be an integer from 0 to 9007199254740991/);
    const [wait] = readAll('protobuf', frame('propose', { id: 9, wait: 77 }));
    assert.ok(wait instanceof BadFrame);
    assert.match(wait.message, /propose\.wait must be one of APPLIED, COMMITTED, not number 77/);
    assert.equal(wait.id, 9);
  });

  it('refuses no member and two members, without breaking', () => {
    const [none] = readAll('protobuf', Buffer.from([0]));
    assert.ok(none instanceof BadFrame);
    const ping = frame('ping', { id: 4 }).subarray(1);
    const [two] = readAll('protobuf', Buffer.concat([Buffer.from([2 * ping.length]), ping, ping]));
    assert.deepEqual(two, new BadFrame('a frame must have exactly one known member, not 2', 4));
    const [unknown] = readAll('protobuf', Buffer.from([3, 0xa0, 0x06, 0x01]));
    assert.ok(unknown instanceof BadFrame);
  });

  it('breaks on a bad length, on a frame over the limit, and on bytes that are no message', () => {
    assert.throws(() => readAll('protobuf', Buffer.alloc(10, 0x80)), /length of the frame is not a varint/);
    assert.throws(() => readAll('protobuf', Buffer.from([101, 0]), 100), { code: 'TOO_LARGE' });
    assert.throws(() => readAll('protobuf', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f])), {
      code: 'TOO_LARGE',
    });
    assert.throws(() => readAll('protobuf', Buffer.from([3, 0x2a, 50, 1])), /not a protobuf message/);
    assert.throws(() => readAll('protobuf', Buffer.from([2, 0x07, 0])), BrokenFraming);
    // hello.app = invalid UTF-8
    assert.throws(() => readAll('protobuf', Buffer.from([5, 0x0a, 3, 0x12, 1, 0xff])), BrokenFraming);
    // A member that runs beyond its frame into the next one.
    const ping = frame('ping', { id: 4 });
    const overrun = Buffer.concat([Buffer.from([2, 0x7a, 4]), ping, ping]);
    assert.throws(() => readAll('protobuf', overrun), BrokenFraming);
  });
});

describe('app codec: arrival', () => {
  for (const name of CODECS) {
    it(`${name}: frames cut at every place are the same frames`, () => {
      const frames: AppFrame[] = [
        { type: 'ping', id: 1 },
        { type: 'propose', id: 2, command: Buffer.alloc(300, 5), wait: 'APPLIED' },
        { type: 'applied', through: 4, results: [{ index: 4, result: Buffer.from('x') }] },
        { type: 'ping', id: 3 },
      ];
      const bytes = appCodec(name).encode(frames);
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        const codec = sidecarCodec(name);
        const read: unknown[] = [];
        for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
          codec.push(part);
          for (let frame = codec.next(); frame !== undefined; frame = codec.next()) read.push(frame);
        }
        assert.deepEqual(read, frames, `cut at ${cut}`);
        assert.equal(codec.partial, false);
      }
    });

    it(`${name}: a 1 MiB command in pieces of 16 bytes (copying all at each piece would time out)`, () => {
      const bytes = appCodec(name).encode([{ type: 'propose', id: 2, command: Buffer.alloc(1 << 20, 5) }]);
      const codec = sidecarCodec(name);
      for (let at = 0; at < bytes.length; at += 16) {
        codec.push(bytes.subarray(at, at + 16));
        const frame = codec.next();
        assert.equal(frame !== undefined, at + 16 >= bytes.length);
      }
    });

    it(`${name}: push before everything was read keeps the order`, () => {
      const codec = sidecarCodec(name);
      const pings = [1, 2, 3].map((id) => appCodec(name).encode([{ type: 'ping', id }]));
      for (const ping of pings) codec.push(ping);
      const ids = [codec.next(), codec.next(), codec.next()].map((frame) => (frame as { id: number }).id);
      assert.deepEqual(ids, [1, 2, 3]);
    });
  }
});
