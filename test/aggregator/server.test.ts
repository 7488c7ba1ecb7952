/** The aggregator as its clients see it: messages of extension/protocol.ts and of LSP over a connection in memory. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import type { AggregatorOptions } from '../../extension/protocol.ts';
import { endpointPath } from '../../shared/endpoint-files.ts';
import type { PanelDelta, PanelSnapshot } from '../../shared/panel-protocol.ts';
import { pause } from '../support/patience.ts';
import { Client, knowing } from './client.ts';
import { ScriptedNode } from './scripted-node.ts';
import { Bench, until } from './support.ts';

describe('aggregator server', () => {
  let bench: Bench;
  let node: ScriptedNode;
  let client: Client;
  const options = (): AggregatorOptions => ({
    workspaceFolders: [],
    trusted: false,
    remembered: [],
    endpointRoot: bench.root,
  });
  const connected = () =>
    until('connected', () => client.changes.at(-1)?.clusters[0]?.nodes[0]?.link.state === 'CONNECTED');

  beforeEach(async () => {
    bench = await Bench.create();
    node = await bench.node(new ScriptedNode('c', 'n1', { role: 'LEADER', leader: 'n1', term: 2 }));
    await bench.announce(node);
    client = new Client(bench);
  });
  afterEach(() => bench.close());

  it('initializes without commands, and opens nothing before raft/attend', async () => {
    const capabilities = await client.initialize(options());
    assert.equal(capabilities['executeCommandProvider'], undefined);
    assert.ok('foldingRangeProvider' in capabilities);
    const found = await client.ask('raft/discover', {});
    assert.deepEqual(found, [{ cluster: 'c', nodes: ['n1'], source: 'ENDPOINT_FILES', attached: false }]);
    await client.ask('raft/doctor', {});
    assert.equal(node.connections, 0);
    await client.tell('raft/attend', { attending: true });
    await connected();
    assert.equal(client.leader, 'n1');
  });

  it('a plain LSP client, which says nothing of us, is looked after by itself', async () => {
    const plain = new Client(bench, { plainClient: true });
    await plain.initialize({ endpointRoot: bench.root });
    await until('connected', () => plain.changes.at(-1)?.clusters[0]?.nodes[0]?.link.state === 'CONNECTED');
    const nothing = new Client(bench, { plainClient: true });
    await nothing.raw('initialize', { capabilities: {}, initializationOptions: {} });
    await assert.rejects(
      new Client(bench, { plainClient: true }).raw('initialize', {
        capabilities: {},
        initializationOptions: { trusted: 'yes' },
      }),
      /initializationOptions cannot be understood \(trusted/,
    );
  });

  it('tells of changes at most once in clustersMs, each time in order', async () => {
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    const before = client.changes.length;
    const began = performance.now();
    let commit = 0;
    for (; client.changes.length < before + 5; commit += 1) {
      node.set({ commitIndex: commit, lastIndex: commit });
      await pause(15);
    }
    const took = performance.now() - began;
    // Of these five the first may have been on its way, and the second may come at once. Timers may fire 1 ms early.
    assert.ok(took >= 3 * 400 - 5, `5 of ${commit} changes were told within ${took} ms`);
    assert.ok(commit > 5, `${commit} changes`);
    const sequences = client.changes.map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      [...sequences].sort((a, b) => a - b),
    );
    assert.equal(new Set(sequences).size, sequences.length);
    assert.equal(new Set(client.changes.map(({ generation }) => generation)).size, 1);
  });

  it('tells a role change at once', async () => {
    // Nothing else is told within the life of this test.
    const patient = new Client(bench, { clustersMs: 24 * 3_600_000 });
    await patient.initialize(options());
    await patient.tell('raft/attend', { attending: true });
    await until('the leader', () => patient.leader === 'n1');
    node.set({ commitIndex: 9, lastIndex: 9 });
    const asked = node.count('GET /v1/status');
    await until('three more looks', () => node.count('GET /v1/status') > asked + 3);
    const told = patient.changes.length;
    node.set({ role: 'FOLLOWER', leader: null, term: 3 });
    await until('no leader', () => patient.leader === '');
    assert.equal(patient.changes.length, told + 1);
  });

  it('says nothing while nothing changes', async () => {
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    assert.equal(
      client.changes.at(-1)?.clusters[0]?.health,
      'HEALTHY',
      JSON.stringify(client.changes.at(-1)),
    );
    await until('quiet', () => performance.now() - (client.changedAt.at(-1) ?? 0) > 600);
    const before = client.changes.length;
    const polls = node.count('GET /v1/status');
    await until('ten looks', () => node.count('GET /v1/status') > polls + 10);
    assert.equal(client.changes.length, before);
  });

  it('sends new events only while they are followed, each once, at most 500 at a time', async () => {
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    await until('the stream', () => node.streams === 1);
    const some = (count: number) =>
      Array.from({ length: count }, () => ({ kind: 'COMMIT', cause: 'QUORUM' }) as const);
    node.emit(...some(3));
    await until('known', knowing(client, 3));
    assert.equal(client.newEvents.length, 0);
    await client.tell('raft/follow', { cluster: 'c', follow: true });
    await client.ask('raft/clusters', {});
    node.emit(...some(900));
    await until('all of them', () => client.newEvents.flat().length === 900);
    assert.deepEqual(
      client.newEvents.flat().map(({ seq }) => seq),
      Array.from({ length: 900 }, (_none, at) => at + 4),
    );
    assert.ok(client.newEvents.every((list) => list.length <= 500));
    await client.tell('raft/follow', { cluster: 'c', follow: false });
    node.emit(...some(2));
    await until('known', knowing(client, 905));
    assert.equal(client.newEvents.flat().length, 900);
    const { events, forgotten } = await client.ask('raft/events', { cluster: 'c', limit: 10 });
    assert.deepEqual([events.length, events.at(-1)?.seq, forgotten], [10, 905, 895]);
  });

  it('answers what cannot be had with one sentence', async () => {
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    const refused = (work: Promise<unknown>, why: RegExp) => assert.rejects(work, why);
    await refused(
      client.ask('raft/explain', { cluster: 'x', about: 'leader', id: '' }),
      /no cluster x is attached/,
    );
    await refused(
      client.ask('raft/explain', { cluster: 'c', about: 'entry', id: 'zero' }),
      /index of an entry/,
    );
    await refused(client.ask('raft/logUri', { cluster: 'c', node: 'n9', index: 0 }), /has no node n9/);
    await refused(
      client.ask('raft/entry', { cluster: 'c', node: 'n1', index: 5 }),
      /n1 has no entry 5: its log is empty/,
    );
    await refused(client.raw('raft/attach', { cluster: 7 }), /raft\/attach cannot be understood \(cluster/);
    await refused(client.ask('raft/attach', { cluster: '', address: '', token: '' }), /give an address/);
    await refused(client.ask('raft/panelOpen', { panel: 1, cluster: 'x' }), /no cluster x/);
    await client.notify('raft/attend', { attending: 'yes' });
    await until('logged', () => client.logged.some((line) => /raft\/attend cannot be understood/.test(line)));
  });

  it('remembers what was attached by hand, and what was detached', async () => {
    await client.initialize(options());
    await client.ask('raft/attach', { cluster: '', address: node.http, token: '' });
    await client.ask('raft/detach', { cluster: 'c' });
    await until('both told', () => client.remembered.length === 2);
    assert.deepEqual(client.remembered, [
      { attachments: [{ cluster: 'c', addresses: [node.http] }], detached: [] },
      { attachments: [], detached: ['c'] },
    ]);
  });

  it('shows an entry decoded, a difference with its windows, and the doctor what was tried', async () => {
    const command = Buffer.from('{"set":"x"}');
    node.entries = [
      {
        index: 1,
        term: 2,
        kind: 'COMMAND',
        time: 5,
        session: null,
        sequence: null,
        size: command.length,
        hash: 'ab',
        command: command.toString('base64'),
      },
    ];
    node.set({ lastIndex: 1, lastTerm: 2 });
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    const entry = await client.ask('raft/entry', { cluster: 'c', node: 'n1', index: 1 });
    assert.equal(entry.decoded.decoder, 'json');
    assert.match(entry.decoded.text, /"set": ?"x"/);
    const { uri } = await client.ask('raft/logUri', { cluster: 'c', node: 'n1', index: 0 });
    assert.match(uri, /^raft-log:\/c\/n1\//);
    const { diff, left } = await client.ask('raft/diff', { cluster: 'c', left: 'n1', right: 'n1' });
    assert.deepEqual([diff.relation, left], ['EQUAL', '']);
    const { markdown } = await client.ask('raft/doctor', {});
    assert.ok(markdown.includes('n1') && markdown.includes('CONNECTED'), markdown);
    assert.ok(!markdown.includes('view-token'), 'a token is shown');
  });

  it('feeds a panel: nothing before ready, one snapshot, deltas without a gap, a snapshot at resync', async () => {
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    await client.ask('raft/panelOpen', { panel: 1, cluster: 'c' });
    node.emit({ kind: 'STARTED', cause: 'STARTED' });
    await client.ask('raft/clusters', {});
    assert.equal(client.pages.length, 0);
    await client.page({ type: 'ready' });
    const snapshots = () =>
      client.pages.filter((message): message is PanelSnapshot => message.type === 'snapshot');
    // The first point of the charts names their columns: a snapshot that was before it is followed by another one.
    await until('a snapshot with charts', () => snapshots().at(-1)?.series.nodes.join() === 'n1');
    const before = snapshots().length;
    node.emit({ kind: 'APP', cause: 'APP_CONNECTED', state: 'CONNECTED' });
    node.set({ term: 3 });
    const deltas = () => client.pages.filter((message): message is PanelDelta => message.type === 'delta');
    const has = (test: (delta: PanelDelta) => boolean) => () => deltas().some(test);
    await until(
      'the event',
      has(({ events }) => events?.some(({ kind }) => kind === 'APP') === true),
    );
    await until(
      'the term',
      has(({ cluster }) => cluster?.term === 3),
    );
    await until(
      'points',
      has(({ points }) => (points?.length ?? 0) > 0),
    );
    assert.equal(snapshots().length, before, 'a snapshot where deltas would do');
    await client.page({ type: 'resync' });
    await until('another snapshot', () => snapshots().length > before);
    const numbered = client.pages.flatMap((message) => (message.type === 'reply' ? [] : [message.sequence]));
    assert.deepEqual(
      numbered,
      numbered.map((_sequence, at) => at + 1),
    );
    const shown = snapshots().at(-1);
    assert.deepEqual(
      shown?.events.map(({ kind }) => kind),
      ['STARTED', 'APP'],
    );
  });

  it('answers every question of a panel once, also those it cannot', async () => {
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    await client.ask('raft/panelOpen', { panel: 1, cluster: 'c' });
    await client.page({ type: 'request', id: 1, method: 'entry', params: { node: 'n1', index: 9 } });
    await client.page({ type: 'request', id: 2, method: 'entry', params: { node: '<script>' } });
    await client.page({ type: 'request', id: 3, method: 'compare', params: {} });
    const replies = () =>
      client.pages.flatMap((message) => (message.type === 'reply' && !message.ok ? [message] : []));
    await until('three replies', () => replies().length === 3);
    const byId = new Map(replies().map(({ id, message }) => [id, message]));
    assert.match(byId.get(1) ?? '', /has no entry 9/);
    assert.match(byId.get(2) ?? '', /cannot be understood \(index/);
    assert.match(byId.get(3) ?? '', /answered by the editor/);
  });

  it('contacts what a workspace file names only when it is trusted, and only after an attach', async () => {
    const folder = `${bench.root}/workspace`;
    await mkdir(folder);
    const file = { clusters: [{ name: 'w', nodes: [{ id: 'n1', http: node.http }] }] };
    await writeFile(`${folder}/outrigger.json`, JSON.stringify(file));
    node.status = { ...node.status, cluster: 'w' };
    const watched = () =>
      client.ask('raft/discover', {}).then((found) => found.find(({ cluster }) => cluster === 'w'));
    await rm(endpointPath('c', 'n1', bench.root));
    await client.initialize({ ...options(), workspaceFolders: [folder], trusted: false });
    await client.tell('raft/attend', { attending: true });
    assert.equal(await watched(), undefined);
    await assert.rejects(
      client.ask('raft/attach', { cluster: 'w', address: '', token: '' }),
      /no sidecar of a cluster w/,
    );
    await client.tell('raft/workspace', { workspaceFolders: [folder], trusted: true });
    let found = await watched();
    while (found === undefined) found = await watched();
    assert.deepEqual([found.source, found.attached], ['WORKSPACE_FILE', false]);
    assert.equal(node.connections, 0);
    await client.ask('raft/attach', { cluster: 'w', address: '', token: '' });
    await until('contacted', () => node.connections > 0);
  });

  it('ends in order: shutdown closes the links, exit says so', async () => {
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    await until('the stream', () => node.streams === 1);
    await client.raw('shutdown', undefined);
    await until('no stream', () => node.streams === 0);
    await client.notify('exit');
    await until('exited', () => client.exited === 0);
  });
});
