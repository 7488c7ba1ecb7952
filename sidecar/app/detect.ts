/**
 * Which codec a connection speaks, from its first bytes, however they were cut.
 *
 * MUST: decide at the first byte that leaves no choice.
 */
import { type CodecName, PROTOBUF_PREAMBLE } from '../../shared/wire/app-codec.ts';

const OPEN_BRACE = 0x7b;

export type Detected =
  | { readonly codec: CodecName; readonly preambleBytes: number }
  | 'NEED_MORE'
  | 'UNKNOWN';

export function detectCodec(head: Buffer): Detected {
  if (head.length === 0) return 'NEED_MORE';
  if (head[0] === OPEN_BRACE) return { codec: 'json', preambleBytes: 0 };
  const seen = Math.min(head.length, PROTOBUF_PREAMBLE.length);
  if (head.compare(PROTOBUF_PREAMBLE, 0, seen, 0, seen) !== 0) return 'UNKNOWN';
  if (seen < PROTOBUF_PREAMBLE.length) return 'NEED_MORE';
  return { codec: 'protobuf', preambleBytes: PROTOBUF_PREAMBLE.length };
}
