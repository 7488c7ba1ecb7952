/**
 * Code lenses: at the head of a window the same one on the other nodes, at the start of each term why the leader changed.
 *
 * MUST: be pure. The commands are registered by the editor's side; other clients show the titles.
 */
import { type CodeLens, Command, type Range } from 'vscode-languageserver';
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import type { NodeEvent } from '../../../shared/events.ts';
import type { About } from '../../../shared/explain/types.ts';
import type { LogText } from './library.ts';
import { termLines } from './outline.ts';
import type { Facts } from './standing.ts';
import { nodeWord } from './words.ts';

/** Commands that lenses name. Each takes one object, which names everything it acts on. */
export const LENS_COMMANDS = {
  /** `{ cluster, about, id }` */
  explain: 'outrigger.explain',
  /** `{ cluster, node, index }` */
  openLog: 'outrigger.openLog',
  /** `{ cluster, node }` */
  openTail: 'outrigger.openTail',
  /** `{ cluster, left, right }` */
  compareLogs: 'outrigger.compareLogs',
} as const;

export interface ExplainArguments {
  readonly cluster: string;
  readonly about: About;
  readonly id: string;
}

function at(line: number): Range {
  return { start: { line, character: 0 }, end: { line, character: 0 } };
}

/** Who became leader in each term, as far as the remembered events tell. */
function leadersByTerm(events: readonly NodeEvent[]): ReadonlyMap<number, string> {
  const elected = events.filter(({ kind, role }) => kind === 'ROLE' && role === 'LEADER');
  return new Map(elected.map(({ term, node }) => [term, node]));
}

/** The term begins here, as far as is known: not only its first line in this window. */
function beginsHere(text: LogText, facts: Facts, term: number, index: number): boolean {
  const known = facts.runs.get(text.name.node)?.runAt(index);
  if (known !== undefined && known.term === term) return known.first === index;
  return index === 1 || index > (text.entries[0]?.index ?? index);
}

/** The log of another node at the same place. */
function openLens({ name }: LogText, node: string): CodeLens {
  const { cluster } = name;
  const title = `the same on ${node}`;
  if (name.kind === 'TAIL') {
    return { range: at(0), command: Command.create(title, LENS_COMMANDS.openTail, { cluster, node }) };
  }
  const argument = { cluster, node, index: name.from };
  return { range: at(0), command: Command.create(title, LENS_COMMANDS.openLog, argument) };
}

/** What to do with the whole window: above its first line. */
function headLenses(text: LogText, facts: Facts): CodeLens[] {
  const { cluster, node } = text.name;
  const others = (facts.view?.nodes ?? []).filter(({ id }) => id !== node && NAME_PATTERN.test(id));
  const leader = others.find(({ isLeader }) => isLeader)?.id;
  if (leader === undefined) return others.map(({ id }) => openLens(text, id));
  const compare = Command.create(`compare with leader ${leader}`, LENS_COMMANDS.compareLogs, {
    cluster,
    left: node,
    right: leader,
  });
  return [...others.map(({ id }) => openLens(text, id)), { range: at(0), command: compare }];
}

export function lenses(text: LogText, facts: Facts, events: readonly NodeEvent[]): CodeLens[] {
  const { cluster } = text.name;
  const leaders = leadersByTerm(events);
  const argument: ExplainArguments = { cluster, about: 'leader', id: '' };
  const starts = termLines(text).filter(({ term, entries }) =>
    beginsHere(text, facts, term, entries[0]?.index ?? 0),
  );
  return [
    ...headLenses(text, facts),
    ...starts.map(({ term, firstLine }) => {
      const leader = leaders.get(term);
      const who = leader === undefined ? `term ${term}` : `term ${term}: ${nodeWord(leader)} leads`;
      const title = `${who} · explain why the leader changed`;
      return { range: at(firstLine), command: Command.create(title, LENS_COMMANDS.explain, argument) };
    }),
  ];
}
