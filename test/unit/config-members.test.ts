/** HOST:PORT and the member list: everything that is taken, and the sentence for everything that is not. */
import assert from 'node:assert/strict';
import { formatAddress, isLoopback, parseAddress, parseMembers } from '../../sidecar/cli/address.ts';

describe('addresses and members', () => {
  it('reads addresses and writes them back', () => {
    for (const text of ['127.0.0.1:0', 'localhost:65535', '[::1]:7001', 'n1.example.com:80']) {
      assert.equal(formatAddress(parseAddress(text)), text);
    }
  });

  it('refuses what is not an address', () => {
    for (const text of [
      '',
      '127.0.0.1',
      ':80',
      '::1:80',
      'a b:1',
      'host:-1',
      'host:65536',
      'host:1x',
      'http://h:1',
    ]) {
      assert.throws(() => parseAddress(text), RangeError, text);
    }
  });

  it('knows what other machines cannot reach', () => {
    assert.deepEqual(
      ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '0.0.0.0', '::', '128.0.0.1', '127.0.0.1.evil.com'].map(
        isLoopback,
      ),
      [true, true, true, true, false, false, false, false],
    );
  });

  it('reads a list, blanks around the commas too', () => {
    assert.deepEqual(parseMembers('n1=127.0.0.1:1, n2=[::1]:2'), [
      { id: 'n1', host: '127.0.0.1', port: 1 },
      { id: 'n2', host: '::1', port: 2 },
    ]);
  });

  const refused: readonly [string, string, RegExp][] = [
    ['nothing', '', /^must be ID=HOST:PORT,ID=HOST:PORT,…, but has ""$/],
    ['an entry without =', 'n1=a:1,n2', /but has "n2"$/],
    ['an id that is none', 'n/1=a:1', /"n\/1" is not: an id must be 1 to 64 letters/],
    ['an address that is none', 'n1=a', /^must give n1 an address as HOST:PORT, not "a"$/],
    ['an id twice', 'n1=a:1,n1=b:2', /^must name each node once, but has n1 twice$/],
    ['an address twice', 'n1=a:1,n2=a:1', /^must give each node its own address, but n1 and n2 share a:1$/],
    ['port 0', 'n1=a:0', /^must give n1 a fixed port/],
    ['a wildcard', 'n1=0.0.0.0:1', /^must give n1 an address that others can dial/],
  ];
  for (const [what, text, sentence] of refused) {
    it(`refuses ${what}`, () =>
      assert.throws(() => parseMembers(text), { name: 'RangeError', message: sentence }));
  }
});
