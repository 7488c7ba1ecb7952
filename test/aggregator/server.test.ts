/** The aggregator as its clients see it: messages of extension/protocol.ts and of LSP over a connection in memory. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import * as rpc from 'vscode-jsonrpc/node';
import { StreamMessageReader, StreamMessageWriter } from 'vscode-languageserver/node';
import { startServer } from '../../extension/aggregator/server.ts';
import type {
  AggregatorOptions,
  ClustersChanged,
  FromAggregator,
  Requests,
  ToAggregator,
} from '../../extension/protocol.ts';
import { endpointPath } from '../../shared/endpoint-files.ts';
import type { NodeEvent } from '../../shared/events.ts';
import type { FromPage, PanelDelta, PanelSnapshot, ToPage } from '../../shared/panel-protocol.ts';
import { ScriptedNode } from './scripted-node.ts';
import { Bench, QUICK, until } from './support.ts';

/** A client on one end, the server on the other. */
class Client {
  readonly changes: ClustersChanged[] = [];
  readonly changedAt: number[] = [];
  readonly newEvents: NodeEvent[][] = [];
  readonly pages: ToPage[] = [];
  readonly remembered: FromAggregator['raft/remember'][] = [];
  readonly logged: string[] = [];
  exited: number | undefined;
  readonly #connection: rpc.MessageConnection;

  constructor(bench: Bench, plainClient = false) {
    const [up, down] = [new PassThrough(), new PassThrough()];
    const server = startServer({
      reader: new StreamMessageReader(up),
      writer: new StreamMessageWriter(down),
      plainClient,
      timing: { ...QUICK, clustersMs: 400 },
      onExit: (code) => {
        this.exited = code;
      },
    });
    this.#connection = rpc.createMessageConnection(
      new rpc.StreamMessageReader(down),
      new rpc.StreamMessageWriter(up),
    );
    bench.closing(server, (one) => one.dispose());
    bench.closing(this.#connection, (one) => one.dispose());
    this.#connection.onNotification('raft/clustersChanged', (change: ClustersChanged) => {
      this.changes.push(change);
      this.changedAt.push(performance.now());
    });
    this.#connection.onNotification('raft/newEvents', (news: FromAggregator['raft/newEvents']) => {
      this.newEvents.push([...news.events]);
    });
    this.#connection.onNotification('raft/panel', ({ message }: FromAggregator['raft/panel']) => {
      this.pages.push(message);
    });
    this.#connection.onNotification('raft/remember', (what: FromAggregator['raft/remember']) => {
      this.remembered.push(what);
    });
    this.#connection.onNotification('window/logMessage', ({ message }: { message: string }) => {
      this.logged.push(message);
    });
    // What an editor answers to refreshes and registrations does not matter here.
    this.#connection.onRequest(() => null);
    this.#connection.listen();
  }

  async initialize(options: Partial<AggregatorOptions> | undefined): Promise<Record<string, unknown>> {
    const answer = await this.#connection.sendRequest<{ capabilities: Record<string, unknown> }>(
      'initialize',
      {
        processId: null,
        rootUri: null,
        capabilities: {},
        ...(options === undefined ? {} : { initializationOptions: options }),
      },
    );
    await this.#connection.sendNotification('initialized', {});
    return answer.capabilities;
  }

  ask<M extends keyof Requests>(method: M, params: Requests[M]['params']): Promise<Requests[M]['result']> {
    return this.#connection.sendRequest(method, params);
  }

  raw(method: string, params: unknown): Promise<unknown> {
    return this.#connection.sendRequest(method, params);
  }

  tell<M extends keyof ToAggregator>(method: M, params: ToAggregator[M]): Promise<void> {
    return this.#connection.sendNotification(method, params);
  }

  page(message: FromPage): Promise<void> {
    return this.tell('raft/panel', { panel: 1, message });
  }

  notify(method: string, params?: unknown): Promise<void> {
    return this.#connection.sendNotification(method, params);
  }

  get leader(): string {
    return this.changes.at(-1)?.clusters[0]?.leader ?? '';
  }
}

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
    const plain = new Client(bench, true);
    await plain.initialize({ endpointRoot: bench.root });
    await until('connected', () => plain.changes.at(-1)?.clusters[0]?.nodes[0]?.link.state === 'CONNECTED');
    const nothing = new Client(bench, true);
    await nothing.raw('initialize', { capabilities: {}, initializationOptions: {} });
    await assert.rejects(
      new Client(bench, true).raw('initialize', {
        capabilities: {},
        initializationOptions: { trusted: 'yes' },
      }),
      /initializationOptions cannot be understood \(trusted/,
    );
  });

  it('tells each role change at once, and everything else at most once in clustersMs', async () => {
    await client.initialize(options());
    await client.tell('raft/attend', { attending: true });
    await connected();
    await until('quiet', () => performance.now() - (client.changedAt.at(-1) ?? 0) > 600);
    const before = client.changes.length;
    for (let commit = 1; commit <= 60; commit += 1) {
      node.set({ commitIndex: commit, lastIndex: 100 });
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    const sent = client.changedAt.slice(before);
    const gaps = sent.slice(1).map((at, index) => at - (sent[index] ?? 0));
    assert.ok(sent.length >= 2, `${sent.length} sent`);
    assert.ok(
      gaps.every((gap) => gap > 330),
      `gaps ${gaps}`,
    );
    // Right after one was sent, so that the next ordinary one is far.
    const count = client.changes.length;
    node.set({ commitIndex: 99 });
    await until('one more', () => client.changes.length > count);
    const asked = performance.now();
    node.set({ role: 'FOLLOWER', leader: null, term: 3 });
    await until('no leader', () => client.leader === '');
    assert.ok(performance.now() - asked < 330, `${performance.now() - asked} ms`);
    const sequences = client.changes.map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      [...sequences].sort((a, b) => a - b),
    );
    assert.equal(new Set(sequences).size, sequences.length);
    assert.equal(new Set(client.changes.map(({ generation }) => generation)).size, 1);
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
    await until('a snapshot', () => client.pages.some(({ type }) => type === 'snapshot'));
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
    await client.page({ type: 'resync' });
    const snapshots = () =>
      client.pages.filter((message): message is PanelSnapshot => message.type === 'snapshot');
    await until('another snapshot', () => snapshots().at(-1)?.cluster.term === 3);
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

/** The aggregator knows so many events of `c`. */
function knowing(client: Client, count: number): () => boolean {
  let known = 0;
  const look = () => {
    void client.ask('raft/events', { cluster: 'c', limit: 10_000 }).then(({ events }) => {
      known = events.length;
    });
  };
  return () => {
    look();
    return known >= count;
  };
}
