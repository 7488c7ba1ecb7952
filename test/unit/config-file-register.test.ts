import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import {
  type ClientCapabilities,
  CodeActionRequest,
  CodeLensRefreshRequest,
  CodeLensRequest,
  createConnection,
  createProtocolConnection,
  DidChangeWatchedFilesNotification,
  DidOpenTextDocumentNotification,
  DidSaveTextDocumentNotification,
  DocumentDiagnosticRequest,
  HoverRequest,
  InitializeRequest,
  InlayHintRefreshRequest,
  InlayHintRequest,
  type ProtocolConnection,
  PublishDiagnosticsNotification,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import {
  type Config,
  type ConfigOptions,
  registerConfig,
} from '../../extension/aggregator/config/register.ts';
import type { Change, Inspected } from '../../extension/aggregator/contract.ts';
import { InspectError } from '../../extension/aggregator/contract.ts';
import { Decoders } from '../../extension/aggregator/decode/decoders.ts';
import type { OtherDocuments } from '../../extension/aggregator/documents/register.ts';
import type { ClusterView, NodeView } from '../../shared/cluster-view.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { QUIET_STATUS } from '../support/quiet.ts';

const TEXT = `{
  "clusters": [
    {
      "name": "orders",
      "nodes": [
        { "id": "n1", "http": "http://127.0.0.1:8001" },
        { "id": "n2", "http": "http://127.0.0.1:8002" },
        { "id": "n3" }
      ]
    }
  ]
}
`;

const NONE = { entries: 0, ms: 0 };

function status(term: number): NodeStatus {
  return {
    protocol: 1,
    cluster: 'orders',
    node: 'n1',
    group: '',
    version: '1',
    role: 'FOLLOWER',
    term,
    leader: 'n1',
    votedFor: null,
    commitIndex: 90,
    appliedIndex: 88,
    deliveredIndex: 90,
    durableIndex: 90,
    firstIndex: 1,
    lastIndex: 90,
    lastTerm: term,
    snapshotIndex: 0,
    membership: { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: [] },
    members: [],
    progress: [],
    app: { state: 'CONNECTED', name: 'kv', epoch: 1, reason: '', since: 0 },
    ...QUIET_STATUS,
    uptimeMs: 1,
    generation: 'g',
    now: 0,
    leaderContactMs: 10,
    applyLag: NONE,
  };
}

function node(id: string, more: Partial<NodeView>): NodeView {
  return {
    id,
    http: '',
    link: { state: 'CONNECTED', reason: '', since: 0 },
    status: status(7),
    role: 'FOLLOWER',
    isLeader: false,
    lag: { replicated: NONE, committed: NONE, applied: NONE },
    problems: [],
    ...more,
  };
}

const VIEW: ClusterView = {
  name: 'orders',
  health: 'DEGRADED',
  leader: 'n1',
  term: 7,
  commitIndex: 100,
  problems: [],
  nodes: [
    node('n1', { role: 'LEADER', isLeader: true }),
    node('n2', {
      lag: { replicated: { entries: 12, ms: 3_400 }, committed: NONE, applied: { entries: 1, ms: 20 } },
      problems: [{ code: 'LAG', severity: 'WARNING', text: 'it lags, <b>see</b> [here](http://evil)' }],
    }),
    node('n3', { link: { state: 'RETRYING', reason: 'connection refused', since: 0 } }),
  ],
};

/** Clusters as they are told to be. */
class FakeInspected implements Inspected {
  views: ClusterView[] = [];
  #listeners = new Set<(change: Change) => void>();

  clusters(): readonly ClusterView[] {
    return this.views;
  }

  cluster(name: string): ClusterView | undefined {
    return this.views.find((view) => view.name === name);
  }

  change(what: Change['what']): void {
    for (const listener of this.#listeners) listener({ what, cluster: 'orders', node: '' });
  }

  onChange(listener: (change: Change) => void): { dispose(): void } {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  terms(): readonly [] {
    return [];
  }

  events(): { events: readonly []; forgotten: number } {
    return { events: [], forgotten: 0 };
  }

  freshTerms(): Promise<never> {
    return Promise.reject(new InspectError('nothing may be asked'));
  }

  log(): Promise<never> {
    return this.freshTerms();
  }

  explain(): Promise<never> {
    return this.freshTerms();
  }
}

const PULLS: ClientCapabilities = {
  textDocument: { diagnostic: {} },
  workspace: { inlayHint: { refreshSupport: true }, codeLens: { refreshSupport: true } },
};

describe('outrigger.json on a language server connection', () => {
  let folder: string;
  let inspected: FakeInspected;
  let client: ProtocolConnection;
  let config: Config;
  let decoders: Decoders;
  let told: string[][];
  let stop: () => void;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'config-file-'));
    inspected = new FakeInspected();
    decoders = new Decoders();
    told = [];
  });

  afterEach(async () => {
    stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(trusted: boolean, more: Partial<ConfigOptions> = {}): Promise<void> {
    const toServer = new PassThrough();
    const toClient = new PassThrough();
    const server = createConnection(new StreamMessageReader(toServer), new StreamMessageWriter(toClient));
    server.onInitialize(({ capabilities }) => {
      config = registerConfig(server, inspected, {
        client: capabilities,
        workspaceFolders: [folder],
        trusted,
        decoders,
        onClusters: (clusters) => told.push(clusters.map(({ cluster }) => cluster)),
        ...more,
      });
      return { capabilities: config.capabilities };
    });
    server.listen();
    client = createProtocolConnection(new StreamMessageReader(toClient), new StreamMessageWriter(toServer));
    client.listen();
    stop = () => {
      config.dispose();
      decoders.dispose();
      client.dispose();
      server.dispose();
    };
    await client.sendRequest(InitializeRequest.type, {
      processId: null,
      rootUri: null,
      capabilities: more.client ?? PULLS,
    });
    await config.ready;
  }

  function uri(name = 'outrigger.json'): string {
    return pathToFileURL(join(folder, name)).href;
  }

  async function open(text: string, name = 'outrigger.json'): Promise<{ textDocument: { uri: string } }> {
    await client.sendNotification(DidOpenTextDocumentNotification.type, {
      textDocument: { uri: uri(name), languageId: 'jsonc', version: 1, text },
    });
    return { textDocument: { uri: uri(name) } };
  }

  const everything = { start: { line: 0, character: 0 }, end: { line: 1_000, character: 0 } };

  describe('features of open documents', () => {
    it('answers diagnostics to those who ask, and quick fixes', async () => {
      await start(false);
      const document = await open(TEXT.replace('"n3"', '"n1"'));
      const report = await client.sendRequest(DocumentDiagnosticRequest.type, document);
      assert.ok(report.kind === 'full');
      assert.deepEqual(
        report.items.map(({ code, range }) => [code, range.start.line]),
        [['duplicate-id', 7]],
      );
      const actions = await client.sendRequest(CodeActionRequest.type, {
        ...document,
        range: report.items[0]?.range ?? everything,
        context: { diagnostics: [] },
      });
      assert.deepEqual(
        actions?.map(({ title }) => title),
        ['Remove this node'],
      );
    });

    it('sends diagnostics to editors that do not ask', async () => {
      await start(false, { client: {} });
      const sent = new Promise<unknown>((resolve) =>
        client.onNotification(PublishDiagnosticsNotification.type, ({ diagnostics }) =>
          resolve(diagnostics.map(({ code }) => code)),
        ),
      );
      await open('{}');
      assert.deepEqual(await sent, ['missing-field']);
    });

    it('shows the live state behind each id, with every lag by its name', async () => {
      await start(true);
      const document = await open(TEXT);
      assert.deepEqual(
        await client.sendRequest(InlayHintRequest.type, { ...document, range: everything }),
        [],
      );
      inspected.views = [VIEW];
      const hints = await client.sendRequest(InlayHintRequest.type, { ...document, range: everything });
      assert.deepEqual(
        hints?.map(({ position, label }) => [position.line, position.character, label]),
        [
          [5, 20, 'leader · term 7'],
          [6, 20, 'follower · term 7 · replicated lag 12 entries, 3.4 s · applied lag 1 entry, 20 ms'],
          [7, 20, 'cannot be reached: connection refused'],
        ],
      );
    });

    it('offers attach, or the state and detach, above each cluster', async () => {
      await start(true);
      const document = await open(TEXT);
      const lenses = async (): Promise<unknown> =>
        (await client.sendRequest(CodeLensRequest.type, document))?.map(({ range, command }) => [
          range.start.line,
          command?.title,
          command?.command,
          command?.arguments,
        ]);
      assert.deepEqual(await lenses(), [[2, 'Attach', 'outrigger.attach', [{ cluster: 'orders' }]]]);
      inspected.views = [VIEW];
      assert.deepEqual(await lenses(), [
        [2, 'degraded · leader n1 · term 7', 'outrigger.openPanel', [{ cluster: 'orders' }]],
        [2, 'Detach', 'outrigger.detach', [{ cluster: 'orders' }]],
      ]);
    });

    it('tells a node by hover, and nothing in it is markup', async () => {
      await start(true);
      inspected.views = [VIEW];
      const document = await open(TEXT);
      const hover = await client.sendRequest(HoverRequest.type, {
        ...document,
        position: { line: 6, character: 17 },
      });
      assert.ok(hover !== null && typeof hover.contents === 'object' && 'value' in hover.contents);
      const { value } = hover.contents;
      assert.match(value, /\| replicated lag \| 12 entries, 3\.4 s \|/);
      assert.match(value, /\| committed lag \| none \|/);
      assert.match(value, /\| term \| 7 \|/);
      assert.doesNotMatch(value, /<b>|\]\(http/);
      const beside = await client.sendRequest(HoverRequest.type, {
        ...document,
        position: { line: 3, character: 17 },
      });
      assert.equal(beside, null);
    });

    it('asks the editor to draw live state again when it changed, only while a document is open', async () => {
      await start(true);
      let asked: (() => void) | undefined;
      let count = 0;
      const answer = (): null => {
        count += 1;
        asked?.();
        return null;
      };
      client.onRequest(InlayHintRefreshRequest.method, answer);
      client.onRequest(CodeLensRefreshRequest.method, answer);
      await open(TEXT);
      const both = new Promise<void>((resolve) => {
        asked = () => count === 2 && resolve();
      });
      inspected.change('EVENTS');
      for (let time = 0; time < 50; time += 1) inspected.change('VIEW');
      await both;
      assert.equal(count, 2, 'many changes are one question of each kind');
    });

    it('leaves requests that are shared to whoever answers them, and serves him', async () => {
      await start(true, { sharedRequests: true });
      inspected.views = [VIEW];
      const document = await open(TEXT);
      await assert.rejects(client.sendRequest(CodeLensRequest.type, document), /Unhandled method/);
      const elsewhere: OtherDocuments = config.requests;
      const signal = new AbortController().signal;
      assert.equal((await elsewhere.hints?.({ ...document, range: everything }, signal))?.length, 3);
      assert.equal((await elsewhere.lenses?.(document, signal))?.length, 2);
    });

    it('answers nothing for other documents', async () => {
      await start(true);
      inspected.views = [VIEW];
      const document = await open(TEXT, 'package.json');
      assert.equal(
        await client.sendRequest(HoverRequest.type, { ...document, position: { line: 6, character: 17 } }),
        null,
      );
      assert.deepEqual(await client.sendRequest(CodeLensRequest.type, document), []);
      const report = await client.sendRequest(DocumentDiagnosticRequest.type, document);
      assert.deepEqual(report, { kind: 'full', items: [] });
    });
  });

  describe('files on disk', () => {
    const withDecoder = TEXT.replace('"name"', '"decoder": { "kind": "cbor" }, "name"');

    it('gives the clusters of both places, addresses on loopback only, with decoders', async () => {
      await mkdir(join(folder, '.vscode'));
      await writeFile(join(folder, 'outrigger.json'), withDecoder.replace('127.0.0.1:8002', '10.0.0.7:8002'));
      const second =
        '{ "clusters": [ { "name": "orders", "nodes": [{ "id": "x" }] }, { "name": "stock", "nodes": [{ "id": "n1" }] } ] }';
      await writeFile(join(folder, '.vscode/outrigger.json'), second);
      await start(true);
      assert.deepEqual(config.clusters(), [
        { cluster: 'orders', addresses: ['http://127.0.0.1:8001'], folder, decoder: { kind: 'cbor' } },
        { cluster: 'stock', addresses: [], folder },
      ]);
      assert.deepEqual(told, [['orders', 'stock']]);
      assert.equal(decoders.line('orders', Buffer.from([0xa1, 0x61, 0x61, 0x01])).guess, false);
    });

    it('reads again when a file changed or was saved', async () => {
      await start(true);
      assert.deepEqual(config.clusters(), []);
      await writeFile(join(folder, 'outrigger.json'), TEXT);
      const until = async (count: number): Promise<void> => {
        while (told.length < count) await new Promise((resolve) => setImmediate(resolve));
      };
      await client.sendNotification(DidChangeWatchedFilesNotification.type, {
        changes: [{ uri: uri(), type: 1 }],
      });
      await until(1);
      assert.deepEqual(told, [['orders']]);
      await open(TEXT);
      await writeFile(join(folder, 'outrigger.json'), TEXT.replace('orders', 'stock'));
      await client.sendNotification(DidSaveTextDocumentNotification.type, { textDocument: { uri: uri() } });
      await until(2);
      assert.deepEqual(told, [['orders'], ['stock']]);
    });

    it('says of a file that is not used why', async () => {
      await writeFile(join(folder, 'outrigger.json'), '{ "clusters": [ { "name": "orders" } ] }');
      await mkdir(join(folder, '.vscode'));
      await symlink('/etc/passwd', join(folder, '.vscode/outrigger.json'));
      await start(true);
      assert.deepEqual(config.clusters(), []);
      assert.deepEqual(
        config.reports().map(({ problem }) => problem),
        ['"nodes" is missing.', '.vscode/outrigger.json is outside of the workspace folder'],
      );
    });
  });

  describe('in a workspace that is not trusted', () => {
    const hostile = TEXT.replace(
      '"name"',
      '"decoder": { "kind": "command", "command": ["touch", "owned"] }, "name"',
    );

    it('reads no file, names no cluster, offers no attach; checks the open document all the same', async () => {
      await writeFile(join(folder, 'outrigger.json'), hostile);
      await start(false);
      assert.deepEqual(config.clusters(), []);
      assert.deepEqual(config.reports(), [], 'not even looked at');
      assert.deepEqual(told, []);
      const document = await open(`${hostile}x`);
      assert.deepEqual(await client.sendRequest(CodeLensRequest.type, document), []);
      await client.sendNotification(DidSaveTextDocumentNotification.type, document);
      await client.sendNotification(DidChangeWatchedFilesNotification.type, {
        changes: [{ uri: uri(), type: 2 }],
      });
      const report = await client.sendRequest(DocumentDiagnosticRequest.type, document);
      assert.ok(report.kind === 'full' && report.items[0]?.code === 'syntax');
      assert.deepEqual(config.clusters(), []);
      assert.equal(decoders.isExternal('orders'), false);
    });

    it('begins when trust is granted, and forgets when it is lost', async () => {
      await writeFile(join(folder, 'outrigger.json'), hostile);
      await start(false);
      await config.setWorkspace([folder], true);
      assert.deepEqual(told, [['orders']]);
      assert.equal(decoders.isExternal('orders'), true);
      await config.setWorkspace([folder], false);
      assert.deepEqual(config.clusters(), []);
      assert.deepEqual(told, [['orders'], []]);
      assert.equal(decoders.isExternal('orders'), false);
    });
  });
});
