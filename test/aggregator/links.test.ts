/**
 * Every link state, reached and left, against nodes on real sockets that misbehave; and that no token and no connection
 * goes where it should not.
 */
import assert from 'node:assert/strict';
import type { Clusters } from '../../extension/aggregator/clusters/clusters.ts';
import type { LinkState } from '../../shared/cluster-view.ts';
import { type Behaviour, ScriptedNode, TOKENS } from './scripted-node.ts';
import { Bench, HASTY, nodeOf, QUICK, stateOf, until } from './support.ts';

describe('aggregator links', () => {
  let bench: Bench;
  let node: ScriptedNode;
  let clusters: Clusters;

  beforeEach(async () => {
    bench = await Bench.create();
    node = await bench.node(new ScriptedNode('c', 'n1'));
    await bench.announce(node);
    clusters = bench.clusters();
  });
  afterEach(() => bench.close());

  const reach = (state: LinkState) =>
    until(`${state}, not ${stateOf(clusters, 'c', 'n1')}`, () => stateOf(clusters, 'c', 'n1') === state);
  const reason = () => nodeOf(clusters, 'c', 'n1')?.link.reason ?? '';

  it('opens no connection before somebody looks, and closes all when nobody does', async () => {
    await clusters.discover();
    assert.equal(node.connections, 0);
    assert.deepEqual(clusters.clusters(), []);
    clusters.attend(true);
    await reach('CONNECTED');
    await until('the stream is open', () => node.streams === 1);
    clusters.attend(false);
    await until('every connection is closed', () => node.streams === 0 && node.open === 0);
    // What was on its way has arrived; nothing may follow.
    const before = node.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(node.requests.length, before);
    clusters.attend(true);
    await until('asked again', () => node.requests.length > before);
  });

  const misbehaviours: readonly [Behaviour, LinkState, RegExp][] = [
    ['HANG', 'SILENT', /nothing was answered/],
    ['HANG_MID', 'SILENT', /nothing was answered/],
    ['HALF', 'RETRYING', /broke off in the middle/],
    ['GARBAGE', 'INCOMPATIBLE', /not JSON/],
    ['STRANGE', 'INCOMPATIBLE', /cluster/],
    ['HUGE', 'INCOMPATIBLE', /larger than/],
    ['BUSY', 'RETRYING', /OVERLOADED: it has too much to do/],
  ];
  for (const [behaviour, state, why] of misbehaviours) {
    it(`${behaviour} makes it ${state}, and it recovers`, async () => {
      if (state === 'SILENT') clusters = bench.clusters({ timing: HASTY });
      clusters.attend(true);
      await reach('CONNECTED');
      node.behaviour = behaviour;
      await until(`${state} for ${why}`, () => stateOf(clusters, 'c', 'n1') === state && why.test(reason()));
      node.behaviour = 'WELL';
      await reach('CONNECTED');
      assert.equal(reason(), '');
    });
  }

  it('a node that hangs from the first question on is SILENT, not unreachable', async () => {
    node.behaviour = 'HANG';
    clusters = bench.clusters({ timing: HASTY });
    clusters.attend(true);
    await reach('SILENT');
  });

  it('a slow node is CONNECTED', async () => {
    node.behaviour = 'SLOW';
    clusters.attend(true);
    await reach('CONNECTED');
    const states = new Set<string>();
    const asked = node.count('GET /v1/status');
    await until('three more answers', () => {
      states.add(stateOf(clusters, 'c', 'n1'));
      return node.count('GET /v1/status') >= asked + 3;
    });
    assert.deepEqual([...states], ['CONNECTED']);
  });

  it('dies: RETRYING with the address, and back at the same place', async () => {
    clusters.attend(true);
    await reach('CONNECTED');
    await node.close();
    await reach('RETRYING');
    assert.match(reason(), new RegExp(`127\\.0\\.0\\.1:${node.port}: nothing listens there`));
    await node.listen();
    await reach('CONNECTED');
  });

  it('begins before the node is there', async () => {
    await node.close();
    clusters.attend(true);
    await reach('RETRYING');
    await node.listen();
    await reach('CONNECTED');
  });

  it('WRONG_CLUSTER: says whose it is, sends it no token, and recovers', async () => {
    node.status = { ...node.status, cluster: 'other' };
    clusters.attend(true);
    await reach('WRONG_CLUSTER');
    assert.match(reason(), /belongs to the cluster other, not to c/);
    node.status = { ...node.status, cluster: 'c', node: 'n9' };
    await until('the other reason', () => /it is the node n9, not n1/.test(reason()));
    assert.deepEqual(
      node.requests.filter(({ token }) => token !== ''),
      [],
    );
    node.status = { ...node.status, node: 'n1' };
    await reach('CONNECTED');
  });

  it('UNAUTHORIZED: the status is still shown, and it recovers', async () => {
    node.behaviour = 'REFUSE';
    clusters.attend(true);
    await reach('UNAUTHORIZED');
    assert.match(reason(), /401 UNAUTHORIZED/);
    assert.equal(nodeOf(clusters, 'c', 'n1')?.role, 'FOLLOWER');
    node.behaviour = 'WELL';
    await reach('CONNECTED');
  });

  it('UNAUTHORIZED where the stream alone refuses with 403', async () => {
    node.streamBehaviour = 'REFUSE';
    clusters.attend(true);
    await reach('UNAUTHORIZED');
    node.streamBehaviour = 'WELL';
    await reach('CONNECTED');
  });

  for (const stream of ['GARBAGE', 'ENDLESS_LINE'] as const) {
    it(`INCOMPATIBLE where its event stream is ${stream}`, async () => {
      node.streamBehaviour = stream;
      clusters.attend(true);
      await reach('INCOMPATIBLE');
      assert.match(reason(), stream === 'GARBAGE' ? /cannot be read/ : /longer than/);
      node.streamBehaviour = 'WELL';
      node.emit({ kind: 'STARTED', cause: 'STARTED' });
      await reach('CONNECTED');
    });
  }

  it('an address that is not loopback is not contacted', async () => {
    await bench.announce(node, 'http://192.0.2.1:80');
    clusters.attend(true);
    await reach('UNKNOWN');
    assert.match(reason(), /not on this machine/);
    assert.equal(node.connections, 0);
  });

  it('sends the view token only, also where the file has the others', async () => {
    clusters.attend(true);
    await reach('CONNECTED');
    await clusters.freshTerms('c', 'n1');
    await until('the stream is open', () => node.streams === 1);
    assert.deepEqual(new Set(node.requests.map(({ token }) => token)), new Set(['', TOKENS.view]));
  });

  it('looks at once after a telling event', async () => {
    const slow = bench.clusters({ timing: { ...QUICK, pollMs: 60_000 } });
    slow.attend(true);
    await until('connected', () => stateOf(slow, 'c', 'n1') === 'CONNECTED');
    await until('the stream is open', () => node.streams === 1);
    node.set({ role: 'LEADER', leader: 'n1', term: 5 });
    node.emit({ kind: 'ROLE', cause: 'VOTE_WON', role: 'LEADER', leader: 'n1' });
    await until('the new role', () => nodeOf(slow, 'c', 'n1')?.role === 'LEADER');
  });

  it('a newer protocol is INCOMPATIBLE', async () => {
    Object.assign(node.status, { protocol: 2 });
    clusters.attend(true);
    await reach('INCOMPATIBLE');
    assert.match(reason(), /it speaks protocol 2, and Outrigger here speaks 1/);
  });

  it('a newer protocol is told by its number, whatever else its status says', async () => {
    for (const key of Object.keys(node.status)) Reflect.deleteProperty(node.status, key);
    Object.assign(node.status, { protocol: 7 });
    clusters.attend(true);
    await reach('INCOMPATIBLE');
    assert.match(reason(), /it speaks protocol 7/);
  });

  it('a status without a protocol is of protocol 1', async () => {
    Reflect.deleteProperty(node.status, 'protocol');
    clusters.attend(true);
    await reach('CONNECTED');
    assert.equal(nodeOf(clusters, 'c', 'n1')?.status?.protocol, 1);
  });
});
