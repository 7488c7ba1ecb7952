/** Every script of `scripts/` is one test: the whole printed run must be what the script says. */
import assert from 'node:assert/strict';
import { readScript, runScript, scriptNames } from './runner.ts';
import { formatScript, parseScript, type Script } from './script.ts';

function verify(script: Script): void {
  for (const block of script.blocks) {
    assert.ok(
      block.expected,
      `line ${block.commands[0]?.line}: this block expects nothing (no ----): use --rewrite`,
    );
  }
  const expected = script.blocks.map((block) => [...(block.expected ?? [])]);
  // Compared as text, so that the difference reads like the script.
  assert.equal(formatScript(script, runScript(script)), formatScript(script, expected));
}

describe('transcripts', () => {
  const names = scriptNames();

  it('are all there', () => {
    assert.ok(names.length >= 36, `${names.length} scripts`);
  });

  for (const name of names) it(name, () => verify(readScript(name)));

  it('fail when a line of the run differs', () => {
    const wrong = parseScript('add-nodes 1\n----\nok\n\ncampaign 1\n----\nok\n');
    assert.throws(() => verify(wrong), /n1 is CANDIDATE/);
  });

  it('fail when the expectation is missing', () => {
    assert.throws(() => verify(parseScript('add-nodes 1\n')), /line 1: this block expects nothing/);
  });

  it('fail on a command nobody knows, and on words that are left over', () => {
    assert.throws(() => verify(parseScript('dance 1\n----\nok\n')), /line 1, dance 1: no command/);
    assert.throws(() => verify(parseScript('add-nodes 1 colour=red\n----\nok\n')), /not understood: colour/);
  });

  it('fail when the core finds an invariant broken: a second leader in its term', () => {
    const second = 'add-nodes 2\nelect 1\ninject 2->1 Append term=1 prev=0@0\ndeliver\n----\nok\n';
    assert.throws(() => verify(parseScript(second)), /line 4, deliver: two leaders in term 1: n1 and n2/);
  });

  it('are written back as they were', () => {
    const text = '# title\n\nadd-nodes 1\n----\nok\n\n# then\ncampaign 1\nstatus\n----\na\nb\n\n# end\n';
    const script = parseScript(text);
    assert.equal(
      formatScript(
        script,
        script.blocks.map((block) => block.expected ?? []),
      ),
      text,
    );
  });
});
