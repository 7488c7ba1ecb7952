/**
 * `outrigger lsp --stdio` as any editor would use it: a plain language client looks at three real daemons.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { logUri } from '../../extension/aggregator/documents/uris.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { TEST_MS } from '../support/patience.ts';
import { PlainLsp } from '../support/plain-lsp.ts';

interface Capabilities {
  readonly capabilities: {
    readonly hoverProvider?: unknown;
    readonly foldingRangeProvider?: unknown;
    readonly documentSymbolProvider?: unknown;
    readonly workspace?: { readonly textDocumentContent?: { readonly schemes: readonly string[] } };
  };
}

describe('outrigger lsp --stdio', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let all: Daemon[];
  let lsp: PlainLsp;

  before(async () => {
    daemons = await Daemons.begin();
    all = await daemons.cluster(3);
    const client = await AppClient.greet((all[0] as Daemon).socket, 'json');
    for (const [at, text] of ['first', '{"order": 7}', '<script>alert(1)</script>'].entries()) {
      client.send({ type: 'propose', id: at + 1, command: Buffer.from(text), wait: 'COMMITTED' } as never);
      await client.next('proposed');
    }
    await client.close();
    const env = { ...process.env, XDG_RUNTIME_DIR: daemons.runtimeDir };
    lsp = new PlainLsp(process.execPath, [resolve('bin/outrigger.mjs'), 'lsp', '--stdio'], env);
  });

  after(async () => {
    lsp.kill();
    await daemons.end();
  });

  it('says what it can do', async () => {
    const params = { processId: null, rootUri: null, capabilities: {} };
    const { capabilities } = await lsp.request<Capabilities>('initialize', params);
    lsp.notify('initialized', {});
    assert.deepEqual(capabilities.workspace?.textDocumentContent?.schemes, ['raft-log']);
    for (const name of ['hoverProvider', 'foldingRangeProvider', 'documentSymbolProvider'] as const) {
      assert.ok(capabilities[name], name);
    }
  });

  it('gives the log of each node as text, the same where the entries are', async () => {
    const texts: string[] = [];
    for (const { id } of all) {
      const uri = logUri('daemons', id, 1);
      // Clusters are found a moment after the start; until then the text says so.
      await daemons.until(`the log of ${id} can be read`, async () => (await content(uri)).includes('order'));
      texts.push(await content(uri));
    }
    const lines = texts.map((text) => text.split('\n').filter((line) => /^\s*\d/.test(line)));
    assert.equal(lines[0]?.length, 4, texts[0]);
    assert.deepEqual(lines[1], lines[0]);
    assert.deepEqual(lines[2], lines[0]);
  });

  it('answers hover, folding and symbols', async () => {
    const uri = logUri('daemons', 'n1', 1);
    const text = await content(uri);
    const line = text.split('\n').findIndex((one) => one.includes('order'));
    const hover = await lsp.request<{ contents: { value: string } }>('textDocument/hover', {
      textDocument: { uri },
      position: { line, character: 2 },
    });
    assert.match(hover.contents.value, /JSON/i);
    assert.match(hover.contents.value, /n2/);
    const folds = await lsp.request<{ startLine: number; endLine: number }[]>('textDocument/foldingRange', {
      textDocument: { uri },
    });
    assert.ok(
      folds.some(({ startLine, endLine }) => startLine < line && line <= endLine),
      JSON.stringify(folds),
    );
    const symbols = await lsp.request<{ name: string }[]>('textDocument/documentSymbol', {
      textDocument: { uri },
    });
    assert.match(symbols.map(({ name }) => name).join(), /^t\d/);
  });

  it('ends in order, and the sidecars do not notice', async () => {
    await lsp.request('shutdown', null);
    lsp.notify('exit', null);
    assert.equal(await lsp.exited, 0);
    for (const daemon of all) assert.ok((await daemons.status(daemon)) !== undefined);
  });

  async function content(uri: string): Promise<string> {
    const { text } = await lsp.request<{ text: string }>('workspace/textDocumentContent', { uri });
    return text;
  }
});
