/** Text from payloads and peers, made harmless: nothing hidden gets through, cuts are said, markup stays text. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { safeBlock, safeFence, safeLine, safeMarkdown } from '../../shared/safe-text.ts';
import { processorMs } from '../support/patience.ts';

/** What a terminal or an eye can be fooled by, by code points: said another way than the module says it. */
const DANGEROUS: readonly (readonly [number, number])[] = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x2800, 0x2800],
  [0x3164, 0x3164],
  [0xd800, 0xf8ff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff9, 0xfffb],
  [0xfffe, 0xffff],
  [0xe0000, 0xe0fff],
  [0xf0000, 0x10ffff],
];

function dangerous(text: string): boolean {
  return [...text].some((char) => {
    const point = char.codePointAt(0) ?? 0;
    return DANGEROUS.some(([first, last]) => first <= point && point <= last);
  });
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.nat(0x10ffff).map((point) => String.fromCodePoint(point))).map((parts) => parts.join('')),
  fc.array(fc.nat(0xffff).map((unit) => String.fromCharCode(unit))).map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom('\u001b[31m', '\u202e', '\ud83d', '😀', '\n', '\t', '`', '[a](b)', 'x'))
    .map((p) => p.join('')),
);

describe('safe text', () => {
  it('writes control characters, escapes, bidi controls and invisible characters visibly', () => {
    const hostile =
      '\u001b[2Ja\u0007\u009b\u007f\u202eb\u2066\u200f\u061c\u200b\u200d\u2060\ufeff\u00ad\u{e0041}\ufe0f\u2028\ue000\ud800';
    assert.equal(
      safeLine(hostile),
      '\\u{1b}[2Ja\\u{7}\\u{9b}\\u{7f}\\u{202e}b\\u{2066}\\u{200f}\\u{61c}\\u{200b}\\u{200d}\\u{2060}\\u{feff}\\u{ad}\\u{e0041}\\u{fe0f}\\u{2028}\\u{e000}\\u{d800}',
    );
  });

  it('leaves ordinary text of any script alone', () => {
    for (const text of [
      '',
      'set x=1',
      'Übergröße',
      '日本語',
      'العربية',
      'שלום',
      '😀 ok',
      'C:\\path\\new',
      'é',
    ]) {
      assert.equal(safeLine(text), text);
      assert.equal(safeBlock(text), text);
    }
  });

  it('lets nothing dangerous through, whatever comes', () => {
    fc.assert(
      fc.property(anyText, fc.nat(60), (text, max) => {
        const line = safeLine(text, max);
        assert.ok(!dangerous(line));
        assert.ok(!dangerous(safeBlock(text, max).replace(/[\n\t]/g, '')));
        assert.equal(safeLine(line, 10_000), line, 'safe text is safe already');
      }),
    );
  });

  it('hides each dangerous code point there is', () => {
    for (const [first, last] of DANGEROUS) {
      for (let point = first; point <= last; point += point > 0xffff ? 97 : 1) {
        const char = String.fromCodePoint(point);
        assert.ok(!safeLine(`a${char}b`).includes(char), point.toString(16));
      }
    }
  });

  it('keeps line breaks and tabs of a block, and writes them out in a line', () => {
    assert.equal(safeBlock('a\n\tb\r\nc'), 'a\n\tb\\r\nc');
    assert.equal(safeLine('a\n\tb\r\nc'), 'a\\n\\tb\\r\\nc');
  });

  it('says how much it left out, and cuts neither a pair nor an escape', () => {
    assert.equal(safeLine('abcdef', 4), 'abcd… (2 more characters)');
    assert.equal(safeLine('abcde', 4), 'abcd… (1 more character)');
    assert.equal(safeLine('abcd', 4), 'abcd');
    assert.equal(safeLine('abc😀', 4), 'abc… (2 more characters)');
    assert.equal(safeLine('a\u001bb', 5), 'a… (2 more characters)');
    assert.equal(safeLine('a', 0), '… (1 more character)');
    fc.assert(
      fc.property(anyText, fc.nat(30), (text, max) => {
        const shown = safeLine(text, max).replace(/… \(\d+ more characters?\)$/, '');
        assert.ok(shown.length <= max || shown === text);
        assert.ok(safeLine(text, 1e9).startsWith(shown), 'a cut changes nothing before it');
      }),
    );
  });

  it('shows no tower of combining marks', () => {
    const shown = safeLine(`e${'\u0301'.repeat(30)}x`, 1_000);
    assert.equal(shown, `e${'\u0301'.repeat(4)}${'\\u{301}'.repeat(26)}x`);
  });

  it('looks only at what it shows: 10 MB a thousand times', () => {
    const huge = '\u202e<script>'.repeat(1_200_000);
    const took = processorMs(() => {
      for (let i = 0; i < 1_000; i++) safeLine(huge, 40);
    });
    // Milliseconds; all of it would be many seconds on any machine.
    assert.ok(took < 4_000, `${took} ms`);
    assert.match(safeLine(huge, 40), /… \(\d{8} more characters\)$/);
  });
});

describe('safe text in markdown', () => {
  it('leaves no markup, no HTML and nothing that is taken for a link', () => {
    assert.equal(
      safeMarkdown('<b>[a](javascript:x) ![i](http://e) `c` www.e.com a@b.c'),
      [
        '\\<b\\>\\[a\\]\\(javascript\\:x\\) \\!\\[i\\]\\(http\\:\\/\\/e\\) \\`c\\` www\\.e\\.com a\\@b\\.c',
      ].join(''),
    );
    assert.equal(safeMarkdown('    indented'), '&#32;   indented');
    assert.equal(safeMarkdown('# not a title\n- nor a list'), '\\# not a title\\\\n\\- nor a list');
  });

  it('escapes every ASCII punctuation mark, and says the same text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const markdown = safeMarkdown(text);
        assert.doesNotMatch(markdown.replace(/\\[!-/:-@[-`{-~]|^&#32;|&#32;$/g, ''), /[!-/:-@[-`{-~\n]/);
        assert.equal(
          markdown.replaceAll('&#32;', ' ').replace(/\\([!-/:-@[-`{-~])/g, '$1'),
          safeLine(text, 2_000),
        );
      }),
    );
  });

  it('cannot be left through a fence', () => {
    assert.equal(safeFence('a\n````\n# out'), '`````text\na\n````\n# out\n`````');
    fc.assert(
      fc.property(anyText, (text) => {
        const lines = safeFence(text).split('\n');
        const fence = (lines[0] ?? '').replace('text', '');
        assert.equal(lines.at(-1), fence);
        assert.ok(lines.slice(1, -1).every((line) => !line.includes(fence)));
      }),
    );
  });
});
