/** The commands of a script that ask the server, and how its answers are printed. */
import type {
  CodeLens,
  DocumentLink,
  DocumentSymbol,
  FoldingRange,
  Hover,
  InlayHint,
  Location,
  SemanticTokens,
  WorkspaceSymbol,
} from 'vscode-languageserver';
import { TOKEN_MODIFIERS, TOKEN_TYPES } from '../../extension/aggregator/documents/tokens.ts';
import type { Session } from './session.ts';
import { numberOf } from './stage.ts';

type Ask = (session: Session, uri: string, words: readonly string[]) => Promise<readonly string[]>;

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

function lineRange(words: readonly string[]): object {
  const [first, last] = [numberOf(words[0] ?? '0', 'line'), numberOf(words[1] ?? '100000', 'line')];
  return { range: { start: { line: first, character: 0 }, end: { line: last, character: 0 } } };
}

function printSymbol(symbol: DocumentSymbol, indent = ''): string[] {
  const { start, end } = symbol.range;
  return [
    `${indent}${symbol.name} (${symbol.detail}) lines ${start.line} to ${end.line}`,
    ...(symbol.children ?? []).flatMap((child) => printSymbol(child, `${indent}  `)),
  ];
}

/** Tokens as words: the text is asked for, so that a transcript shows what is coloured. */
function printTokens(data: readonly number[], lines: readonly string[]): string[] {
  const printed: string[] = [];
  let line = 0;
  let character = 0;
  for (let i = 0; i < data.length; i += 5) {
    const [down = 0, right = 0, length = 0, type = 0, mask = 0] = data.slice(i, i + 5);
    line += down;
    character = down > 0 ? right : character + right;
    const word = lines[line]?.slice(character, character + length) ?? '';
    const modifiers = TOKEN_MODIFIERS.filter((_, bit) => (mask & (1 << bit)) !== 0);
    printed.push(
      `${line} ${[TOKEN_TYPES[type], ...modifiers].join('.')}: ${word.length > 40 ? `${word.slice(0, 40)}…` : word}`,
    );
  }
  return printed;
}

const ASKS: Readonly<Record<string, Ask>> = {
  content: async (session, uri) => linesOf(await session.content(uri)),
  folding: async (session, uri) =>
    (await session.ask<FoldingRange[]>('foldingRange', uri)).map(
      ({ startLine, endLine }) => `lines ${startLine} to ${endLine}`,
    ),
  symbols: async (session, uri) =>
    (await session.ask<DocumentSymbol[]>('documentSymbol', uri)).flatMap((symbol) => printSymbol(symbol)),
  tokens: async (session, uri, words) => {
    const lines = linesOf(await session.content(uri));
    const method = words.length > 0 ? 'semanticTokens/range' : 'semanticTokens/full';
    const { data } = await session.ask<SemanticTokens>(method, uri, words.length > 0 ? lineRange(words) : {});
    return printTokens(data, lines);
  },
  hints: async (session, uri, words) =>
    (await session.ask<InlayHint[]>('inlayHint', uri, lineRange(words))).map(
      ({ position, label, tooltip }) =>
        `${position.line}:${position.character} ${label}${tooltip === undefined ? '' : ` (${tooltip})`}`,
    ),
  hover: async (session, uri, words) => {
    const position = { line: numberOf(words[0], 'line'), character: 0 };
    const hover = await session.ask<Hover | null>('hover', uri, { position });
    const contents = hover?.contents;
    return typeof contents === 'object' && 'value' in contents ? linesOf(contents.value) : [];
  },
  lenses: async (session, uri) =>
    (await session.ask<CodeLens[]>('codeLens', uri)).map(
      ({ range, command }) =>
        `line ${range.start.line}: ${command?.title} → ${command?.command} ${JSON.stringify(command?.arguments)}`,
    ),
  links: async (session, uri) => {
    const lines = linesOf(await session.content(uri));
    const links = await session.ask<DocumentLink[]>('documentLink', uri);
    return links.map(({ range: { start, end }, target }) => {
      const words = lines[start.line]?.slice(start.character, end.character);
      return `line ${start.line}: ${words} → ${target}`;
    });
  },
  definition: async (session, uri, words) => {
    const position = { line: numberOf(words[0], 'line'), character: 0 };
    const found = await session.ask<Location | null>('definition', uri, { position });
    return found === null ? [] : [`${found.uri} line ${found.range.start.line}`];
  },
  find: async (session, query) => {
    const found: WorkspaceSymbol[] = await session.client.sendRequest('workspace/symbol', { query });
    return found.map(({ name, containerName, location }) => {
      const line = 'range' in location ? location.range.start.line : '';
      return `${name} in ${containerName}: ${location.uri} line ${line}`;
    });
  },
  initialize: async (session) => linesOf(JSON.stringify(await session.initialize(), undefined, 1)),
};

/** Asks when the command is one of these; undefined when it is not. Each printed line begins with a bar, as blank lines end a block. */
export async function ask(
  session: Session,
  words: readonly string[],
): Promise<readonly string[] | undefined> {
  const [name = '', subject = '', ...rest] = words;
  const run = ASKS[name];
  if (run === undefined) return undefined;
  try {
    const lines = await run(session, subject, rest);
    return lines.length === 0 ? ['nothing'] : lines.map((line) => `| ${line}`.trimEnd());
  } catch (error) {
    if (error instanceof Error && 'code' in error) return [`error ${error.code}: ${error.message}`];
    throw error;
  }
}
