/**
 * Semantic tokens of a window. The editor's manifest maps each type below to a standard one for its colour
 * (`semanticTokenTypes` with `superType`).
 *
 * MUST: be pure.
 */
import { type Range, type SemanticTokens, SemanticTokensBuilder } from 'vscode-languageserver';
import type { LogText } from './library.ts';
import { wordsOf } from './render.ts';
import { type Facts, standingOf } from './standing.ts';

export const TOKEN_TYPES = [
  'raftNote',
  'raftIndex',
  'raftTerm',
  'raftKind',
  'raftTime',
  'raftSize',
  'raftSession',
  'raftDecoder',
  /** Payloads: plain text, a format with a structure, bytes that nobody could read. */
  'raftText',
  'raftStructured',
  'raftBytes',
] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];

/** `uncommitted`: not known to be committed. `conflict`: the leader has another entry there. */
export const TOKEN_MODIFIERS = ['uncommitted', 'conflict'] as const;

export const TOKENS_LEGEND = { tokenTypes: [...TOKEN_TYPES], tokenModifiers: [...TOKEN_MODIFIERS] };

const UNCOMMITTED = 1;
const CONFLICT = 2;

const COLUMNS: readonly TokenType[] = [
  'raftIndex',
  'raftTerm',
  'raftKind',
  'raftTime',
  'raftSize',
  'raftSession',
  'raftDecoder',
];

function payloadType(decoder: string): TokenType {
  if (decoder.startsWith('utf8')) return 'raftText';
  return decoder.startsWith('hex') ? 'raftBytes' : 'raftStructured';
}

function modifiers(text: LogText, facts: Facts, line: number): number {
  const entry = text.entries[line - text.firstLine];
  if (entry === undefined) return 0;
  const { verdict } = standingOf(facts, { ...entry, node: text.name.node }, text.commitIndex);
  if (verdict === 'COMMITTED') return 0;
  return verdict === 'CONFLICT' ? UNCOMMITTED | CONFLICT : UNCOMMITTED;
}

/** Of the lines that `range` touches; of all of them without it. */
export function tokens(text: LogText, facts: Facts, range?: Range): SemanticTokens {
  const builder = new SemanticTokensBuilder();
  const first = range?.start.line ?? 0;
  const end = Math.min(text.lines.length, (range?.end.line ?? text.lines.length) + 1);
  for (let number = first; number < end; number++) {
    const line = text.lines[number] ?? '';
    if (line.startsWith('#')) {
      builder.push(number, 0, line.length, TOKEN_TYPES.indexOf('raftNote'), 0);
      continue;
    }
    const mask = modifiers(text, facts, number);
    const words = wordsOf(line);
    words.forEach(({ start, length }, column) => {
      const type = COLUMNS[column] ?? payloadType(words[6]?.text ?? '');
      builder.push(number, start, length, TOKEN_TYPES.indexOf(type), mask);
    });
  }
  return builder.build();
}
