/**
 * Makes text from payloads and peers harmless to show: in documents, hovers, trees, terminals and pages.
 *
 * MUST: leave nothing that a terminal, a text renderer or a reader's eye could be fooled by: control characters, escape
 * sequences, bidirectional controls, zero-width and other invisible characters are written as visible escapes. Must be pure.
 * MUST: look only at what is shown, so that 10 MB cost no more than the first lines of them.
 *
 * Lengths are UTF-16 units (`text.length`). `maxChars` bounds what is shown, escapes included; the sign of the cut comes on
 * top and says how many units of the text were left out. A pair of surrogates or an escape is shown whole or not at all.
 * Backslashes of the text stay as they are, so that safe text stays the same when it is made safe again.
 */

/**
 * What is never shown as it is, by Unicode's own classes: control characters (C0 with ESC, DEL, C1), format characters (bidi
 * controls, zero width, tags, soft hyphen), lone surrogates, private use, line and paragraph separators, whatever is
 * invisible by default (variation selectors, fillers) or no character at all; and the blank of Braille.
 */
const HIDDEN_CLASS =
  '\\p{Cc}\\p{Cf}\\p{Cs}\\p{Co}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}\\p{Noncharacter_Code_Point}\\u2800';
const HIDDEN = new RegExp(`^[${HIDDEN_CLASS}]$`, 'u');

/** So many combining marks on one character are shown; more would be drawn over the lines above and below. */
const MARKS_SHOWN = 4;
const MARK = /^\p{M}$/u;

/** Characters that are shown whatever is beside them: taken at once, since thousands of lines are made safe at a time. */
const PLAIN_RUN = new RegExp(`[^${HIDDEN_CLASS}\\p{M}]+`, 'uy');

function isHidden(char: string, codePoint: number): boolean {
  if (codePoint < 0x7f) return codePoint < 0x20;
  return HIDDEN.test(char);
}

const SHORT_ESCAPES: Readonly<Record<number, string>> = { 9: '\\t', 10: '\\n', 13: '\\r' };

function escapeOf(codePoint: number): string {
  return SHORT_ESCAPES[codePoint] ?? `\\u{${codePoint.toString(16)}}`;
}

/** What `text` has at `at` of characters that need no look each, at most `room` units, no pair cut in two. */
function plainRun(text: string, at: number, room: number): string {
  if (room < 1) return '';
  PLAIN_RUN.lastIndex = at;
  if (!PLAIN_RUN.test(text)) return '';
  const end = Math.min(PLAIN_RUN.lastIndex, at + room);
  const cutsPair = end < PLAIN_RUN.lastIndex && (text.codePointAt(end - 1) ?? 0) > 0xffff;
  return text.slice(at, cutsPair ? end - 1 : end);
}

/** What is shown of `text`, and how many of its UTF-16 units are not. `kept`: control characters that stay. */
function show(
  text: string,
  maxChars: number,
  kept: string,
): { readonly shown: string; readonly left: number } {
  // No more of it can be shown: an escape is longer than what it stands for.
  const head = text.slice(0, maxChars);
  let shown = '';
  let marks = 0;
  let at = 0;
  while (at < text.length) {
    const run = plainRun(head, at, maxChars - shown.length);
    if (run !== '') {
      marks = 0;
      shown += run;
      at += run.length;
      continue;
    }
    const codePoint = text.codePointAt(at) ?? 0;
    const char = String.fromCodePoint(codePoint);
    marks = codePoint >= 0x300 && MARK.test(char) ? marks + 1 : 0;
    const hidden = (isHidden(char, codePoint) && !kept.includes(char)) || marks > MARKS_SHOWN;
    const piece = hidden ? escapeOf(codePoint) : char;
    if (shown.length + piece.length > maxChars) break;
    shown += piece;
    at += char.length;
  }
  return { shown, left: text.length - at };
}

function withSign({ shown, left }: { readonly shown: string; readonly left: number }): string {
  return left === 0 ? shown : `${shown}… (${left} more ${left === 1 ? 'character' : 'characters'})`;
}

/** One line: also line breaks and tabs are escaped; cut at `maxChars` with a sign that it was cut. */
export function safeLine(text: string, maxChars = 200): string {
  return withSign(show(text, maxChars, ''));
}

/** Several lines: keeps \n and tabs (which move no cursor back), escapes \r; cut at `maxChars`. */
export function safeBlock(text: string, maxChars = 65_536): string {
  return withSign(show(text, maxChars, '\n\t'));
}

/**
 * Text inside markdown (hovers, reports), as one line: nothing in it is markup, HTML, a link or an image. Every ASCII
 * punctuation mark is backslash-escaped, which every dialect of markdown takes literally and no link detection looks through.
 */
export function safeMarkdown(text: string, maxChars = 2_000): string {
  return safeLine(text, maxChars)
    .replace(/[!-/:-@[-`{-~]/g, '\\$&')
    .replace(/^ /, '&#32;')
    .replace(/ $/, '&#32;');
}

/** Several lines as a fenced code block of markdown: the fence is longer than any run of backticks in the text. */
export function safeFence(text: string, maxChars = 65_536): string {
  const body = safeBlock(text, maxChars);
  const longest = Math.max(2, ...(body.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${body}\n${fence}`;
}
