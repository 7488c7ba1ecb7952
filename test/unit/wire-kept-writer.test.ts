import assert from 'node:assert/strict';
import protobuf from 'protobufjs';
import { written } from '../../shared/wire/kept-writer.ts';

describe('the kept protobuf writer', () => {
  const message = (text: string) => (writer: protobuf.Writer) => {
    writer.uint32(10).fork().string(text).ldelim();
  };
  const fresh = (text: string): Buffer => {
    const writer = protobuf.Writer.create();
    message(text)(writer);
    return writer.finish() as Buffer;
  };

  it('gives each use an empty one, and a buffer of its own', () => {
    const first = written(message('first, and longer'));
    const second = written(message('second'));
    assert.deepEqual(first, fresh('first, and longer'));
    assert.deepEqual(second, fresh('second'));
  });

  it('forgets what was begun when a use fails within a nested message', () => {
    assert.throws(() =>
      written((writer) => {
        writer.uint32(10).fork().string('half');
        throw new TypeError('no such frame');
      }),
    );
    assert.deepEqual(written(message('whole')), fresh('whole'));
  });

  it('serves a use within a use, and one that is larger than what it keeps', () => {
    const large = 'x'.repeat(3_000_000);
    const outer = written((writer) => writer.bytes(written(message('inner'))).string(large));
    assert.deepEqual(outer.subarray(1, 1 + fresh('inner').length), fresh('inner'));
    assert.deepEqual(written(message('after')), fresh('after'));
  });
});
