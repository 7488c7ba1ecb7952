/** What commands print: aligned, coloured only on a terminal, and nothing that a terminal would obey. */
import assert from 'node:assert/strict';
import { commandText } from '../../sidecar/cli/commands/log.ts';
import { createTerminal, harmless, tableLines } from '../../sidecar/cli/terminal.ts';

const COLUMNS = [{ title: 'NODE' }, { title: 'TERM', align: 'right' }, { title: 'WHY' }] as const;

const ESCAPE = '\u001b[';

/** What a terminal of this kind prints. */
function printed(isTTY: boolean, env: NodeJS.ProcessEnv): string {
  let text = '';
  const terminal = createTerminal({ isTTY, write: (data) => (text += String(data)) }, env);
  terminal.table(COLUMNS, [['n1', { text: 7, paint: terminal.colors.green }, 'fine']]);
  return text;
}

describe('output of the command line', () => {
  it('aligns columns and ends no line in blanks', () => {
    const rows = [
      ['n1', 7, 'fine'],
      ['node-with-a-name', 12345, ''],
    ];
    assert.deepEqual(tableLines(COLUMNS, rows), [
      'NODE               TERM  WHY',
      'n1                    7  fine',
      'node-with-a-name  12345',
    ]);
  });

  it('aligns by what is seen, not by colour codes', () => {
    const paint = (text: string): string => `<${text}>`;
    assert.deepEqual(tableLines(COLUMNS, [[{ text: 'n1', paint }, { text: 7, paint }, 'x']]), [
      'NODE  TERM  WHY',
      '<n1  >  <   7>  x',
    ]);
  });

  it('colours a terminal and nothing else', () => {
    assert(printed(true, {}).includes(ESCAPE));
    assert.equal(printed(false, {}), 'NODE  TERM  WHY\nn1       7  fine\n');
  });

  it('is plain in a pipe in CI, and with NO_COLOR', () => {
    assert(!printed(false, { CI: 'true', TERM: 'xterm' }).includes(ESCAPE));
    assert(!printed(true, { NO_COLOR: '1' }).includes(ESCAPE));
    assert(!printed(true, { TERM: 'dumb' }).includes(ESCAPE));
    assert(printed(false, { FORCE_COLOR: '1' }).includes(ESCAPE));
  });

  it('disarms control characters in cells', () => {
    assert.equal(harmless('a\u001b[2Jb\nc\u202Ed'), 'a?[2Jb?c?d');
    assert.deepEqual(tableLines([{ title: 'X' }], [['\u001b]0;title\u0007']]), ['X', '?]0;title?']);
  });

  it('shows a command as text where it is printable, else in hex', () => {
    const of = (bytes: string | number[]): string => commandText(Buffer.from(bytes as string));
    assert.equal(of('{"op":"put"} ñ 日本'), '{"op":"put"} ñ 日本');
    assert.equal(of(''), '');
    assert.equal(of('two\nlines'), '0x74776f0a6c696e6573');
    assert.equal(of([0xff, 0x00]), '0xff00');
    assert.equal(of('\u202Ehidden'), '0xe280ae68696464656e');
    assert.equal([...of('x'.repeat(5000))].length, 120);
    assert(of(Array.from({ length: 5000 }, () => 1)).startsWith('0x0101'));
  });
});
