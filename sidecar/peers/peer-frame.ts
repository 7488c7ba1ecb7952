/**
 * One PeerFrame of peer.proto as bytes, and back: what handshake and messages have in common.
 *
 * MUST: throw a FrameError, and nothing else, for bytes that are not one.
 */
import type protobuf from 'protobufjs';
import { written } from '../../shared/wire/kept-writer.ts';
import { peerSchema } from '../../shared/wire/schema.ts';
import { FrameError, sealFrame } from './framing.ts';

const PeerFrame = peerSchema.lookupType('outrigger.peer.v1.PeerFrame');

/** The frame of `body`, encoded behind room for the frame's header so that it is not copied for it. */
export function encodeFrame(group: string, term: number, field: string, body: object): Buffer {
  return sealFrame(
    written((writer) => {
      PeerFrame.encode({ group, term, [field]: body }, writer.fixed32(0).fixed32(0));
    }),
  );
}

/** Decodes to protobufjs' own object: absent fields have their defaults, integers may still be unsafe. */
export function decodeFrame(payload: Buffer): protobuf.ReflectedMessage {
  try {
    return PeerFrame.decode(payload);
  } catch (error) {
    throw undecodable(error);
  }
}

/** What could not be decoded, as the error of this layer. */
export function undecodable(error: unknown): FrameError {
  const why = error instanceof Error ? error.message : String(error);
  return new FrameError('UNDECODABLE', `a frame cannot be decoded: ${why}`);
}

/** A frame with this body has no place there. */
export function notAllowed(body: unknown, where: string): FrameError {
  const what = typeof body === 'string' ? `a frame with ${body}` : 'a frame without a known body';
  return new FrameError('NOT_ALLOWED', `${what} is not allowed ${where}`);
}
