/**
 * Loads the two .proto files, which are the source of truth for everything that leaves a process.
 *
 * MUST: be the only place that configures protobufjs. 64-bit fields are plain numbers (every one of ours
 * is < 2^53; `assertSafeIndex` holds it where they enter), so Long is switched off.
 */
import protobuf from 'protobufjs';
import appProto from '../proto/app.proto';
import peerProto from '../proto/peer.proto';

protobuf.util.Long = null as never;
protobuf.configure();

function load(source: string): protobuf.Root {
  const { root } = protobuf.parse(source, { keepCase: false, alternateCommentMode: true });
  root.resolveAll();
  return root;
}

export const appSchema: protobuf.Root = load(appProto);
export const peerSchema: protobuf.Root = load(peerProto);
