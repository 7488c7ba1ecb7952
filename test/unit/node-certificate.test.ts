/** Whom a certificate names: what is read, and everything that names nobody. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { nodeOf, nodeUri, notTheNode, plainIp, readNames } from '../../shared/node-certificate.ts';
import { TestCa } from '../support/certificates.ts';

const ca = new TestCa('orders');
const namesOf = (more: Parameters<TestCa['node']>[1]) =>
  readNames(new X509Certificate(ca.node('n1', more).cert).subjectAltName);
const ofUri = (uri: string) => nodeOf({ uris: [uri], dns: [], ips: [] });

describe('names in certificates', () => {
  it('reads what it wrote', () => {
    const names = namesOf({ hosts: ['localhost', 'N1.example.org', '10.0.0.1', '2001:db8::1'] });
    assert.deepEqual(names, {
      uris: ['outrigger://orders/n1'],
      dns: ['localhost', 'n1.example.org'],
      ips: ['10.0.0.1', '2001:db8::1'],
    });
    assert.deepEqual(nodeOf(names), { cluster: 'orders', node: 'n1' });
    assert.equal(notTheNode(names, { cluster: 'orders', node: 'n1' }), undefined);
  });

  it('writes every name that a node may have so that it is read again', () => {
    for (const name of ['n1', 'N.1_a-b', '0', 'x'.repeat(64)]) {
      assert.deepEqual(ofUri(nodeUri({ cluster: name, node: name })), { cluster: name, node: name });
    }
  });

  it('is not fooled by a name that holds another one', () => {
    const smuggled = namesOf({ uri: '', hosts: ['x, URI:outrigger://orders/n1'] });
    assert.deepEqual(smuggled?.uris, []);
    assert.deepEqual(smuggled?.dns, ['x, uri:outrigger://orders/n1']);
    const inUri = namesOf({ uri: 'https://x/, URI:outrigger://orders/n1', hosts: [] });
    assert.deepEqual(inUri?.uris, ['https://x/, URI:outrigger://orders/n1']);
    assert.match(notTheNode(inUri, { cluster: 'orders', node: 'n1' }) ?? '', /names no node/);
  });

  it('reads nothing of what it does not wholly understand', () => {
    for (const text of ['URI:"x', 'URI:x"y', 'nonsense', 'URI:a, , DNS:b', 'URI:"a\\x"'])
      assert.equal(readNames(text), undefined, text);
    assert.deepEqual(readNames(undefined), { uris: [], dns: [], ips: [] });
  });

  it('refuses forms that are not CLUSTER/NODE, and more than one', () => {
    for (const uri of [
      'outrigger://',
      'outrigger://orders',
      'outrigger://orders/',
      'outrigger:///n1',
      'outrigger://orders/n1/',
      'outrigger://orders/n1/x',
      'outrigger://orders/%2e%2e',
      'outrigger://orders/n%',
      'outrigger://user@orders/n1',
      'outrigger://orders/n1?x',
      'outrigger://orders/n1#x',
    ]) {
      assert.ok('problem' in ofUri(uri), uri);
    }
    const two = nodeOf({ uris: ['outrigger://orders/n1', 'outrigger://orders/n2'], dns: [], ips: [] });
    assert.match('problem' in two ? two.problem : '', /names 2 nodes/);
    assert.match(JSON.stringify(ofUri('OUTRIGGER://orders/n1')), /names no node/);
  });

  it('says what is wrong', () => {
    const names = namesOf({});
    assert.equal(
      notTheNode(names, { cluster: 'orders', node: 'n2' }),
      'the certificate is of the node n1, not of n2',
    );
    assert.equal(
      notTheNode(names, { cluster: 'x', node: 'n1' }),
      'the certificate is of the cluster orders, not of x',
    );
    assert.match(notTheNode(undefined, { cluster: 'x', node: 'n1' }) ?? '', /cannot be read/);
  });

  it('shortens IPv6 addresses as URLs do', () => {
    assert.deepEqual(['0:0:0:0:0:0:0:1', '2001:DB8:0:0:0:0:0:1', '10.0.0.1'].map(plainIp), [
      '::1',
      '2001:db8::1',
      '10.0.0.1',
    ]);
  });
});
