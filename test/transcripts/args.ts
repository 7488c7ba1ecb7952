/** A command line's words and options, and the nodes they name. A node is `1` or `n1`; an option is `name=value`. */
import type { Raft } from '../../sidecar/raft/raft.ts';
import type { Cluster } from './cluster.ts';
import type { ScriptNode } from './node.ts';
import { ScriptError } from './script.ts';

/** What is left of a command line after its name. */
export class Args {
  readonly words: string[] = [];
  readonly #options = new Map<string, string>();

  constructor(words: readonly string[]) {
    for (const word of words) {
      const [, name, value] = /^([a-z-]+)=(.*)$/.exec(word) ?? [];
      if (name === undefined || value === undefined) this.words.push(word);
      else this.#options.set(name, value);
    }
  }

  word(): string {
    const word = this.words.shift();
    if (word === undefined) throw new ScriptError('a word is missing');
    return word;
  }

  number(): number {
    return toNumber(this.word());
  }

  option(name: string): string | undefined {
    const value = this.#options.get(name);
    this.#options.delete(name);
    return value;
  }

  numberOption(name: string): number | undefined {
    const value = this.option(name);
    return value === undefined ? undefined : toNumber(value);
  }

  /** Refuses what nobody asked for. */
  end(): void {
    const rest = [...this.words, ...this.#options.keys()];
    if (rest.length > 0) throw new ScriptError(`not understood: ${rest.join(' ')}`);
  }
}

export function toNumber(word: string): number {
  const number = Number(word);
  if (!Number.isInteger(number)) throw new ScriptError(`${word} is not a number`);
  return number;
}

export function nodeId(word: string): string {
  return word.startsWith('n') ? word : `n${word}`;
}

export function nodesOf(cluster: Cluster, word: string): ScriptNode[] {
  return word === 'all' ? [...cluster.nodes.values()] : word.split(',').map((id) => cluster.node(nodeId(id)));
}

/** Nodes named in the rest of the line; all when none is. */
export function restOfNodes(cluster: Cluster, args: Args): ScriptNode[] {
  const words = args.words.splice(0);
  return words.length === 0 ? nodesOf(cluster, 'all') : words.flatMap((word) => nodesOf(cluster, word));
}

export function live(node: ScriptNode): Raft {
  if (node.raft === undefined) throw new ScriptError(`${node.id} is down`);
  return node.raft;
}
