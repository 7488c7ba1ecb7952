/** The state of examples/typescript-kv: what the copies in other languages make of the same commands. */
import assert from 'node:assert/strict';
import { State, stateFrom } from '../../examples/typescript-kv/state.ts';

const REFUSED = { error: 'not a command of this app' };

function execute(state: State, command: string | Uint8Array) {
  return state.execute(typeof command === 'string' ? Buffer.from(command) : command);
}

/** What no JSON printer would write: bytes as they are. */
const COMMANDS: readonly [string | Uint8Array, object][] = [
  ['{"op":"put","key":"b","value":"1"}', { existed: false }],
  ['{"op":"put","key":"ä€😀","value":"\\u0001 \\u007f \\n \\"q\\" \\\\ /"}', { existed: false }],
  ['{"op":"put","key":"10","value":""}', { existed: false }],
  ['{"op":"put","key":"9","value":"x"}', { existed: false }],
  ['{"op":"put","key":"\uffee","value":"bmp"}', { existed: false }],
  ['{"op":"put","key":"__proto__","value":"p"}', { existed: false }],
  ['{"op":"put","key":"b","value":"2"}', { existed: true }],
  ['{"op":"delete","key":"9"}', { existed: true }],
  ['{"op":"delete","key":"9"}', { existed: false }],
  ['{"op":"put","key":"n","value":1}', REFUSED],
  ['{"op":"put","key":"\\ud800","value":"1"}', REFUSED],
  ['\ufeff{"op":"put","key":"x"}', REFUSED],
  ['[]', REFUSED],
  ['{"op":"put","key":"only"}', { existed: false }],
  ['{"op":"get","key":"b"}', REFUSED],
  ['nonsense', REFUSED],
  [Uint8Array.of(0xff), REFUSED],
];

/** As examples/python-kv made it of the same commands. */
const TEXT =
  '{"10": "", "__proto__": "p", "b": "2", "only": "", "\\u00e4\\u20ac\\ud83d\\ude00": "\\u0001 \\u007f \\n \\"q\\" \\\\ /", "\\uffee": "bmp"}';
const HASH = '5be78cbd06e5fa828b44bc75f784a654';

describe('the state of the key-value example in TypeScript', () => {
  it('answers, looks and hashes as the one in Python', () => {
    const state = new State();
    for (const [command, answer] of COMMANDS)
      assert.deepEqual(execute(state, command), answer, String(command));
    assert.equal(state.text(), TEXT);
    assert.equal(Buffer.from(state.hash()).toString('hex'), HASH);
    assert.equal(state.get('__proto__'), 'p');
  });

  it('comes back from its text, and from no other', () => {
    const back = stateFrom(Buffer.from(TEXT));
    assert.equal(back.text(), TEXT);
    assert.equal(Buffer.from(back.hash()).toString('hex'), HASH);
    for (const bad of ['', '[]', '{"a": 1}', TEXT.slice(0, -1)])
      assert.throws(() => stateFrom(Buffer.from(bad)), /not a JSON object of texts/);
  });

  it('has the hash of nothing when everything is deleted', () => {
    const state = new State();
    const empty = state.hash();
    execute(state, '{"op":"put","key":"a","value":"1"}');
    assert.notDeepEqual(state.hash(), empty);
    execute(state, '{"op":"delete","key":"a"}');
    assert.deepEqual(state.hash(), empty);
  });
});
