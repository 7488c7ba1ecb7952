/** Runs a script, and finds the scripts: they are read from the source tree, so that a rewrite changes what reviewers see. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from './cluster.ts';
import { runCommand } from './commands.ts';
import { formatScript, parseScript, type Script } from './script.ts';

const FOLDER = join('test', 'transcripts', 'scripts');
/** Printed by a block that prints nothing: an empty expectation would look forgotten. */
const NOTHING = 'ok';

/** Names without `.txt`, sorted. Paths are relative to the working folder: run from the root of the tree. */
export function scriptNames(pattern = ''): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.txt') && file.includes(pattern))
    .map((file) => file.slice(0, -4))
    .sort();
}

function pathOf(name: string): string {
  return join(FOLDER, `${name}.txt`);
}

export function readScript(name: string): Script {
  return parseScript(readFileSync(pathOf(name), 'utf8'));
}

/** What each block prints. A core that throws, or breaks an invariant, fails the script whatever it expects. */
export function runScript(script: Script): string[][] {
  const cluster = new Cluster();
  return script.blocks.map((block) => {
    for (const { line, words } of block.commands) {
      try {
        runCommand(cluster, words);
      } catch (error) {
        const soFar = cluster.takeLines().join('\n');
        throw new Error(`line ${line}, ${words.join(' ')}: ${(error as Error).message}\n${soFar}`, {
          cause: error,
        });
      }
    }
    const lines = cluster.takeLines();
    return lines.length > 0 ? lines : [NOTHING];
  });
}

/** Runs the script and writes down what it printed. Returns true when that changed the file. */
export function rewriteScript(name: string): boolean {
  const before = readFileSync(pathOf(name), 'utf8');
  const script = parseScript(before);
  const after = formatScript(script, runScript(script));
  if (after !== before) writeFileSync(pathOf(name), after);
  return after !== before;
}
