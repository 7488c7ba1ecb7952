/**
 * Links in hovers. The editor follows only a few schemes there, and `raft-log:` is none of them: what is a link to a document of
 * the aggregator becomes one to our command that opens it.
 *
 * MUST: be pure; make commands of nothing else, since hovers may run the one command that is named here.
 */
import { SCHEME } from '../protocol.ts';

/** Takes `{ uri }`, and opens nothing but documents of the aggregator. */
export const OPEN_URI = 'outrigger.openUri';

/** A name of a document has none of these letters; a payload has them escaped, or is in a fence. */
const LINK = new RegExp(`\\]\\((${SCHEME}:/[A-Za-z0-9._/#-]+)\\)`, 'g');

export function withCommandLinks(markdown: string): string {
  return markdown.replaceAll(
    LINK,
    (_link, uri: string) => `](command:${OPEN_URI}?${encodeURIComponent(JSON.stringify([{ uri }]))})`,
  );
}
