/** The documents on a connection: cancellation, refreshes, other documents, faults, hostile answers. */
import assert from 'node:assert/strict';
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import type { DocumentSymbol, Hover, InlayHint } from 'vscode-languageserver';
import type { DocumentOptions } from '../../extension/aggregator/documents/register.ts';
import { wordsOf } from '../../extension/aggregator/documents/render.ts';
import { Debounced, TAIL_LIMITS, Tails } from '../../extension/aggregator/documents/tails.ts';
import { FakeCluster } from '../lsp/fake-cluster.ts';
import { Session } from '../lsp/session.ts';

const WINDOW = 'raft-log:/orders/n1/orders-n1-1-5000.raftlog';
const TAIL = 'raft-log:/orders/n1/orders-n1-tail.raftlog';
const WHOLE = { range: { start: { line: 0, character: 0 }, end: { line: 9_999, character: 0 } } };

/** A clock that goes when told. */
class Clock {
  #waiting = new Set<{ readonly run: () => void; readonly at: number }>();
  #now = 0;

  readonly schedule = (run: () => void, ms: number): (() => void) => {
    const timer = { run, at: this.#now + ms };
    this.#waiting.add(timer);
    return () => this.#waiting.delete(timer);
  };

  pass(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#waiting]) {
      if (timer.at > this.#now) continue;
      this.#waiting.delete(timer);
      timer.run();
    }
  }

  get waiting(): number {
    return this.#waiting.size;
  }
}

describe('documents: on a connection', () => {
  let cluster: FakeCluster;
  let session: Session | undefined;

  function start(options: DocumentOptions = {}): Session {
    session = new Session(cluster, options);
    return session;
  }

  beforeEach(() => {
    cluster = new FakeCluster('orders', ['n1', 'n2', 'n3']);
    for (const node of cluster.nodes)
      for (const text of ['a', 'b', 'c']) node.append(1, 'COMMAND', Buffer.from(text));
    cluster.leader = 'n1';
    cluster.term = 1;
  });

  afterEach(() => {
    session?.end();
    session = undefined;
  });

  it('a cancelled request is answered as cancelled, and the node is not read on', async () => {
    const { client } = start();
    await session?.initialize();
    cluster.hold = new Promise(() => undefined);
    const methods = ['workspace/textDocumentContent', 'textDocument/foldingRange', 'textDocument/hover'];
    for (const method of methods) {
      const source = new CancellationTokenSource();
      const params = { uri: WINDOW, textDocument: { uri: WINDOW }, position: { line: 3, character: 0 } };
      const asked = cluster.asked.length;
      const answer = client.sendRequest(method, params, source.token);
      // Another request, answered in order, shows that the first one is under way.
      await client.sendRequest('workspace/symbol', { query: 't1' });
      source.cancel();
      await assert.rejects(answer, (error: { code?: number }) => error.code === -32800);
      assert.deepEqual(cluster.asked.slice(asked), ['n1 1-5000', 'aborted'], method);
    }
  });

  it('a fault of ours is text in the document, one sentence elsewhere, and whole in the log', async () => {
    const { client, logged } = start();
    await session?.initialize();
    const bug = new TypeError('cannot read properties of undefined');
    cluster.log = () => Promise.reject(bug);
    assert.match((await session?.content(WINDOW)) ?? '', /^# This document could not be made/);
    await assert.rejects(
      client.sendRequest('textDocument/foldingRange', { textDocument: { uri: WINDOW } }),
      /^Error: A fault of Outrigger: its log tells more\.$/,
    );
    assert.equal(logged.length, 2);
    assert.match(logged[0] ?? '', /cannot read properties/);
  });

  it('documents of other schemes go to whoever knows them, with their parameters', async () => {
    const hint: InlayHint = { position: { line: 1, character: 2 }, label: 'leads' };
    const current = start({
      elsewhere: {
        hints: async ({ textDocument }) => (textDocument.uri === 'file:///w/outrigger.json' ? [hint] : []),
      },
    });
    await current.initialize();
    assert.deepEqual(await current.ask('inlayHint', 'file:///w/outrigger.json', WHOLE), [hint]);
    assert.deepEqual(await current.ask('codeLens', 'file:///w/outrigger.json'), []);
  });

  it('what was decoded in batch is shown in its place, empty payloads aside', async () => {
    cluster.node('n1').append(1, 'NOOP', Buffer.alloc(0));
    cluster.node('n1').append(1, 'COMMAND', Buffer.from('d'));
    const asked: string[] = [];
    const current = start({
      decoders: {
        lines: async (name, payloads) =>
          payloads.map((payload) => {
            asked.push(name);
            return { decoder: 'cbor', guess: true, line: `<${Buffer.from(payload)}>` };
          }),
        full: () => ({
          decoder: 'cbor',
          guess: true,
          line: '',
          text: 'in\nfull',
          attempts: [{ decoder: 'utf8', ok: false, why: 'no text' }],
        }),
      },
    });
    await current.initialize();
    const lines = (await current.content(WINDOW)).split('\n').slice(2, 7);
    const shown = lines.map((line) =>
      wordsOf(line)
        .slice(6)
        .map(({ text }) => text)
        .join(' '),
    );
    assert.deepEqual(shown, ['cbor? <a>', 'cbor? <b>', 'cbor? <c>', '-', 'cbor? <d>']);
    assert.equal(asked.length, 4);
    const hover = await current.ask<Hover>('hover', WINDOW, { position: { line: 2, character: 0 } });
    const { value } = hover.contents as { value: string };
    assert.match(value, /read as cbor \(a guess: the bytes fit it\):\n\n```text\nin\nfull\n```/);
    assert.match(value, /Not read as\n\n- utf8: no text/);
  });

  it('stops listening when it is disposed', async () => {
    await start().initialize();
    assert.equal(cluster.listeners, 1);
    session?.end();
    session = undefined;
    assert.equal(cluster.listeners, 0);
  });

  it('a followed tail is refreshed after a change of its log, once for many, and not when it is let go', async () => {
    const clock = new Clock();
    const current = start({ schedule: clock.schedule });
    await current.initialize();
    const refreshed: string[] = [];
    current.client.onRequest('workspace/textDocumentContent/refresh', ({ uri }: { uri: string }) => {
      refreshed.push(uri);
      return null;
    });
    /** Everything sent before has been handled when this is answered. */
    const settled = () => current.client.sendRequest('workspace/symbol', { query: '' });
    await current.content(TAIL);
    await current.client.sendNotification('raft/followTail', { uri: TAIL, follow: true });
    await settled();
    clock.pass(TAIL_LIMITS.refreshMs);
    await settled();
    assert.deepEqual(refreshed, [], 'nothing is new');
    for (let i = 0; i < 50; i++) {
      cluster.node('n1').append(1, 'COMMAND', Buffer.from('x'));
      cluster.tell('VIEW', 'n1');
      cluster.tell('TERMS', 'n1');
    }
    clock.pass(TAIL_LIMITS.refreshMs - 1);
    await settled();
    assert.deepEqual(refreshed, [], 'too early');
    clock.pass(1);
    await settled();
    assert.deepEqual(refreshed, [TAIL]);
    assert.match(await current.content(TAIL), /\n +53 +t1 /);
    cluster.node('n1').append(1, 'COMMAND', Buffer.from('x'));
    await current.client.sendNotification('raft/followTail', { uri: TAIL, follow: false });
    await settled();
    cluster.tell('TERMS', 'n1');
    clock.pass(10 * TAIL_LIMITS.refreshMs);
    await settled();
    assert.deepEqual(refreshed, [TAIL]);
    assert.equal(clock.waiting, 0);
  });

  it('what cannot be followed is passed over with a word in the log', async () => {
    const { client, logged } = start();
    await session?.initialize();
    for (const params of [{ uri: WINDOW, follow: true }, { uri: 7, follow: true }, { uri: TAIL }, 'tail']) {
      await client.sendNotification('raft/followTail', params);
    }
    await client.sendRequest('workspace/symbol', { query: '' });
    assert.equal(logged.length, 4);
    for (const line of logged) assert.match(line, /^raft\/followTail was passed over: /);
  });

  it('hints that say something else now are refreshed once, where the client can; settled ones never', async () => {
    const clock = new Clock();
    const current = start({ schedule: clock.schedule });
    const refreshSupport = true;
    await current.initialize({
      workspace: { inlayHint: { refreshSupport }, semanticTokens: { refreshSupport } },
    });
    const asked: string[] = [];
    for (const method of ['workspace/inlayHint/refresh', 'workspace/semanticTokens/refresh']) {
      current.client.onRequest(method, () => {
        asked.push(method);
        return null;
      });
    }
    const settled = () => current.client.sendRequest('workspace/symbol', { query: '' });
    const hints = async () =>
      (await current.ask<InlayHint[]>('inlayHint', WINDOW, WHOLE)).map(({ label }) => label);
    cluster.node('n1').setStages(3, { appended: 10 });
    assert.match(String((await hints())[2]), /^not committed · acked n1 \(1 of the 2 voters needed\)/);
    cluster.tell('VIEW');
    clock.pass(TAIL_LIMITS.refreshMs);
    await settled();
    assert.deepEqual(asked, [], 'nothing changed');
    for (const node of cluster.nodes) node.commitIndex = 3;
    for (const id of ['n2', 'n3']) cluster.match.set(id, 3);
    cluster.node('n1').setStages(3, { appended: 10, committed: 17 });
    cluster.tell('VIEW');
    cluster.tell('VIEW');
    clock.pass(TAIL_LIMITS.refreshMs);
    for (let i = 0; i < 3; i++) await settled();
    assert.deepEqual(asked, ['workspace/inlayHint/refresh', 'workspace/semanticTokens/refresh']);
    assert.equal((await hints())[2], 'committed in 7 ms · acked by all 3', 'with the time it took');
    cluster.node('n1').commitIndex = 4;
    cluster.tell('VIEW');
    assert.equal(clock.waiting, 0, 'what is settled does not change');
  });

  it('hostile payloads, names and explanations are letters in every answer', async () => {
    const hostile =
      '<script>alert(1)</script> \u001b[31m \u202eexe [x](javascript:alert(1)) `````` ![i](http://evil/x.png)\n# heading\n\n| a |';
    const node = cluster.node('n1');
    node.append(2, hostile, Buffer.from(hostile), { hash: hostile });
    node.append(2, 'COMMAND', Buffer.alloc(10 * 1024 * 1024, '<script>'));
    cluster.explanations.set('entry 4', {
      about: 'entry',
      id: '4',
      cause: 'UNKNOWN',
      certainty: 'UNKNOWN',
      answer: hostile,
      evidence: [{ node: hostile, text: hostile }],
      next: hostile,
      stages: [{ node: hostile, name: hostile, fromMs: Number.NaN, toMs: 4 }],
    });
    const current = start();
    await current.initialize();
    const hover = await current.ask<Hover>('hover', WINDOW, { position: { line: 5, character: 0 } });
    const texts = {
      window: await current.content(WINDOW),
      hover: (hover.contents as { value: string }).value,
      entry: await current.content('raft-log:/orders/n1/orders-n1-entry-4.md'),
      explain: await current.content('raft-log:/orders/explain/orders-why-entry-4.md'),
      hints: JSON.stringify(await current.ask('inlayHint', WINDOW, WHOLE)),
      symbols: (await current.ask<DocumentSymbol[]>('documentSymbol', WINDOW))
        .map(({ name, detail }) => `${name} ${detail}`)
        .join(),
    };
    for (const [where, text] of Object.entries(texts)) {
      assert.ok(text.length < 100_000, `${where}: ${text.length} characters`);
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u, where);
    }
    for (const where of ['hover', 'entry', 'explain'] as const) {
      const outside = texts[where].replaceAll(/^(`{3,})text\n[\s\S]*?\n\1$/gm, '');
      assert.doesNotMatch(
        outside,
        /(?<!\\)<script|\]\((?!raft-log:\/orders\/)|(?<!\\)!\[|^# heading/m,
        where,
      );
    }
    const big = await current.ask<Hover>('hover', WINDOW, { position: { line: 6, character: 0 } });
    assert.ok((big.contents as { value: string }).value.length < 5_000);
  });
});

describe('documents: followed tails', () => {
  it('a refresh waits until the one before it is taken, and then makes up for what came meanwhile', async () => {
    const clock = new Clock();
    let taken = (): void => assert.fail('none is under way');
    let refreshes = 0;
    const debounced = new Debounced(
      () =>
        new Promise((resolve) => {
          refreshes++;
          taken = resolve;
        }),
      clock.schedule,
    );
    debounced.request();
    clock.pass(250);
    for (let i = 0; i < 10; i++) {
      debounced.request();
      clock.pass(250);
    }
    assert.equal(refreshes, 1);
    taken();
    await Promise.resolve();
    await Promise.resolve();
    clock.pass(250);
    assert.equal(refreshes, 2);
    debounced.dispose();
    debounced.request();
    assert.equal(clock.waiting, 0);
  });

  it('changes every millisecond make at most four refreshes a second', async () => {
    const clock = new Clock();
    let refreshes = 0;
    const tails = new Tails(async () => {
      refreshes++;
    }, clock.schedule);
    tails.follow(TAIL, 'orders', 'n1');
    for (let ms = 0; ms < 1_000; ms++) {
      tails.changed('orders', 'n1');
      clock.pass(1);
      await Promise.resolve();
      await Promise.resolve();
    }
    assert.ok(refreshes === 3 || refreshes === 4, `${refreshes}`);
    tails.dispose();
    assert.equal(clock.waiting, 0);
  });

  it('of more than the limit the one followed longest is let go; others of the cluster are left alone', () => {
    const clock = new Clock();
    const tails = new Tails(async () => undefined, clock.schedule);
    for (let i = 0; i <= TAIL_LIMITS.followed; i++) tails.follow(`uri${i}`, 'orders', `n${i}`);
    assert.equal(clock.waiting, TAIL_LIMITS.followed);
    clock.pass(TAIL_LIMITS.refreshMs);
    tails.changed('orders', 'n0');
    tails.changed('stocks', '');
    assert.equal(clock.waiting, 0);
  });
});
