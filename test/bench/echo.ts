/**
 * A fake sidecar that answers each proposal at once: with it the load generator measures only itself.
 *
 * MUST: do nothing else. A ceiling close to a system's figures would mean that the generator is the limit.
 */
import { createServer } from 'node:net';
import { FrameReader, PREAMBLE, sidecarFrame } from './frames.ts';

/** Listens on `path` until its parent ends. */
export function runEcho(path: string): void {
  const result = Buffer.alloc(8);
  let index = 0;
  const server = createServer((socket) => {
    const frames = FrameReader.ofApp();
    let skip = PREAMBLE.length;
    socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(skip, chunk.length);
      skip -= skipped;
      const answers: Uint8Array[] = [];
      frames.take(chunk.subarray(skipped), (frame) => {
        if (frame.hello) answers.push(sidecarFrame({ welcome: { protocol: 1, node: 'echo' } }));
        if (frame.propose)
          answers.push(sidecarFrame({ proposed: { id: frame.propose.id, index: ++index, term: 1, result } }));
      });
      if (answers.length > 0) socket.write(Buffer.concat(answers));
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(path);
}
