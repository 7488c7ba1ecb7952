/**
 * One protobuf writer, kept between uses: a new one begins with 128 bytes and is copied each time it doubles.
 *
 * MUST: give every use an empty writer, also after one that threw half-way.
 */
import protobuf from 'protobufjs';

/** A writer that had to grow beyond this is dropped after its use. */
const KEPT_BYTES = 1024 * 1024;

let kept: protobuf.Writer | undefined;

/** What `write` wrote, in a buffer of its own. */
export function written(write: (writer: protobuf.Writer) => void): Buffer {
  const writer = kept ?? protobuf.Writer.create();
  kept = undefined; // until `write` has ended well
  write(writer);
  const bytes = writer.finish() as Buffer;
  if (bytes.length <= KEPT_BYTES) kept = writer.reset();
  return bytes;
}
