/**
 * Golden transcripts of the log documents: every script of this folder stages a cluster and asks the server, over a real
 * JSON-RPC connection, what an editor would. What changed on purpose is written anew with
 *
 *     OUTRIGGER_REWRITE=1 … mocha …/test/lsp/documents.test.mjs
 *
 * Read the difference before you keep it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Block, formatScript, parseScript, type Script, ScriptError } from '../transcripts/script.ts';
import type { FakeCluster } from './fake-cluster.ts';
import { ask } from './requests.ts';
import { Session } from './session.ts';
import { act, newCluster } from './stage.ts';

/** Read from the source tree, so that a rewrite changes what reviewers see. */
const FOLDER = join('test', 'lsp');
const NAMES = readdirSync(FOLDER).filter((file) => file.endsWith('.txt'));

class Run {
  #cluster: FakeCluster | undefined;
  #session: Session | undefined;

  async block({ commands }: Block): Promise<string[]> {
    const printed: string[] = [];
    for (const { line, words } of commands) {
      const lines = await this.#command(words).catch((error: unknown) => {
        throw new Error(`line ${line}, ${words.join(' ')}: ${(error as Error).message}`, { cause: error });
      });
      printed.push(...lines);
    }
    return printed.length === 0 ? ['ok'] : printed;
  }

  async #command(words: readonly string[]): Promise<readonly string[]> {
    if (words[0] === 'cluster') {
      this.end();
      this.#cluster = newCluster(words.slice(1));
      this.#session = new Session(this.#cluster);
      if (words.includes('uninitialized')) return [];
      await this.#session.initialize();
      return [];
    }
    if (this.#cluster === undefined || this.#session === undefined) throw new ScriptError('no cluster yet');
    if (act(this.#cluster, words)) return [];
    const answer = await ask(this.#session, words);
    if (answer === undefined) throw new ScriptError(`no command is called ${words[0]}`);
    return answer;
  }

  end(): void {
    this.#session?.end();
  }
}

async function runScript(script: Script): Promise<string[][]> {
  const run = new Run();
  try {
    const outputs: string[][] = [];
    for (const block of script.blocks) outputs.push(await run.block(block));
    return outputs;
  } finally {
    run.end();
  }
}

describe('transcripts of the log documents', () => {
  it('are all there', () => {
    assert.ok(NAMES.length >= 5, `${NAMES.length} scripts`);
  });

  for (const name of NAMES) {
    it(name, async () => {
      const path = join(FOLDER, name);
      const before = readFileSync(path, 'utf8');
      const after = formatScript(parseScript(before), await runScript(parseScript(before)));
      if (process.env['OUTRIGGER_REWRITE'] === '1') writeFileSync(path, after);
      else assert.equal(after, before);
    });
  }
});
