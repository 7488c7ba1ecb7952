/**
 * Walks a format whose bytes say themselves what they are (MessagePack, CBOR), and writes it as a tree.
 *
 * MUST: take all the bytes or refuse; take nothing on trust: no room is made for a declared length, nesting is bounded and
 * the walk does not recurse. (A general decoder makes arrays as long as they claim to be: 12 KB of MessagePack cost 2 GB.)
 */
import { ByteReader, FormatError } from './byte-reader.ts';
import { DECODE_LIMITS } from './limits.ts';
import { TreeWriter } from './tree-writer.ts';
import type { Outcome, Wanted } from './types.ts';

/** What stands at one place of the bytes: a whole value, or the head of one that holds `count` items. */
export type Item =
  | { readonly is: 'VALUE'; readonly text: string; readonly string?: StringKind }
  /** `count` is that of elements (ARRAY), of keys and values (MAP), or Infinity: until a BREAK. */
  | { readonly is: 'ARRAY' | 'MAP'; readonly count: number }
  /** A string in pieces, up to a BREAK. */
  | { readonly is: 'CHUNKS'; readonly count: number; readonly of: StringKind }
  | { readonly is: 'TAG'; readonly count: 1; readonly label: string }
  | { readonly is: 'BREAK' };

export type StringKind = 'BYTES' | 'TEXT';

/** Reads the item that begins here. `silent`: its text will not be shown. Throws FormatError. */
export type ReadItem = (reader: ByteReader, silent: boolean) => Item;

type Head = Exclude<Item, { is: 'VALUE' } | { is: 'BREAK' }>;

interface Open {
  readonly head: Head;
  /** Items still to come. */
  left: number;
  seen: number;
}

const BRACKETS = { ARRAY: ['[', ']'], MAP: ['{', '}'], CHUNKS: ['(_ ', ')'], TAG: ['', ')'] } as const;

/** Refuses what is not one whole map or array: other values are too short to be told from chance. */
export function readWhole(bytes: Uint8Array, readItem: ReadItem, wanted: Wanted): Outcome {
  try {
    return walk(new ByteReader(bytes), readItem, wanted);
  } catch (error) {
    if (error instanceof FormatError) return { why: error.message };
    throw error;
  }
}

function walk(reader: ByteReader, readItem: ReadItem, wanted: Wanted): Outcome {
  const writer = new TreeWriter(wanted, 'COMMAS');
  const stack: Open[] = [];
  let root = false;
  do {
    const item = readItem(reader, writer.full);
    const parent = stack.at(-1);
    if (item.is === 'BREAK') {
      endOfOpen(stack, writer);
    } else {
      if (!root && item.is !== 'TAG') {
        if (item.is !== 'MAP' && item.is !== 'ARRAY')
          throw new FormatError('it is neither a map nor an array');
        root = true;
      }
      if (parent !== undefined) before(parent, item, writer);
      if (item.is === 'VALUE') writer.write(item.text);
      else push(item, reader, stack, writer);
    }
    closeFinished(stack, writer);
  } while (stack.length > 0);
  if (reader.left > 0) throw new FormatError(`${reader.left} bytes are left over after its end`);
  return writer.shown();
}

function before(parent: Open, item: Item, writer: TreeWriter): void {
  if (parent.head.is === 'CHUNKS' && (item.is !== 'VALUE' || item.string !== parent.head.of)) {
    throw new FormatError('a piece of a string in it is none');
  }
  if (parent.head.is === 'MAP' && parent.seen % 2 === 1) writer.write(': ');
  else if (parent.head.is !== 'TAG') writer.next();
  parent.seen += 1;
  parent.left -= 1;
}

function push(head: Head, reader: ByteReader, stack: Open[], writer: TreeWriter): void {
  if (stack.length >= DECODE_LIMITS.depth) {
    throw new FormatError(`it is nested more than ${DECODE_LIMITS.depth} levels deep`);
  }
  // Every item takes at least one byte.
  if (head.count !== Infinity && head.count > reader.left) {
    throw new FormatError(`it claims ${head.count} items where ${reader.left} bytes are left`);
  }
  stack.push({ head, left: head.count, seen: 0 });
  if (head.is === 'TAG') writer.write(`${head.label}(`);
  else writer.open(BRACKETS[head.is][0]);
}

function endOfOpen(stack: Open[], writer: TreeWriter): void {
  const open = stack.pop();
  if (open === undefined || open.left !== Infinity) throw new FormatError('a break in it ends nothing');
  if (open.head.is === 'MAP' && open.seen % 2 === 1) throw new FormatError('a key in it has no value');
  close(open, writer);
}

function closeFinished(stack: Open[], writer: TreeWriter): void {
  for (let open = stack.at(-1); open?.left === 0; open = stack.at(-1)) {
    stack.pop();
    close(open, writer);
  }
}

function close(open: Open, writer: TreeWriter): void {
  if (open.head.is === 'TAG') writer.write(')');
  else writer.close(BRACKETS[open.head.is][1]);
}
