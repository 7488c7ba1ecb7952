/**
 * Workspace symbols: `t7` finds where term 7 begins on each node, `#12345` (or `n2@12345`) that entry.
 *
 * MUST: answer from what is known of the term runs, without asking a node: editors ask at each key.
 */
import { SymbolKind, type WorkspaceSymbol } from 'vscode-languageserver';
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import type { Inspected } from '../contract.ts';
import { placeOfEntry } from './addresses.ts';
import { rangeText } from './outline.ts';
import { type Facts, gatherFacts } from './standing.ts';

/** Places answered. The rest is left out: a more exact question finds it. */
const MAX_FOUND = 200;

function symbol(facts: Facts, node: string, index: number, name: string): WorkspaceSymbol {
  const role = facts.leader?.id === node ? ' (leader)' : '';
  return {
    name: `${name} on ${node}${role}`,
    kind: SymbolKind.Event,
    containerName: facts.cluster,
    location: placeOfEntry(facts, node, index),
  };
}

interface Wanted {
  readonly term?: number;
  readonly index?: number;
  /** Only on this node. */
  readonly node?: string;
}

function wantedBy(query: string): Wanted | undefined {
  const term = /^t([1-9]\d{0,14})$/.exec(query)?.[1];
  if (term !== undefined) return { term: Number(term) };
  const [, node, index] = /^(?:(.+)@|#?)([1-9]\d{0,14})$/.exec(query) ?? [];
  if (index === undefined) return undefined;
  return node === undefined ? { index: Number(index) } : { index: Number(index), node };
}

function found(facts: Facts, node: string, wanted: Wanted): WorkspaceSymbol[] {
  const runs = facts.runs.get(node);
  if (runs === undefined) return [];
  if (wanted.term !== undefined) {
    const run = runs.list().find(({ term }) => term === wanted.term);
    return run === undefined ? [] : [symbol(facts, node, run.first, `t${run.term}: ${rangeText(run)}`)];
  }
  const { index = 0 } = wanted;
  const run = runs.runAt(index);
  if (run === undefined || (wanted.node !== undefined && wanted.node !== node)) return [];
  // The name holds the question in each of its forms, since editors filter by it.
  const form = wanted.node === undefined ? `#${index}` : `${node}@${index}`;
  return [symbol(facts, node, index, `${form} of term ${run.term}`)];
}

export function search(inspected: Inspected, query: string): WorkspaceSymbol[] {
  const wanted = wantedBy(query.trim());
  if (wanted === undefined) return [];
  return inspected
    .clusters()
    .filter(({ name }) => NAME_PATTERN.test(name))
    .flatMap(({ name }) => {
      const facts = gatherFacts(inspected, name);
      const nodes = [...facts.runs.keys()].filter((node) => NAME_PATTERN.test(node)).sort();
      return nodes.flatMap((node) => found(facts, node, wanted));
    })
    .slice(0, MAX_FOUND);
}
