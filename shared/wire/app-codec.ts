/**
 * Both codecs of the app socket (PROTOCOL §1), for both ends: the sidecar, the CLI, test clients, the load
 * generator. Bytes go in by `push`, frames come out by `next`; one codec object per connection.
 *
 * MUST: tell apart a frame that can be read but says what it may not (`BadFrame`: the connection goes on)
 * and framing that is broken (`BrokenFraming`: nothing after it can be trusted).
 * MUST NOT: know what frames mean.
 */
import type { AppFrame, SidecarFrame } from '../app-frames.ts';
import { LIMITS } from '../limits.ts';
import { BadFrame, BrokenFraming } from './app-framing.ts';
import { JsonCodec } from './app-json.ts';
import { appFramePlan, type FramePlan, sidecarFramePlan } from './app-plan.ts';
import { ProtobufCodec } from './app-protobuf.ts';

export type CodecName = 'json' | 'protobuf';

/** What a protobuf app sends before its first frame. The sidecar sends no such thing. */
export const PROTOBUF_PREAMBLE: Buffer = Buffer.from('OUTRIG/1', 'latin1');

export { BadFrame, BrokenFraming };

export interface FrameCodec<Out, In> {
  readonly name: CodecName;
  /** The bytes of these frames, in order. */
  encode(frames: readonly Out[]): Buffer;
  /** Takes bytes as they arrived. They are kept by reference: bytes fields are views into them. */
  push(chunk: Buffer): void;
  /** The next whole frame, undefined when more bytes are needed. Throws `BrokenFraming`. */
  next(): In | BadFrame | undefined;
  /** True when the bytes so far end inside a frame. */
  readonly partial: boolean;
}

function codec<Out extends { type: string }, In>(
  name: CodecName,
  out: FramePlan,
  into: FramePlan,
  frameBytes: number,
): FrameCodec<Out, In> {
  return name === 'json'
    ? new JsonCodec<Out, In>(out, into, frameBytes)
    : new ProtobufCodec<Out, In>(out, into, frameBytes);
}

/** The sidecar's end. Incoming frames over `frameBytes` are broken framing with the code TOO_LARGE. */
export function sidecarCodec(
  name: CodecName,
  frameBytes: number = LIMITS.appFrameBytes,
): FrameCodec<SidecarFrame, AppFrame> {
  return codec(name, sidecarFramePlan, appFramePlan, frameBytes);
}

/** The app's end. A protobuf app sends `PROTOBUF_PREAMBLE` first. */
export function appCodec(
  name: CodecName,
  frameBytes: number = LIMITS.appFrameBytes,
): FrameCodec<AppFrame, SidecarFrame> {
  return codec(name, appFramePlan, sidecarFramePlan, frameBytes);
}
