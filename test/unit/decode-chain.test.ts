import assert from 'node:assert/strict';
import { Encoder, ExtData, encode as packMessage } from '@msgpack/msgpack';
import { encode as packCbor } from 'cborg';
import fc from 'fast-check';
import { cbor } from '../../extension/aggregator/decode/cbor.ts';
import { decodeNow } from '../../extension/aggregator/decode/chain.ts';
import { DECODE_LIMITS } from '../../extension/aggregator/decode/limits.ts';
import { messagePack } from '../../extension/aggregator/decode/messagepack.ts';
import type { Decoded, DecoderName, Outcome } from '../../extension/aggregator/decode/types.ts';
import { processorMs, tellTime } from '../support/patience.ts';

function decode(bytes: Uint8Array | string): Decoded {
  return decodeNow(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, 'TEXT');
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

/** Beginnings that lead far into a decoder. */
const HEADS: readonly (readonly number[])[] = [
  [],
  [0x93],
  [0x83],
  [0xdc, 0, 9],
  [0x9f],
  [0xbf],
  [0xa4],
  [0xd9, 0xd9, 0xf7, 0xa2],
  [0x5b],
  [0x7b, 0x22],
];

/** Control and format characters: escape, bidirectional overrides, zero-width space. */
const OBEYED = /(?!\n)[\p{Cc}\p{Cf}]/u;

/** Which decoders were tried, in order. */
function tried({ attempts }: Decoded): string {
  return attempts.map(({ decoder, ok }) => `${decoder}${ok ? '' : ' no'}`).join(', ');
}

function assertDecoded(bytes: Uint8Array | string, decoder: DecoderName, line: string): void {
  const decoded = decode(bytes);
  assert.deepEqual({ decoder: decoded.decoder, line: decoded.line }, { decoder, line });
}

describe('the chain of payload decoders', () => {
  it('says that a payload is empty', () => {
    const { decoder, guess, line, attempts } = decode('');
    assert.deepEqual({ decoder, guess, line }, { decoder: 'empty', guess: false, line: '(empty)' });
    assert.deepEqual(attempts, [{ decoder: 'empty', ok: true, why: '' }]);
  });

  it('lays JSON out and keeps it as it was written: digits, duplicate keys, order', () => {
    const decoded = decode(
      '{"b":12345678901234567890, "a":[1,\n2.50],"a":{},"t":"x, {y}: \\"z\\"","__proto__":{"polluted":1}}',
    );
    assert.equal(decoded.decoder, 'json');
    assert.equal(decoded.guess, false);
    assert.equal(
      decoded.line.replaceAll('\\\\', '\\'),
      '{"b": 12345678901234567890, "a": [1, 2.50], "a": {}, "t": "x, {y}: \\"z\\"", "__proto__": {"polluted": 1}}',
    );
    assert.match(
      decoded.text,
      /^\{\n {2}"b": 12345678901234567890,\n {2}"a": \[\n {4}1,\n {4}2\.50\n {2}\],/,
    );
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  });

  it('takes readable UTF-8, and says why it is not JSON', () => {
    const decoded = decode('SET größe 5');
    assert.equal(decoded.decoder, 'utf8');
    assert.equal(decoded.line, 'SET größe 5');
    assert.equal(tried(decoded), 'json no, utf8');
    assert.match(decoded.attempts[0]?.why ?? '', /begins with "S"/);
    assert.match(decode('{"a":').attempts[0]?.why ?? '', /it is not JSON: /);
  });

  it('does not take binary data for text', () => {
    const decoded = decode(hex('68 00 69'));
    assert.equal(decoded.decoder, 'hex');
    assert.equal(tried(decoded), 'json no, utf8 no, messagepack no, cbor no, hex');
    assert.match(decoded.attempts[1]?.why ?? '', /control character 0x00 at character 1/);
    assert.match(decode(hex('c3 28')).attempts[1]?.why ?? '', /not valid UTF-8/);
  });

  it('dumps as hex what nothing fits', () => {
    const { line, text } = decode(hex('00 ff 41'));
    assert.equal(line, '00 ff 41 (3 bytes)');
    assert.equal(text, `00000000  00 ff 41${' '.repeat(39)}  |..A|`);
  });

  it('guesses MessagePack and CBOR only for whole maps and arrays, and calls it a guess', () => {
    const message = decode(packMessage({ id: 7, tags: ['a', 'b'] }));
    assert.equal(message.decoder, 'messagepack');
    assert.equal(message.guess, true);
    assert.equal(message.line, '{"id": 7, "tags": ["a", "b"]}');
    const cbor = decode(packCbor({ id: 7 }));
    assert.deepEqual([cbor.decoder, cbor.guess, cbor.line], ['cbor', true, '{"id": 7}']);
    // A single MessagePack string (a5 …) and number (ce …), and a map with one byte too many.
    assert.equal(decode(hex('a5 ff 65 6c 6c 6f')).decoder, 'hex');
    assert.equal(decode(hex('ce 00 00 00 01')).decoder, 'hex');
    const trailing = decode(Buffer.concat([packMessage({ id: 7 }), Buffer.from([0])]));
    assert.equal(trailing.decoder, 'hex');
    assert.match(trailing.attempts[2]?.why ?? '', /1 bytes are left over/);
  });

  it('says so when bytes fit both', () => {
    const decoded = decode(hex('80'));
    assert.equal(tried(decoded), 'json no, utf8 no, messagepack, cbor');
  });

  it('puts what the user named first, and falls back with the reason', () => {
    const named = { name: 'protobuf', decode: () => ({ why: 'it has no field of shop.Order' }) } as const;
    const decoded = decodeNow(Buffer.from('{"a":1}'), 'TEXT', named);
    assert.equal(decoded.decoder, 'json');
    assert.equal(tried(decoded), 'protobuf no, json');
  });

  it('leaves nothing in the shown text that a terminal obeys', () => {
    const decoded = decode('\u001b]0;owned\u0007 \u202egpj.exe\u001b[2J');
    assert.equal(decoded.decoder, 'hex', 'a bell is not readable text');
    const text = decode('\u001b[2J \u202egpj.exe');
    assert.equal(text.decoder, 'utf8');
    for (const shown of [text.line, text.text]) assert.doesNotMatch(shown, OBEYED);
    const json = decode('{"a":"\u202egpj.exe","\\u001b[2J":"\u200b"}');
    assert.equal(json.decoder, 'json');
    for (const shown of [json.line, json.text]) assert.doesNotMatch(shown, OBEYED);
    const packed = decode(packMessage(['\u001b[2J\u202e']));
    for (const shown of [packed.line, packed.text]) assert.doesNotMatch(shown, OBEYED);
  });
});

describe('MessagePack payloads', () => {
  it('shows every type exactly', () => {
    const value = [null, true, false, -1, -33, 200, 70_000, -70_000, 5_000_000_000, 1.5, Number.NaN, 'é'];
    assertDecoded(
      packMessage(value),
      'messagepack',
      '[null, true, false, -1, -33, 200, 70000, -70000, 5000000000, 1.5, NaN, "é"]',
    );
    const encoder = new Encoder({ useBigInt64: true, forceFloat32: true });
    assertDecoded(
      encoder.encode([18_446_744_073_709_551_615n, -9_223_372_036_854_775_808n, 0.1]),
      'messagepack',
      '[18446744073709551615, -9223372036854775808, 0.1]',
    );
    assertDecoded(packMessage([new Uint8Array([1, 255])]), 'messagepack', "[h'01ff']");
    assertDecoded(packMessage([new ExtData(5, new Uint8Array([9]))]), 'messagepack', "[ext(5, h'09')]");
    for (const time of ['2026-01-02T03:04:05.006Z', '2026-01-02T03:04:05Z', '2600-01-01T00:00:00Z']) {
      assertDecoded(packMessage([new Date(time)]), 'messagepack', `[${time}]`);
    }
    // 96-bit times that no date can say stay bytes.
    assertDecoded(
      hex('91 c7 0c ff 00000000 7fffffffffffffff'),
      'messagepack',
      "[ext(-1, h'000000007fffffffffffffff')]",
    );
  });

  it('shows duplicate, numeric and hostile keys as they are', () => {
    assertDecoded(hex('83 a1 61 01 a1 61 02 05 c0'), 'messagepack', '{"a": 1, "a": 2, 5: null}');
    const proto = Buffer.from('__proto__');
    const bytes = Buffer.concat([hex('81 a9'), proto, packMessage({ polluted: true })]);
    assertDecoded(bytes, 'messagepack', '{"__proto__": {"polluted": true}}');
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  });

  it('agrees with another implementation on any value', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), (value) => {
        assert.deepEqual(
          reparsed(messagePack(packMessage(value), 'TEXT')),
          JSON.parse(JSON.stringify(value)),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('CBOR payloads', () => {
  it('shows the examples of RFC 8949 in its diagnostic notation', () => {
    for (const [bytes, notation] of [
      ['f9 3c00', '1'],
      ['f9 0001', '5.960464477539063e-8'],
      ['f9 c400', '-4'],
      ['f9 7e00', 'NaN'],
      ['f9 fc00', '-Infinity'],
      ['fa 47c35000', '100000'],
      ['fb c010666666666666', '-4.1'],
      ['1b ffffffffffffffff', '18446744073709551615'],
      ['3b ffffffffffffffff', '-18446744073709551616'],
      ['f7', 'undefined'],
      ['f0', 'simple(16)'],
      ['f8 ff', 'simple(255)'],
      ['c1 1a514b67b0', '1(1363896240)'],
      ['c2 49 010000000000000000', "2(h'010000000000000000')"],
      ['d8 20 76 687474703a2f2f7777772e6578616d706c652e636f6d', '32("http://www.example.com")'],
      ['5f 42 0102 43 030405 ff', "(_ h'0102', h'030405')"],
      ['7f 65 7374726561 64 6d696e67 ff', '(_ "strea", "ming")'],
      ['a2 01 02 03 04', '{1: 2, 3: 4}'],
      ['bf 61 61 01 61 62 9f 02 03 ff ff', '{"a": 1, "b": [2, 3]}'],
      ['9f ff', '[]'],
    ]) {
      // One element of an array of 24 would be a MessagePack array too: 98 18 is not.
      assertDecoded(hex(`9f ${bytes} ff`), 'cbor', `[${notation}]`);
    }
    assertDecoded(hex('d9 d9f7 a1 61 61 01'), 'cbor', '55799({"a": 1})');
  });

  it('refuses what is malformed', () => {
    for (const bytes of [
      '9f',
      'ff',
      '9f 01',
      'bf 01 ff',
      'a1 01',
      '9f 5f 61 61 ff ff',
      '9f 7f 5f ff ff ff',
      '9f 1c ff',
      '9f 62 c3 28 ff',
      'c1 01',
      'c1 ff',
      '9f c1 ff',
    ]) {
      assert.ok('why' in cbor(hex(bytes), 'TEXT'), bytes);
    }
  });

  it('agrees with another implementation on any value', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), (value) => {
        assert.deepEqual(reparsed(cbor(packCbor(value), 'TEXT')), JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 200 },
    );
  });
});

/** What the decoder wrote, read as JSON: for values that JSON has. */
function reparsed(outcome: Outcome): unknown {
  assert.ok('text' in outcome, 'why' in outcome ? outcome.why : '');
  return JSON.parse(outcome.text);
}

describe('hostile payloads', () => {
  it('costs no memory for what they only claim, and no stack for what they nest', () => {
    const before = process.memoryUsage().rss;
    const bombs: Record<string, Buffer> = {
      'nested long MessagePack arrays': Buffer.concat(Array(20_000).fill(hex('dc ff ff'))),
      'a MessagePack array of 4 billion': hex('dd ff ff ff ff'),
      'a MessagePack map of 4 billion': hex('df ff ff ff ff c0'),
      'nested short arrays': Buffer.alloc(60_000, 0x91),
      'nested CBOR arrays': Buffer.alloc(60_000, 0x9f),
      'nested CBOR tags': Buffer.alloc(60_000, 0xc1),
      'a CBOR array of 2^64': hex('9b ff ff ff ff ff ff ff ff'),
      'a CBOR string of 2^63': hex('81 7b 7f ff ff ff ff ff ff ff'),
      'nested JSON': Buffer.from('['.repeat(60_000)),
    };
    for (const [name, bytes] of Object.entries(bombs)) {
      const decoded = decode(bytes);
      assert.ok(['hex', 'utf8'].includes(decoded.decoder), `${name}: ${decoded.decoder}`);
    }
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 100 * 1024 * 1024, `${grown} bytes more`);
  });

  it('shows JSON that is nested as deep as can be, cut', () => {
    const decoded = decode(`${'['.repeat(30_000)}${']'.repeat(30_000)}`);
    assert.equal(decoded.decoder, 'json');
    assert.ok(decoded.text.length <= DECODE_LIMITS.textChars + 200, String(decoded.text.length));
  });

  it('never throws and never shows much, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(...HEADS), (tail, head) => {
        const bytes = new Uint8Array([...head, ...tail]);
        const decoded = decode(bytes);
        assert.equal(decodeNow(bytes, 'LINE').decoder, decoded.decoder);
        assert.ok(decoded.line.length <= 2 * DECODE_LIMITS.lineChars);
        assert.equal(decoded.attempts.filter(({ ok }) => ok)[0]?.decoder, decoded.decoder);
      }),
      { numRuns: 2_000 },
    );
  });

  it('looks only at the beginning of 10 MB', () => {
    const text = Buffer.alloc(10 * 1024 * 1024, 'ä');
    const decoded = decode(text.subarray(1));
    assert.equal(decoded.decoder, 'hex', 'begins in the middle of a character');
    const payloads = [text, Buffer.alloc(text.length, 0x91), Buffer.alloc(text.length, '{"a":1,')];
    const started = performance.now();
    const found = payloads.map((bytes) => decode(bytes));
    tellTime('10 MB decoded three times', performance.now() - started, 200);
    assert.deepEqual(
      found.map(({ decoder }) => decoder),
      ['utf8', 'hex', 'utf8'],
    );
    assert.match(found[0]?.text.slice(-120) ?? '', /10485760 bytes in all; this is the beginning/);
    assert.match(found[0]?.attempts[0]?.why ?? '', /10485760 bytes long, and at most 65536 are taken/);
    assert.match(found[1]?.text.slice(-120) ?? '', /10485760 bytes in all; the first 8192 are shown/);
    // What follows the beginning changes nothing.
    for (const bytes of payloads) bytes.fill(0xff, 1024 * 1024);
    assert.deepEqual(
      payloads.map((bytes) => decode(bytes)),
      found,
    );
  });

  it('puts 5,000 payloads on lines, in 50 ms where nothing else runs', () => {
    const payloads = Array.from({ length: 5_000 }, (_, at): Uint8Array => {
      const kinds = [
        () => Buffer.from(`{"op":"set","key":"user:${at}","value":${at}}`),
        () => Buffer.from(`SET user:${at} ${at}`),
        () => packMessage({ op: 'set', key: `user:${at}`, value: at }),
        () => packCbor({ op: 'set', key: `user:${at}`, value: at }),
        () => hex('00 01 02 03 ff fe 80 90 c3 28'),
      ];
      return kinds[at % kinds.length]?.() ?? Buffer.alloc(0);
    });
    const decoders = new Set<string>();
    const took: number[] = [];
    do {
      took.push(
        processorMs(() => {
          for (const bytes of payloads) decoders.add(decodeNow(bytes, 'LINE').decoder);
        }),
      );
    } while (took.length < 30 && Math.min(...took) >= 50);
    assert.deepEqual([...decoders], ['json', 'utf8', 'messagepack', 'cbor', 'hex']);
    tellTime('5,000 payloads on lines, best of several', Math.min(...took), 50);
  });
});
