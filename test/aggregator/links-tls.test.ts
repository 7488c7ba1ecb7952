/** Links over HTTPS: who is believed, that no token goes to anybody else, and a CA that changes. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clusters } from '../../extension/aggregator/clusters/clusters.ts';
import { TestCa } from '../support/certificates.ts';
import { ScriptedNode, TOKENS } from './scripted-node.ts';
import { Bench, nodeOf, stateOf, until } from './support.ts';

describe('aggregator links over HTTPS', () => {
  const ca = new TestCa('c');
  let bench: Bench;
  let caFile: string;
  let clusters: Clusters;

  beforeEach(async () => {
    bench = await Bench.create();
    caFile = join(bench.root, 'ca.crt');
    await writeFile(caFile, ca.issued.cert);
    clusters = bench.clusters();
  });
  afterEach(() => bench.close());

  async function node(certificates: { cert: string; key: string }, id = 'n1'): Promise<ScriptedNode> {
    const created = new ScriptedNode('c', id);
    created.tls = certificates;
    return bench.node(created);
  }
  const connected = (id: string) =>
    until(`${id} is connected`, () => stateOf(clusters, 'c', id) === 'CONNECTED');
  const reason = (id = 'n1') => nodeOf(clusters, 'c', id)?.link.reason ?? '';

  it('asks with the CA of the endpoint file, and follows events', async () => {
    const n1 = await node(ca.node('n1'));
    await bench.announce(n1, n1.http, caFile);
    clusters.attend(true);
    await connected('n1');
    await until('the stream is open', () => n1.streams === 1);
    assert.ok(
      n1.requests.every(({ token }) => token === TOKENS.view),
      'off this machine the status needs it too',
    );
  });

  it('believes the node that the certificate names, whatever host it is at', async () => {
    const n1 = await node(ca.node('n1', { hosts: ['elsewhere.example.org'] }));
    await bench.announce(n1, n1.http, caFile);
    clusters.attend(true);
    await connected('n1');
  });

  it('reaches by the same CA a member that has no endpoint file here', async () => {
    const [n1, n2] = [await node(ca.node('n1')), await node(ca.node('n2'), 'n2')];
    const member = (of: ScriptedNode, self: boolean) => ({
      ...{ id: of.id, peer: '', http: of.http, kind: 'VOTER' as const, self, connected: true, reason: '' },
    });
    n1.set({ members: [member(n1, true), member(n2, false)] });
    n2.set({ members: [member(n1, false), member(n2, true)] });
    await bench.announce(n1, n1.http, caFile);
    clusters.attend(true);
    await until('n2 answered', () => nodeOf(clusters, 'c', 'n2')?.status !== undefined);
    assert.match(reason('n2'), /no view token of it is known/);
  });

  it('sends nothing to a server of another CA, or of another node at another host', async () => {
    const foreign = await node(new TestCa('c', 'foreign').node('n1'));
    await bench.announce(foreign, foreign.http, caFile);
    clusters.attend(true);
    await until('refused', () => /the certificate is of another CA/.test(reason()));
    const other = await node(ca.node('n3', { hosts: ['elsewhere.example.org'] }));
    await bench.announce(other, other.http, caFile);
    await until('refused', () => /names other hosts than this one/.test(reason()));
    assert.deepEqual([foreign.requests, other.requests], [[], []]);
  });

  it('says that the CA file is missing, and takes it once it is there', async () => {
    const n1 = await node(ca.node('n1'));
    const late = join(bench.root, 'late.crt');
    await bench.announce(n1, n1.http, late);
    clusters.attend(true);
    await until('it says so', () => /late\.crt cannot be read \(ENOENT\)/.test(reason()));
    await writeFile(late, ca.issued.cert);
    await connected('n1');
  });
});
