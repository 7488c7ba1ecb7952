/**
 * CBOR (RFC 8949) as its diagnostic notation. See self-describing.ts for how it is kept harmless.
 *
 * MUST: show integers exactly, tags as `tag(value)`, byte strings as h'…', strings in pieces as `(_ "a", "b")`.
 */
import { type ByteReader, FormatError, readUtf8 } from './byte-reader.ts';
import { type Item, readWhole } from './self-describing.ts';
import { bytesText, numberText, quoted } from './tree-writer.ts';
import type { Decode } from './types.ts';

const ARRAY = 4;
const MAP = 5;
const TAG = 6;

export const cbor: Decode = (bytes, wanted) => {
  const first = bytes[0] ?? 0;
  const major = first >> 5;
  if (major !== ARRAY && major !== MAP && major !== TAG) {
    return {
      why: `its first byte (0x${first.toString(16).padStart(2, '0')}) begins no CBOR map, array or tag`,
    };
  }
  return readWhole(bytes, readItem, wanted);
};

function readItem(reader: ByteReader, silent: boolean): Item {
  const head = reader.uint(1);
  const major = head >> 5;
  const minor = head & 0x1f;
  if (major === 7) return simple(reader, minor);
  if (minor === 31) return indefinite(major);
  const argument = readArgument(reader, minor);
  switch (major) {
    case 0:
      return value(String(argument));
    case 1:
      return value(String(-1n - BigInt(argument)));
    case 2:
      return bytes(reader, length(argument), silent);
    case 3:
      return string(reader, length(argument), silent);
    case ARRAY:
      return { is: 'ARRAY', count: length(argument) };
    case MAP:
      return { is: 'MAP', count: length(argument) * 2 };
    default:
      return { is: 'TAG', count: 1, label: String(argument) };
  }
}

/** The number that belongs to a head: within it, or in the 1, 2, 4 or 8 bytes that follow. */
function readArgument(reader: ByteReader, minor: number): number | bigint {
  if (minor < 24) return minor;
  if (minor === 24) return reader.uint(1);
  if (minor === 25) return reader.uint(2);
  if (minor === 26) return reader.uint(4);
  if (minor === 27) return reader.uint64();
  throw new FormatError(`the head at byte ${reader.at - 1} means nothing in CBOR`);
}

/** Too long lengths need not be exact: they are refused for what is left of the bytes. */
function length(argument: number | bigint): number {
  return Number(argument);
}

function indefinite(major: number): Item {
  if (major === 2 || major === 3)
    return { is: 'CHUNKS', count: Infinity, of: major === 2 ? 'BYTES' : 'TEXT' };
  if (major === ARRAY) return { is: 'ARRAY', count: Infinity };
  if (major === MAP) return { is: 'MAP', count: Infinity };
  throw new FormatError('a head in it has a length where none can be');
}

function simple(reader: ByteReader, minor: number): Item {
  switch (minor) {
    case 20:
      return value('false');
    case 21:
      return value('true');
    case 22:
      return value('null');
    case 23:
      return value('undefined');
    case 24:
      return value(`simple(${reader.uint(1)})`);
    case 25:
      return value(numberText(reader.float16()));
    case 26:
      return value(numberText(reader.float32()));
    case 27:
      return value(numberText(reader.float64()));
    case 31:
      return { is: 'BREAK' };
    default:
      if (minor < 20) return value(`simple(${minor})`);
      throw new FormatError(`the head at byte ${reader.at - 1} means nothing in CBOR`);
  }
}

function value(text: string): Item {
  return { is: 'VALUE', text };
}

function string(reader: ByteReader, size: number, silent: boolean): Item {
  const text = readUtf8(reader.bytes(size));
  return { is: 'VALUE', text: silent ? '' : quoted(text), string: 'TEXT' };
}

function bytes(reader: ByteReader, size: number, silent: boolean): Item {
  const found = reader.bytes(size);
  return { is: 'VALUE', text: silent ? '' : bytesText(found), string: 'BYTES' };
}
