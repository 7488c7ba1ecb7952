/** The golden vectors name every frame; what they say is the same is read the same, and what they refuse is refused. */
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

interface Bytes {
  readonly name: string;
  readonly from: 'app' | 'sidecar';
  readonly json?: string;
  readonly protobuf?: string;
}

interface Vectors {
  readonly vectors: readonly Bytes[];
  readonly same: readonly (Bytes & { readonly how: string })[];
  readonly refused: readonly (Bytes & { readonly frame: 'bad' | 'broken' })[];
}

const { vectors, same, refused }: Vectors = JSON.parse(readFileSync('test/conformance/vectors.json', 'utf8'));

function read(
  from: Bytes['from'],
  name: CodecName,
  text: string,
): AppFrame | SidecarFrame | BadFrame | undefined {
  const codec = from === 'app' ? sidecarCodec(name) : appCodec(name);
  codec.push(name === 'json' ? Buffer.from(`${text}\n`) : Buffer.from(text, 'hex'));
  return codec.next();
}

/** The codecs in which these bytes are given. */
function forms({ json, protobuf }: Bytes): [CodecName, string][] {
  const given: [CodecName, string | undefined][] = [
    ['json', json],
    ['protobuf', protobuf],
  ];
  return given.filter((form): form is [CodecName, string] => form[1] !== undefined);
}

describe('the golden vectors', () => {
  it('have every frame of both sides', () => {
    for (const [from, type] of [
      ['app', 'AppFrame'],
      ['sidecar', 'SidecarFrame'],
    ] as const) {
      const names = appSchema.lookupType(`outrigger.app.v1.${type}`).fieldsArray.map(({ name }) => name);
      const had = vectors
        .filter((one) => one.from === from)
        .map((one) => Object.keys(JSON.parse(one.json ?? ''))[0]);
      assert.deepEqual([...new Set(had)].sort(), names.sort());
    }
  });

  for (const one of same) {
    it(`${one.from}: ${one.name} in other bytes: ${one.how} (${forms(one).map(([name]) => name)})`, () => {
      const meant = vectors.find(({ from, name }) => from === one.from && name === one.name);
      const right = read(one.from, 'json', meant?.json ?? '');
      for (const [name, text] of forms(one)) assert.deepEqual(read(one.from, name, text), right);
    });
  }

  for (const one of refused) {
    it(`refused: ${one.name} (${forms(one).map(([name]) => name)})`, () => {
      for (const [name, text] of forms(one)) {
        if (one.frame === 'broken') assert.throws(() => read(one.from, name, text), BrokenFraming);
        else assert.ok(read(one.from, name, text) instanceof BadFrame, name);
      }
    });
  }
});
