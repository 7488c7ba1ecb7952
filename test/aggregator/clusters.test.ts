/** Whole clusters of scripted nodes: found, watched, survived, followed without loss, explained and acted upon. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { propose, transfer } from '../../extension/aggregator/clusters/acts.ts';
import type { Clusters } from '../../extension/aggregator/clusters/clusters.ts';
import { InspectError } from '../../extension/aggregator/contract.ts';
import { endpointPath } from '../../shared/endpoint-files.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { ScriptedNode, TOKENS } from './scripted-node.ts';
import { Bench, nodeOf, QUICK, stateOf, until } from './support.ts';

const IDS = ['n1', 'n2', 'n3'];

/** Statuses of a healthy cluster led by `leader`. */
function lead(nodes: readonly ScriptedNode[], leader: string, term: number): void {
  const members = nodes.map(({ id, http }) => ({
    id,
    peer: '127.0.0.1:1',
    http,
    kind: 'VOTER' as const,
    self: false,
    connected: true,
    reason: '',
  }));
  for (const node of nodes) {
    const self = node.id === leader;
    node.set({
      role: self ? 'LEADER' : 'FOLLOWER',
      term,
      leader,
      lastIndex: 10,
      lastTerm: term,
      commitIndex: 10,
      appliedIndex: 10,
      durableIndex: 10,
      membership: { voters: IDS, outgoing: [], learners: [] },
      members: members.map((member) => ({ ...member, self: member.id === node.id })),
      progress: self ? nodes.filter(({ id }) => id !== leader).map(({ id }) => progressOf(id, 8)) : [],
    });
    node.terms = {
      runs: [
        { term: 1, first: 1, last: 4 },
        { term, first: 5, last: 10 },
      ],
      snapshotIndex: 0,
      snapshotTerm: 0,
      commitIndex: 10,
      appliedIndex: 10,
    };
  }
}

function progressOf(id: string, matchIndex: number): NodeStatus['progress'][number] {
  return {
    id,
    matchIndex,
    nextIndex: matchIndex + 1,
    state: 'REPLICATE',
    inflightBytes: 0,
    lagEntries: 10 - matchIndex,
    lagMs: 5,
    lastContactMs: 1,
    appliedIndex: 6,
    commitIndex: 7,
    behind: 'NO_CONTACT',
  };
}

describe('aggregator clusters', () => {
  let bench: Bench;
  let nodes: [ScriptedNode, ScriptedNode, ScriptedNode];
  let clusters: Clusters;
  const states = () => IDS.map((id) => stateOf(clusters, 'c', id)).join(' ');
  const all = (state: string) => until(`all ${state}`, () => states() === IDS.map(() => state).join(' '));

  beforeEach(async () => {
    bench = await Bench.create();
    nodes = [new ScriptedNode('c', 'n1'), new ScriptedNode('c', 'n2'), new ScriptedNode('c', 'n3')];
    for (const node of nodes) await bench.node(node);
    lead(nodes, 'n1', 3);
    clusters = bench.clusters();
  });
  afterEach(() => bench.close());

  it('appears by itself from endpoint files, also from those that come later', async () => {
    clusters.attend(true);
    assert.deepEqual(clusters.clusters(), []);
    for (const node of nodes) await bench.announce(node);
    await all('CONNECTED');
    assert.equal(clusters.cluster('c')?.leader, 'n1');
    assert.deepEqual(
      (await clusters.discover()).map(({ cluster, nodes: found, attached }) => [cluster, found, attached]),
      [['c', IDS, true]],
    );
  });

  it('asks one node for the others; without a token their status is all that is shown', async () => {
    const name = await clusters.attach('', `127.0.0.1:${nodes[1].port}`, '');
    assert.equal(name, 'c');
    await all('UNAUTHORIZED');
    assert.equal(clusters.cluster('c')?.nodes.length, 3);
    assert.equal(nodeOf(clusters, 'c', 'n1')?.role, 'LEADER');
    await clusters.attach('', nodes[1].http, TOKENS.view);
    await all('CONNECTED');
    assert.deepEqual(clusters.remembered().attachments, [{ cluster: 'c', addresses: [nodes[1].http] }]);
  });

  it('is remembered: the address alone brings the cluster back, whenever the node begins', async () => {
    const { http } = nodes[2];
    await nodes[2].close();
    const later = bench.clusters({ remembered: [{ cluster: 'c', addresses: [http] }] });
    assert.equal(nodes[0].connections, 0);
    later.attend(true);
    await until('shown, not reached', () => later.cluster('c')?.nodes[0]?.link.state === 'RETRYING');
    await nodes[2].listen();
    await until('all three', () => later.cluster('c')?.nodes.length === 3);
    assert.deepEqual(
      later.cluster('c')?.nodes.map(({ id }) => id),
      IDS,
    );
  });

  it('refuses what is not loopback, not http, another cluster, and names nobody has', async () => {
    const refused = (work: Promise<unknown>, why: RegExp) =>
      assert.rejects(work, (error) => error instanceof InspectError && why.test(error.message));
    await refused(clusters.attach('', 'http://example.org:80', ''), /only loopback/);
    await refused(clusters.attach('', `https://127.0.0.1:${nodes[0].port}`, ''), /does not speak TLS/);
    await refused(clusters.attach('', `ftp://127.0.0.1:${nodes[0].port}`, ''), /not http or https/);
    await refused(clusters.attach('', `127.0.0.1:${nodes[0].port}/x?y`, ''), /more than a host and a port/);
    await refused(clusters.attach('', 'http://user:secret@127.0.0.1:1', ''), /more than/);
    await refused(clusters.attach('d', nodes[0].http, ''), /belongs to the cluster c, not to d/);
    await refused(clusters.attach('nobody', '', ''), /no sidecar of a cluster nobody/);
    await refused(clusters.attach('', nodes[0].http, 'not a token\n'), /not a token/);
    assert.equal(clusters.attending, false);
  });

  it('stays detached although the files are there; an attach brings it back', async () => {
    for (const node of nodes) await bench.announce(node);
    clusters.attend(true);
    await all('CONNECTED');
    clusters.detach('c');
    await until('streams closed', () => nodes.every(({ streams }) => streams === 0));
    await clusters.discover();
    assert.equal(clusters.cluster('c'), undefined);
    assert.deepEqual(clusters.remembered(), { attachments: [], detached: ['c'] });
    const later = bench.clusters({ detached: ['c'] });
    later.attend(true);
    await later.discover();
    assert.equal(later.cluster('c'), undefined);
    await clusters.attach('c', '', '');
    await all('CONNECTED');
  });

  it('does not contact them either when the file gives them the name of a cluster that runs here', async () => {
    const stranger = 'http://127.0.0.9:9';
    const asked = () => [...clusters.watched('c').links()].some(({ target }) => target.http === stranger);
    for (const node of nodes) await bench.announce(node);
    clusters.setWorkspaceClusters([{ cluster: 'c', addresses: [stranger] }]);
    clusters.attend(true);
    await all('CONNECTED');
    assert.equal(asked(), false);
    clusters.setWorkspaceClusters([{ cluster: 'c', addresses: [stranger, stranger] }]);
    assert.equal(asked(), false);
    await clusters.attach('c', '', '');
    assert.equal(asked(), true);
  });

  it('does not contact addresses of a workspace file before an attach', async () => {
    clusters.attend(true);
    clusters.setWorkspaceClusters([{ cluster: 'c', addresses: nodes.map(({ http }) => http) }]);
    const [found] = await clusters.discover();
    assert.deepEqual([found?.cluster, found?.source, found?.attached], ['c', 'WORKSPACE_FILE', false]);
    assert.deepEqual(
      nodes.map(({ connections }) => connections),
      [0, 0, 0],
    );
    await clusters.attach('c', '', '');
    await all('UNAUTHORIZED');
  });

  for (const down of [[0], [1], [2], [0, 1, 2]]) {
    it(`survives the death of ${down.map((at) => IDS[at]).join(', ')}, and the return at other ports`, async () => {
      for (const node of nodes) await bench.announce(node);
      clusters.attend(true);
      await all('CONNECTED');
      for (const at of down) await nodes[at]?.close();
      const left = nodes.filter((_node, at) => !down.includes(at));
      await until('gone and left', () =>
        IDS.every((id, at) => stateOf(clusters, 'c', id) === (down.includes(at) ? 'RETRYING' : 'CONNECTED')),
      );
      const first = left[0];
      if (first !== undefined) {
        for (const node of left) node.set({ term: 4, leader: first.id });
        first.set({ role: 'LEADER' });
        await until('the new leader and term', () => {
          const view = clusters.cluster('c');
          return view?.leader === first.id && view.term === 4;
        });
      } else assert.equal(clusters.cluster('c')?.health, 'UNREACHABLE');
      for (const at of down) await rm(endpointPath('c', IDS[at] ?? '', bench.root));
      for (const at of down) {
        const again = await bench.node(new ScriptedNode('c', IDS[at] ?? '', { generation: 'g2' }));
        again.set({ ...nodes[at]?.status, generation: 'g2', role: 'FOLLOWER' });
        await bench.announce(again);
      }
      await all('CONNECTED');
    });
  }

  it('shows the account of the leader, cut at its match, for a node that does not answer', async () => {
    for (const node of nodes) await bench.announce(node);
    clusters.attend(true);
    await until('three accounts', () => clusters.terms('c').length === 3);
    assert.deepEqual(
      clusters.terms('c').map(({ source }) => source),
      ['NODE', 'NODE', 'NODE'],
    );
    await nodes[1].close();
    await until('from the leader', () => clusters.terms('c').some(({ source }) => source === 'LEADER'));
    const [, silent] = clusters.terms('c');
    assert.deepEqual(silent, {
      node: 'n2',
      source: 'LEADER',
      terms: {
        runs: [
          { term: 1, first: 1, last: 4 },
          { term: 3, first: 5, last: 8 },
        ],
        snapshotIndex: 0,
        snapshotTerm: 0,
        commitIndex: 7,
        appliedIndex: 6,
      },
    });
  });

  it('asks for term runs when the log changed, and then only', async () => {
    for (const node of nodes) await bench.announce(node);
    clusters.attend(true);
    await until('three accounts', () => clusters.terms('c').length === 3);
    const asked = nodes[0].count('GET /v1/log/terms');
    const polls = nodes[0].count('GET /v1/status');
    await until('five more looks', () => nodes[0].count('GET /v1/status') >= polls + 5);
    assert.equal(nodes[0].count('GET /v1/log/terms'), asked);
    // Within its last term a log only grows: that follows from the status.
    const [older, newest] = nodes[0].terms.runs;
    assert.ok(older !== undefined && newest !== undefined);
    nodes[0].set({ lastIndex: 11 });
    await until('the new end', () => clusters.terms('c')[0]?.terms.runs.at(-1)?.last === 11);
    assert.deepEqual(clusters.terms('c')[0]?.terms.runs, [older, { ...newest, last: 11 }]);
    assert.equal(nodes[0].count('GET /v1/log/terms'), asked);
    // A log that got shorter, or ends in another term, may be any.
    nodes[0].terms = { ...nodes[0].terms, runs: [older, { ...newest, last: 9 }] };
    nodes[0].set({ lastIndex: 9 });
    await until('the cut', () => clusters.terms('c')[0]?.terms.runs.at(-1)?.last === 9);
    const later = { term: newest.term + 1, first: 10, last: 12 };
    nodes[0].terms = { ...nodes[0].terms, runs: [older, { ...newest, last: 9 }, later] };
    nodes[0].set({ lastIndex: 12, lastTerm: later.term });
    await until('the new term', () => clusters.terms('c')[0]?.terms.runs.length === 3);
    assert.equal(nodes[0].count('GET /v1/log/terms'), asked + 2);
  });

  it('forgets a node that the leader says is no member, and not one that is only silent', async () => {
    await clusters.attach('', nodes[0].http, TOKENS.view);
    await all('CONNECTED');
    await nodes[2].close();
    await until('n3 is silent', () => stateOf(clusters, 'c', 'n3') === 'RETRYING');
    assert.equal(clusters.cluster('c')?.nodes.length, 3);
    for (const node of nodes) node.set({ members: node.status.members.filter(({ id }) => id !== 'n3') });
    await until('n3 is gone', () => clusters.cluster('c')?.nodes.length === 2);
  });

  it('proposes and transfers with the right token only, and says why not', async () => {
    for (const node of nodes) await bench.announce(node);
    clusters.attend(true);
    await all('CONNECTED');
    const cluster = clusters.watched('c');
    const proposed = await propose(cluster, '', 'set x 1');
    assert.deepEqual([proposed.index, proposed.term], [7, 2]);
    assert.ok(proposed.reply.startsWith('done') && !proposed.reply.includes('\u001b'), proposed.reply);
    assert.deepEqual(nodes[0].proposed, ['set x 1']);
    const refused = (work: Promise<unknown>, why: RegExp) =>
      assert.rejects(work, (error) => error instanceof InspectError && why.test(error.message));
    await refused(transfer(cluster, 'n2'), /does not allow control/);
    for (const node of nodes) node.set({ control: true });
    await until('allowed', () => nodeOf(clusters, 'c', 'n1')?.status?.control === true);
    await refused(transfer(cluster, 'n7'), /n7 is no voter/);
    assert.deepEqual(await transfer(cluster, 'n2'), { leader: 'n2', term: 9 });
    const tokens = nodes.flatMap(({ requests }) => requests.map(({ token }) => token));
    assert.deepEqual(
      [TOKENS.write, TOKENS.admin].map((token) => tokens.filter((one) => one === token).length),
      [1, 1],
    );
    await rm(`${bench.root}/c-n1.tokens`);
    await refused(propose(cluster, 'n1', 'x'), /token file .* does not exist/);
    await nodes[1].close();
    await until('n2 is gone', () => stateOf(clusters, 'c', 'n2') === 'RETRYING');
    await refused(propose(cluster, 'n2', 'x'), /^n2: .*nothing listens/);
  });

  describe('events', () => {
    const seqs = (id: string) =>
      clusters
        .events('c')
        .events.filter((event) => event.node === id)
        .map(({ generation, seq }) => `${generation}-${seq}`);
    const numbers = (generation: string, from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_none, at) => `${generation}-${from + at}`);
    const some = (count: number) =>
      Array.from({ length: count }, () => ({ kind: 'COMMIT', cause: 'QUORUM' }) as const);

    beforeEach(async () => {
      for (const node of nodes) await bench.announce(node);
      nodes[0].emit(...some(3));
      clusters.attend(true);
      await all('CONNECTED');
      await until('the first three', () => seqs('n1').length === 3);
    });

    it('resumes without loss or duplicates when the connection is cut, again and again', async () => {
      for (let round = 1; round <= 6; round += 1) {
        nodes[0].cutStreams();
        nodes[0].emit(...some(5));
        await until('the stream is back', () => nodes[0].streams === 1);
        nodes[0].emit(...some(2));
        await until('all of them', () => seqs('n1').length === 3 + 7 * round);
      }
      assert.deepEqual(seqs('n1'), numbers('g1', 1, 45));
      assert.equal(clusters.events('c').forgotten, 0);
      assert.ok(nodes[0].requests.some(({ lastEventId }) => lastEventId === 'g1-3'));
    });

    it('tells the gap where the ring of the node forgot', async () => {
      nodes[0].ring = 4;
      nodes[0].cutStreams();
      nodes[0].emit(...some(20));
      await until('the newest', () => seqs('n1').includes('g1-23'));
      assert.deepEqual(seqs('n1'), [...numbers('g1', 1, 3), ...numbers('g1', 20, 23)]);
      assert.equal(clusters.events('c').forgotten, 16);
    });

    it('begins anew with a new generation, and keeps what was', async () => {
      await nodes[0].restart('g2');
      nodes[0].emit(...some(2));
      await until('those of the new process', () => seqs('n1').includes('g2-2'));
      assert.deepEqual(seqs('n1').sort(), [...numbers('g1', 1, 3), ...numbers('g2', 1, 2)]);
    });

    it('skips kinds of a later version, and is not stopped by them', async () => {
      const strange = JSON.parse('{"kind":"TELEPORTED","cause":"MAGIC"}');
      nodes[0].emit(strange, ...some(1));
      await until('the one after', () => seqs('n1').includes('g1-5'));
      assert.deepEqual(seqs('n1'), [...numbers('g1', 1, 3), 'g1-5']);
      assert.equal(stateOf(clusters, 'c', 'n1'), 'CONNECTED');
    });

    it('a flood of one node costs bounded memory and the others nothing', async () => {
      nodes[1].emit(...some(2));
      nodes[0].ring = 50_000;
      nodes[0].emit(...some(30_000));
      await until('the last of the flood', () => seqs('n1').includes('g1-30003'));
      assert.ok(seqs('n1').length <= 2_000, `${seqs('n1').length} kept`);
      assert.equal(clusters.events('c').forgotten + clusters.events('c').events.length, 30_005);
      assert.deepEqual(seqs('n2'), numbers('g1', 1, 2));
      assert.equal(stateOf(clusters, 'c', 'n1'), 'CONNECTED');
    });
  });

  it('keeps a history for the charts', async () => {
    for (const node of nodes) await bench.announce(node);
    clusters.attend(true);
    await all('CONNECTED');
    const { series } = clusters.watched('c');
    await until('some points', () => series.series().points.length > 2);
    nodes[0].set({ commitIndex: 1_010, lastIndex: 1_010 });
    await until('throughput', () => series.series().points.some(({ throughput }) => (throughput ?? 0) > 0));
    assert.deepEqual(series.series().nodes, IDS);
    assert.ok(QUICK.pointMs < 100);
  });
});
