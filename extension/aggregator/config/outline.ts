/**
 * Reads the text of an `outrigger.json` with the place of everything in it. Comments and trailing commas are allowed.
 *
 * MUST: be pure; find as much as there is in a document that is half written; be bounded in what it reads and how deep.
 */
import {
  createScanner,
  type JSONPath,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import { CONFIG_LIMITS } from './limits.ts';

/** A piece of the text, in UTF-16 code units. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** A value that was written, and where. `span` of a string includes its quotes. */
export interface Placed<T> {
  readonly value: T;
  readonly span: Span;
  readonly path: JSONPath;
}

export interface NodeOutline {
  readonly path: JSONPath;
  readonly id: Placed<string> | undefined;
  readonly http: Placed<string> | undefined;
  readonly peer: Placed<string> | undefined;
  readonly learner: boolean;
}

export interface ClusterOutline {
  readonly path: JSONPath;
  readonly span: Span;
  readonly name: Placed<string> | undefined;
  readonly nodes: readonly NodeOutline[];
  /** Where `"nodes"` is written. */
  readonly nodesKey: Span;
  readonly electionMinMs: Placed<number> | undefined;
  readonly electionMaxMs: Placed<number> | undefined;
  readonly heartbeatMs: Placed<number> | undefined;
}

export interface Outline {
  /** Why the text was not parsed, in a sentence; '' when it was. */
  readonly refused: string;
  /** Undefined when the text cannot be parsed at all. */
  readonly tree: Node | undefined;
  readonly errors: readonly { readonly message: string; readonly span: Span }[];
  readonly duplicateFields: readonly Placed<string>[];
  /** What is written, as plain data without any prototype's help; undefined without a tree. */
  readonly value: unknown;
  readonly clusters: readonly ClusterOutline[];
}

const EMPTY: Outline = {
  refused: '',
  tree: undefined,
  errors: [],
  duplicateFields: [],
  value: undefined,
  clusters: [],
};

export function outlineOf(text: string): Outline {
  const refused = refuse(text);
  if (refused !== '') return { ...EMPTY, refused };
  const found: ParseError[] = [];
  const tree = parseTree(text, found, { allowTrailingComma: true });
  const errors = syntaxErrors(found, text);
  if (tree === undefined) return { ...EMPTY, errors };
  const duplicateFields: Placed<string>[] = [];
  const value = plainOf(tree, [], duplicateFields);
  const clusters = elements(property(tree, 'clusters')).map(clusterOf);
  return { refused, tree, errors, duplicateFields, value, clusters };
}

/** One for each place: what follows from the first says nothing new. */
function syntaxErrors(found: readonly ParseError[], text: string): Outline['errors'] {
  const errors = new Map<number, Outline['errors'][number]>();
  for (const { error, offset, length } of found) {
    // What is missing at the end is told at the last character: there is nothing to underline behind it.
    const at = Math.min(offset, Math.max(0, text.trimEnd().length - 1));
    const message = SENTENCES[printParseErrorCode(error)] ?? 'This is not JSON.';
    if (!errors.has(at)) errors.set(at, { message, span: { offset: at, length: Math.max(1, length) } });
  }
  return [...errors.values()];
}

/** The parser recurses: what is nested too deep never gets there. '' when the text may be parsed. */
function refuse(text: string): string {
  if (text.length > CONFIG_LIMITS.fileChars) {
    return `The file is longer than ${CONFIG_LIMITS.fileChars} characters and is not read.`;
  }
  const scanner = createScanner(text, true);
  let depth = 0;
  for (scanner.scan(); scanner.getTokenOffset() < text.length; scanner.scan()) {
    const first = text.charAt(scanner.getTokenOffset());
    if (first === '{' || first === '[') depth += 1;
    if (first === '}' || first === ']') depth -= 1;
    if (depth > CONFIG_LIMITS.depth) {
      return `The file is nested more than ${CONFIG_LIMITS.depth} levels deep and is not read.`;
    }
  }
  return '';
}

const SENTENCES: Readonly<Record<string, string>> = {
  InvalidSymbol: 'This word means nothing in JSON.',
  InvalidNumberFormat: 'This is not a number.',
  PropertyNameExpected: 'A field name in double quotes is expected here.',
  ValueExpected: 'A value is expected here.',
  ColonExpected: 'A colon is expected here.',
  CommaExpected: 'A comma is expected here.',
  CloseBraceExpected: 'A closing brace is expected here.',
  CloseBracketExpected: 'A closing bracket is expected here.',
  EndOfFileExpected: 'The file should end here.',
  UnexpectedEndOfComment: 'This comment does not end.',
  UnexpectedEndOfString: 'This string does not end.',
  UnexpectedEndOfNumber: 'This number does not end.',
  InvalidUnicode: 'This is not a Unicode escape.',
  InvalidEscapeCharacter: 'This escape means nothing in JSON.',
  InvalidCharacter: 'This character must be escaped in a string.',
};

export function spanOf({ offset, length }: Node): Span {
  return { offset, length };
}

function plainOf(node: Node, path: JSONPath, duplicates: Placed<string>[]): unknown {
  if (node.type === 'array')
    return (node.children ?? []).map((child, at) => plainOf(child, [...path, at], duplicates));
  if (node.type !== 'object') return node.value;
  const object = {};
  for (const { children = [] } of node.children ?? []) {
    const [key, value] = children;
    if (key === undefined) continue;
    const name = String(key.value);
    const here = [...path, name];
    if (Object.hasOwn(object, name)) duplicates.push({ value: name, span: spanOf(key), path: here });
    // Defined, not assigned: `__proto__` is a field like any other.
    Object.defineProperty(object, name, {
      value: value === undefined ? null : plainOf(value, here, duplicates),
      enumerable: true,
      configurable: true,
    });
  }
  return object;
}

function clusterOf(node: Node, at: number): ClusterOutline {
  const path: JSONPath = ['clusters', at];
  const nodes = property(node, 'nodes');
  return {
    path,
    span: spanOf(node),
    name: text(node, 'name', path),
    nodes: elements(nodes).map((element, index) => nodeOf(element, [...path, 'nodes', index])),
    nodesKey: spanOf(nodes?.parent?.children?.[0] ?? node),
    electionMinMs: number(node, 'electionMinMs', path),
    electionMaxMs: number(node, 'electionMaxMs', path),
    heartbeatMs: number(node, 'heartbeatMs', path),
  };
}

function nodeOf(node: Node, path: JSONPath): NodeOutline {
  return {
    path,
    id: text(node, 'id', path),
    http: text(node, 'http', path),
    peer: text(node, 'peer', path),
    learner: property(node, 'learner')?.value === true,
  };
}

function elements(node: Node | undefined): readonly Node[] {
  return node?.type === 'array' ? (node.children ?? []) : [];
}

/** Value of a field; of one written twice the last counts, as everywhere in JSON. */
function property(node: Node, name: string): Node | undefined {
  if (node.type !== 'object') return undefined;
  return node.children?.findLast(({ children }) => children?.[0]?.value === name)?.children?.[1];
}

function text(node: Node, name: string, path: JSONPath): Placed<string> | undefined {
  const found = property(node, name);
  if (found?.type !== 'string') return undefined;
  return { value: String(found.value), span: spanOf(found), path: [...path, name] };
}

function number(node: Node, name: string, path: JSONPath): Placed<number> | undefined {
  const found = property(node, name);
  if (found?.type !== 'number') return undefined;
  return { value: Number(found.value), span: spanOf(found), path: [...path, name] };
}
