/** One entry with its payload decoded, for the panel and the editor. Rejects with InspectError. */
import type { EntryDetails } from '../../shared/panel-protocol.ts';
import { safeBlock, safeLine } from '../../shared/safe-text.ts';
import { InspectError, type Inspected } from './contract.ts';

/** What turns bytes into text; it may hang on a decoder of the user's own, which has its own bounds. */
export type DecodeFull = (
  cluster: string,
  payload: Uint8Array,
) =>
  | { readonly decoder: string; readonly text: string }
  | Promise<{ readonly decoder: string; readonly text: string }>;

/** Characters of the decoded payload. The rest is cut, with a sign. */
const TEXT_CHARS = 64 * 1024;

export async function entryDetails(
  inspected: Inspected,
  decode: DecodeFull,
  { cluster, node, index }: { readonly cluster: string; readonly node: string; readonly index: number },
): Promise<EntryDetails> {
  const page = await inspected.log(cluster, node, index, index);
  const entry = page.entries.find((one) => one.index === index);
  if (entry === undefined) {
    const held =
      page.lastIndex < page.firstIndex
        ? 'its log is empty'
        : `its log holds ${page.firstIndex} to ${page.lastIndex}`;
    throw new InspectError(`the node ${node} has no entry ${index}: ${held}`);
  }
  const decoded = await decode(cluster, Buffer.from(entry.command, 'base64'));
  return {
    node,
    index,
    term: entry.term,
    kind: safeLine(entry.kind, 64),
    size: entry.size,
    time: entry.time,
    decoded: { decoder: safeLine(decoded.decoder, 64), text: safeBlock(decoded.text, TEXT_CHARS) },
  };
}
