import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import protobuf from 'protobufjs';
import { Decoders } from '../../extension/aggregator/decode/decoders.ts';
import { loadProtobuf } from '../../extension/aggregator/decode/proto-files.ts';
import type { ProtobufSetting } from '../../extension/aggregator/decode/settings.ts';
import { TrustedFolder } from '../../extension/aggregator/decode/trust.ts';
import type { Outcome } from '../../extension/aggregator/decode/types.ts';

const ORDER = `
syntax = "proto3";
package shop;
import "common/money.proto";
import "google/protobuf/timestamp.proto";
message Order {
  uint64 id = 1;
  string customer = 2;
  repeated Line lines = 3;
  Status status = 4;
  map<string, int32> counts = 5;
  repeated int32 packed = 6;
  google.protobuf.Timestamp at = 7;
  sint64 balance = 8;
  double weight = 9;
  bytes raw = 10;
  Money total = 11;
  bool gift = 12;
  sfixed32 offset = 13;
  int32 negative = 14;
  Order parent = 15;
  message Line { string sku = 1; float price = 2; }
  enum Status { NEW = 0; PAID = 1; }
}
message Slim { uint64 id = 1; }
message Empty {}
`;
const MONEY = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }';

const setting: ProtobufSetting = { kind: 'protobuf', file: 'proto/order.proto', type: 'shop.Order' };

describe('protobuf payloads', () => {
  let folder: string;
  let outside: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'decode-proto-'));
    outside = await mkdtemp(join(tmpdir(), 'decode-outside-'));
    await put('proto/order.proto', ORDER);
    await put('proto/common/money.proto', MONEY);
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
    await rm(outside, { recursive: true, force: true });
  });

  async function put(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }

  function trusted(): TrustedFolder {
    const found = TrustedFolder.of(folder, true);
    assert.ok(found);
    return found;
  }

  async function decode(bytes: Uint8Array, more: Partial<ProtobufSetting> = {}): Promise<Outcome> {
    const decoder = await loadProtobuf(trusted(), { ...setting, ...more });
    return decoder(bytes, 'TEXT');
  }

  function encode(message: object): Uint8Array {
    const { root } = protobuf.parse(ORDER.replaceAll(/^import.*$|.*Timestamp at.*|.*Money total.*/gm, ''), {
      keepCase: true,
    });
    return root.lookupType('shop.Order').encode(message).finish();
  }

  it('shows all kinds of fields exactly', async () => {
    const bytes = encode({
      id: 2 ** 53 - 1,
      customer: 'Ö"x',
      lines: [{ sku: 'a', price: 0.1 }, { sku: 'b' }],
      status: 1,
      counts: { apples: 3 },
      packed: [1, -2],
      balance: -5,
      weight: 1.25,
      raw: new Uint8Array([0, 255]),
      gift: true,
      offset: -9,
      negative: -1,
      parent: { id: 1 },
    });
    const shown = await decode(bytes);
    assert.ok('text' in shown, JSON.stringify(shown));
    assert.match(
      shown.line,
      /^id: 9007199254740991 customer: "Ö\\"x" lines \{ sku: "a" price: 0\.1 \} lines \{ sku: "b" \} status: PAID counts \{ key: "apples" value: 3 \}/,
    );
    for (const row of [
      'packed: [1, -2]',
      'balance: -5',
      'weight: 1.25',
      "raw: h'00ff'",
      'gift: true',
      'offset: -9',
      'negative: -1',
      'parent {\n  id: 1\n}',
    ]) {
      assert.ok(shown.text.split(/\n(?=\w)/).includes(row), `${row} in\n${shown.text}`);
    }
  });

  it('finds imports beside the importing file and the well-known types', async () => {
    const bytes = Buffer.from('3a0408800810055a0308d209'.replace('0408800810055a', '0508800810055a'), 'hex');
    const shown = await decode(bytes);
    assert.ok('line' in shown, JSON.stringify(shown));
    assert.equal(shown.line, 'at { seconds: 1024 nanos: 5 } total { cents: 1234 }');
  });

  it('skips a head and checks a length prefix, when told so', async () => {
    const message = encode({ id: 1, customer: 'x' });
    const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, 9, message.length]), message]);
    const shown = await decode(framed, { skipBytes: 5, lengthPrefixed: true });
    assert.deepEqual(shown, { line: 'id: 1 customer: "x"', text: 'id: 1\ncustomer: "x"' });
    const cut = await decode(framed.subarray(0, -1), { skipBytes: 5, lengthPrefixed: true });
    assert.match('why' in cut ? cut.why : '', /length prefix says 5 bytes where 4 follow/);
    const short = await decode(new Uint8Array([1]), { skipBytes: 5 });
    assert.match('why' in short ? short.why : '', /ends too early/);
  });

  it('shows fields that the schema does not know by number, and refuses bytes in which it knows none', async () => {
    const shown = await decode(encode({ id: 1, customer: 'x' }), { type: 'shop.Slim' });
    assert.ok('line' in shown);
    assert.equal(shown.line, "id: 1 2: h'78'");
    const none = await decode(encode({ customer: 'x' }), { type: 'shop.Slim' });
    assert.match('why' in none ? none.why : '', /no field of shop\.Slim/);
    for (const [bytes, why] of [
      [[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], /ends too early/],
      [[0x00, 0x01], /no field number 0/],
      [[0x0c], /end of group 1 in it ends nothing/],
      [[0x0b], /group 1 has no end/],
      [[0x08, ...Array<number>(11).fill(0xff)], /longer than ten bytes/],
      [[0x12, 0x01, 0xff], /not valid UTF-8/],
      [[0x0e], /no wire type 6/],
    ] as const) {
      const refused = await decode(new Uint8Array(bytes));
      assert.match('why' in refused ? refused.why : 'taken', why);
    }
  });

  it('bounds nesting', async () => {
    let bytes: Uint8Array = new Uint8Array([0x08, 0x01]);
    for (let depth = 0; depth < 500; depth += 1) {
      const { length } = bytes;
      const head = length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
      bytes = Buffer.concat([new Uint8Array([0x7a, ...head]), bytes]);
    }
    const refused = await decode(bytes);
    assert.match('why' in refused ? refused.why : '', /more than 64 levels/);
    const groups = await decode(new Uint8Array(60_000).fill(0x7b));
    assert.match('why' in groups ? groups.why : '', /more than 64 levels/);
  });

  it('says in a sentence what is wrong with the schema', async () => {
    await put('broken.proto', 'message {');
    await put('loose.proto', 'syntax = "proto3"; message A { B b = 1; }');
    await put('lost.proto', 'import "nowhere.proto";');
    await put('huge.proto', ' '.repeat(1024 * 1024 + 1));
    for (const [file, type, why] of [
      ['none.proto', 'A', /there is no file none\.proto in the workspace folder/],
      ['broken.proto', 'A', /broken\.proto is not a \.proto file that can be parsed: illegal/],
      ['loose.proto', 'A', /loose\.proto cannot be used: .*B/],
      ['lost.proto', 'A', /no file nowhere\.proto, which lost\.proto imports/],
      ['huge.proto', 'A', /huge\.proto is larger than 1048576 bytes/],
      ['proto', 'A', /proto is not an ordinary file/],
      ['proto/order.proto', 'shop.Nothing', /define no message shop\.Nothing/],
      ['proto/order.proto', 'shop.Order.Status', /define no message/],
      ['proto/order.proto', '__proto__', /define no message/],
    ] as const) {
      await assert.rejects(loadProtobuf(trusted(), { ...setting, file, type }), why);
    }
  });

  it('reads nothing outside of the workspace folder', async () => {
    const secret = join(outside, 'secret.proto');
    await writeFile(secret, 'syntax = "proto3"; message A { int32 a = 1; }');
    await symlink(secret, join(folder, 'link.proto'));
    await put('up.proto', `import "../${outside.split('/').at(-1)}/secret.proto";`);
    await put('absolute.proto', `import "${secret}";`);
    for (const file of [secret, 'link.proto', `../${outside.split('/').at(-1)}/secret.proto`, 'up.proto']) {
      await assert.rejects(
        loadProtobuf(trusted(), { ...setting, file, type: 'A' }),
        /outside of the workspace folder|must be relative to the workspace folder/,
      );
    }
    await assert.rejects(loadProtobuf(trusted(), { ...setting, file: 'absolute.proto', type: 'A' }));
  });

  it('is in force for its cluster once it is read, and tells of it', async () => {
    const decoders = new Decoders();
    try {
      const bytes = encode({ id: 1, gift: true });
      const read = new Promise<string>((resolve) => decoders.onChange(resolve));
      decoders.configure([{ cluster: 'orders', folder, decoder: setting }], true);
      assert.equal(decoders.line('orders', bytes).decoder, 'hex', 'not read yet');
      assert.equal((await decoders.full('orders', bytes)).line, 'id: 1 gift: true');
      assert.equal(await read, 'orders');
      assert.deepEqual(decoders.line('orders', bytes), {
        decoder: 'protobuf',
        guess: false,
        line: 'id: 1 gift: true',
      });
      assert.equal(decoders.line('other', bytes).decoder, 'hex');
    } finally {
      decoders.dispose();
    }
  });

  it('is not read before trust', async () => {
    const decoders = new Decoders();
    decoders.configure([{ cluster: 'orders', folder, decoder: setting }], false);
    const decoded = await decoders.full('orders', encode({ id: 1, gift: true }));
    assert.equal(decoded.decoder, 'hex');
    assert.match(decoded.attempts[0]?.why ?? '', /workspace is not trusted/);
    assert.equal(TrustedFolder.of(folder, false), undefined);
  });
});
