/**
 * The form of a transcript: blocks of commands and what they print.
 *
 *     # Comments explain the protocol to the reader.
 *     campaign 1
 *     ----
 *     everything the cluster did, line by line, up to the next blank line
 *
 * MUST: keep comments and blank lines as they are when a script is written back.
 */

export interface Command {
  /** From 1. */
  readonly line: number;
  readonly words: readonly string[];
}

export interface Block {
  /** Comments, blank lines and commands, as written. */
  readonly head: readonly string[];
  readonly commands: readonly Command[];
  /** Undefined when the block has no `----`. */
  readonly expected: readonly string[] | undefined;
}

export interface Script {
  readonly blocks: readonly Block[];
  /** Comments after the last block. */
  readonly tail: readonly string[];
}

const SEPARATOR = '----';

/** A script's mistake, not the core's. */
export class ScriptError extends Error {}

/** Words are separated by blanks; double quotes keep blanks in a word. */
function wordsOf(text: string): string[] {
  return (text.match(/(?:[^\s"]|"[^"]*")+/g) ?? []).map((word) => word.replaceAll('"', ''));
}

export function parseScript(text: string): Script {
  const lines = text.replace(/\n+$/, '').split('\n');
  const blocks: Block[] = [];
  let head: string[] = [];
  let commands: Command[] = [];
  const close = (expected: string[] | undefined): void => {
    blocks.push({ head, commands, expected });
    head = [];
    commands = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    if (line === SEPARATOR) {
      if (commands.length === 0)
        throw new ScriptError(`line ${i + 1}: ${SEPARATOR} without a command above it`);
      const expected: string[] = [];
      while (i + 1 < lines.length && lines[i + 1] !== '') expected.push(lines[++i] ?? '');
      close(expected);
      continue;
    }
    if (line === '' && commands.length > 0) close(undefined);
    head.push(line);
    if (line !== '' && !line.startsWith('#')) commands.push({ line: i + 1, words: wordsOf(line) });
  }
  if (commands.length > 0) close(undefined);
  return { blocks, tail: head };
}

/** The script with these outputs, one for each block. */
export function formatScript(script: Script, outputs: readonly (readonly string[])[]): string {
  const lines: string[] = [];
  script.blocks.forEach((block, i) => {
    if (i > 0 && block.head[0] !== '') lines.push('');
    lines.push(...block.head, SEPARATOR, ...(outputs[i] ?? []));
  });
  return `${[...lines, ...script.tail].join('\n').replace(/\n+$/, '')}\n`;
}
