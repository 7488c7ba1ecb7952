/**
 * MessagePack as JSON-like text. See self-describing.ts for how it is kept harmless.
 *
 * MUST: show 64-bit integers exactly, byte strings as h'…', timestamps as ISO time, other extensions as ext(type, h'…').
 */
import { ByteReader, FormatError, readUtf8 } from './byte-reader.ts';
import { type Item, readWhole } from './self-describing.ts';
import { bytesText, numberText, quoted } from './tree-writer.ts';
import type { Decode } from './types.ts';

export const messagePack: Decode = (bytes, wanted) => {
  const first = bytes[0] ?? 0xc1;
  const container = (first >= 0x80 && first <= 0x9f) || (first >= 0xdc && first <= 0xdf);
  if (!container) return { why: `its first byte (0x${hex(first)}) begins no MessagePack map or array` };
  return readWhole(bytes, readItem, wanted);
};

function readItem(reader: ByteReader, silent: boolean): Item {
  const head = reader.uint(1);
  if (head < 0x80) return value(String(head));
  if (head < 0x90) return { is: 'MAP', count: (head & 0x0f) * 2 };
  if (head < 0xa0) return { is: 'ARRAY', count: head & 0x0f };
  if (head < 0xc0) return string(reader, head & 0x1f, silent);
  if (head >= 0xe0) return value(String(head - 0x100));
  return readLong(reader, head, silent);
}

/** Heads from 0xc0 to 0xdf: those that are followed by a size, or by a value of fixed size. */
function readLong(reader: ByteReader, head: number, silent: boolean): Item {
  switch (head) {
    case 0xc0:
      return value('null');
    case 0xc2:
      return value('false');
    case 0xc3:
      return value('true');
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return binary(reader, reader.uint(sizeOf(head - 0xc4)), silent);
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return extension(reader, reader.uint(sizeOf(head - 0xc7)), silent);
    case 0xca:
      return value(numberText(reader.float32()));
    case 0xcb:
      return value(numberText(reader.float64()));
    case 0xcc:
    case 0xcd:
    case 0xce:
      return value(String(reader.uint(sizeOf(head - 0xcc))));
    case 0xcf:
      return value(String(reader.uint64()));
    case 0xd0:
    case 0xd1:
    case 0xd2:
      return value(String(reader.int(sizeOf(head - 0xd0))));
    case 0xd3:
      return value(String(reader.int64()));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return extension(reader, 1 << (head - 0xd4), silent);
    case 0xd9:
    case 0xda:
    case 0xdb:
      return string(reader, reader.uint(sizeOf(head - 0xd9)), silent);
    case 0xdc:
    case 0xdd:
      return { is: 'ARRAY', count: reader.uint(head === 0xdc ? 2 : 4) };
    case 0xde:
    case 0xdf:
      return { is: 'MAP', count: reader.uint(head === 0xde ? 2 : 4) * 2 };
    default:
      throw new FormatError(`byte 0x${hex(head)} at ${reader.at - 1} means nothing in MessagePack`);
  }
}

function sizeOf(power: number): 1 | 2 | 4 {
  return power === 0 ? 1 : power === 1 ? 2 : 4;
}

function value(text: string): Item {
  return { is: 'VALUE', text };
}

function string(reader: ByteReader, length: number, silent: boolean): Item {
  const text = readUtf8(reader.bytes(length));
  return value(silent ? '' : quoted(text));
}

function binary(reader: ByteReader, length: number, silent: boolean): Item {
  const bytes = reader.bytes(length);
  return value(silent ? '' : bytesText(bytes));
}

function extension(reader: ByteReader, length: number, silent: boolean): Item {
  const type = reader.int(1);
  const bytes = reader.bytes(length);
  if (silent) return value('');
  return value((type === -1 ? timestamp(bytes) : undefined) ?? `ext(${type}, ${bytesText(bytes)})`);
}

/** The timestamp extension: 4, 8 or 12 bytes. Undefined when it is none, or beyond what a date can say. */
function timestamp(bytes: Uint8Array): string | undefined {
  const reader = new ByteReader(bytes);
  let seconds: bigint;
  let nanos = 0n;
  if (bytes.length === 4) {
    seconds = BigInt(reader.uint(4));
  } else if (bytes.length === 8) {
    const both = reader.uint64();
    nanos = both >> 34n;
    seconds = both & 0x3_ffff_ffffn;
  } else if (bytes.length === 12) {
    nanos = BigInt(reader.uint(4));
    seconds = reader.int64();
  } else {
    return undefined;
  }
  const date = new Date(Number(seconds) * 1_000);
  if (Number.isNaN(date.getTime()) || nanos > 999_999_999n) return undefined;
  const fraction = nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
  return `${date.toISOString().slice(0, -5)}${fraction}Z`;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
