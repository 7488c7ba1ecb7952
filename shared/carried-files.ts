/**
 * Files that a program carries inside itself: the single executable has no folder beside it. They go by the paths that they have in
 * the packed command, such as `dist/webview/index.html`.
 *
 * MUST: know nothing of how they are carried. Whoever reads a file of ours asks here first; elsewhere there are none.
 */

type Reader = (path: string) => Uint8Array | undefined;

let read: Reader = () => undefined;

/** Once, before anything asks. */
export function carryFiles(reader: Reader): void {
  read = reader;
}

/** The file, or undefined where it is not carried. It may be memory that cannot be written to. */
export function carriedFile(path: string): Uint8Array | undefined {
  return read(path);
}
