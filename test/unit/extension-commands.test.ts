import assert from 'node:assert/strict';
import { parseAddress } from '../../extension/commands/addresses.ts';
import { targetOf } from '../../extension/commands/target.ts';
import { clock, count, duration, plural, sentence } from '../../shared/wording.ts';

describe('addresses that people type', () => {
  it('are base URLs; a bare host and port is http', () => {
    assert.deepEqual(parseAddress(' 127.0.0.1:7001 '), { ok: true, address: 'http://127.0.0.1:7001' });
    assert.deepEqual(parseAddress('http://localhost:7001/'), { ok: true, address: 'http://localhost:7001' });
    assert.deepEqual(parseAddress('http://[::1]:7001'), { ok: true, address: 'http://[::1]:7001' });
    assert.deepEqual(parseAddress('https://raft.example:7001'), {
      ok: true,
      address: 'https://raft.example:7001',
    });
  });

  it('send no token in the clear over a network', () => {
    for (const text of ['http://raft.example:7001', '10.0.0.7:7001', 'http://127.0.0.1.evil.example:1']) {
      const parsed = parseAddress(text);
      assert.equal(parsed.ok, false, text);
      assert.match(parsed.ok ? '' : parsed.reason, /https/);
    }
  });

  it('are refused with one sentence where they are something else', () => {
    for (const text of [
      '',
      'file:///etc/passwd',
      'http://u:p@127.0.0.1:1',
      'http://127.0.0.1:1/x',
      'http://',
      'a b',
    ]) {
      const parsed = parseAddress(text);
      assert.equal(parsed.ok, false, text);
      assert.match(parsed.ok ? '' : parsed.reason, /^[A-Z].*\.$/);
    }
  });
});

describe('what a command is called on', () => {
  it('an item of the tree, or plain data', () => {
    assert.deepEqual(targetOf({ id: 'node:orders/n1', model: { cluster: 'orders', node: 'n1' } }), {
      cluster: 'orders',
      node: 'n1',
    });
    assert.deepEqual(targetOf({ id: 'cluster:orders', model: { cluster: 'orders', node: '' } }), {
      cluster: 'orders',
    });
    assert.deepEqual(targetOf({ cluster: 'orders', about: 'entry', id: '12' }), {
      cluster: 'orders',
      about: 'entry',
      id: '12',
    });
  });

  it('a whole fault, with defaults for what its kind does not need', () => {
    const given = { cluster: 'orders', node: 'n1', fault: { kind: 'CUT', peer: 'n2', ttlMs: 5_000 } };
    assert.deepEqual(targetOf(given).fault, {
      ...{ kind: 'CUT', peer: 'n2', direction: 'BOTH', ttlMs: 5_000 },
      ...{ delayMs: 0, jitterMs: 0, share: 0 },
    });
    for (const fault of [
      { kind: 'MELT', ttlMs: 1 },
      { kind: 'CUT', peer: '../x', ttlMs: 1 },
      { kind: 'CUT' },
    ]) {
      assert.deepEqual(targetOf({ ...given, fault }), {});
    }
  });

  it('anything else counts as nothing', () => {
    for (const argument of [undefined, null, 7, 'orders', { cluster: '../x' }, { cluster: 'a', index: -1 }]) {
      assert.deepEqual(targetOf(argument), {});
    }
    assert.deepEqual(targetOf({ uri: 'file:///etc/passwd' }), {});
    assert.deepEqual(targetOf({ uri: 'raft-log:/doctor.md' }), { uri: 'raft-log:/doctor.md' });
  });
});

describe('numbers for people', () => {
  it('name their unit', () => {
    assert.equal(count(1_204_331), '1,204,331');
    assert.deepEqual(
      [0, 0.42, 40, 999.4, 1_240, 12_400, 119_000, 150_000, 3_599_000, 9_000_000].map(duration),
      ['0 ms', '0.4 ms', '40 ms', '999 ms', '1.2 s', '12.4 s', '119 s', '3 min', '60 min', '2.5 h'],
    );
    assert.equal(plural(1, 'node'), '1 node');
    assert.equal(plural(2, 'entry', 'entries'), '2 entries');
    assert.match(clock(0), /^\d\d:\d\d:\d\d\.000$/);
  });

  it('the reason of an error becomes a sentence where it stands alone', () => {
    assert.equal(sentence('no node of orders answers'), 'No node of orders answers.');
    assert.equal(sentence('n1: it answered 503'), 'n1: it answered 503.');
    assert.equal(sentence('It needs a trusted workspace.'), 'It needs a trusted workspace.');
    assert.equal(sentence('raft-log:/x names no document'), 'raft-log:/x names no document.');
  });
});
