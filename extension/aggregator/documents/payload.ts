/**
 * What documents need of payload decoders, and the plain ones used where nobody gave better.
 *
 * MUST: never hand a decoder more bytes than the limits here; treat what decoders answer as hostile text all the same
 * (whoever shows it goes through shared/safe-text.ts).
 */
import { isUtf8 } from 'node:buffer';
import type { LogEntryView } from '../../../shared/inspect.ts';
import { LIMITS } from '../../../shared/limits.ts';

/** A payload on one line. */
export interface LineReading {
  /** One word: `utf8`, `json`, `hex`… */
  readonly decoder: string;
  /** The bytes fit this format, and nobody said that they are in it. */
  readonly guess: boolean;
  readonly line: string;
}

/** A payload in full, with all decoders that were tried. */
export interface FullReading extends LineReading {
  readonly text: string;
  /** `why` it was not taken; '' for the one that was. */
  readonly attempts: readonly { readonly decoder: string; readonly ok: boolean; readonly why: string }[];
}

/** A cluster may have decoders of its own, so its name goes along. */
export interface Decoders {
  /** Of all payloads of a window at once, one reading for each, in order: a decoder may be a process. */
  lines(
    cluster: string,
    payloads: readonly Uint8Array[],
  ): readonly LineReading[] | Promise<readonly LineReading[]>;
  full(cluster: string, payload: Uint8Array): FullReading | Promise<FullReading>;
}

export const PAYLOAD_LIMITS = {
  /** Payloads up to so many bytes are decoded whole for their line in a window… */
  lineBytes: 16 * 1024,
  /** …of larger ones only the beginning is. */
  lineCutBytes: 1024,
  /** Characters of a payload in its line. The rest is cut, with a sign. */
  lineChars: 400,
  /** Bytes decoded in full for an entry's page or hover. Over it: only the beginning, and the page says so. */
  fullBytes: LIMITS.commandBytes,
  /** Characters of the payload on an entry's page and in a hover. The rest is cut, with a sign. */
  pageChars: 65_536,
  hoverChars: 2_000,
} as const;

/** The first `maxBytes` bytes of the entry's command; a UTF-8 character that would be cut in two is left out. */
export function payloadBytes(entry: Pick<LogEntryView, 'command'>, maxBytes: number): Uint8Array {
  const chars = Math.ceil((maxBytes + 1) / 3) * 4;
  const bytes = Buffer.from(entry.command.slice(0, chars), 'base64');
  if (bytes.length <= maxBytes) return bytes;
  let end = maxBytes;
  while (end > maxBytes - 4 && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** The bytes that an entry's line in a window is made of. */
export function lineBytes(entry: Pick<LogEntryView, 'command' | 'size'>): Uint8Array {
  const { lineBytes: whole, lineCutBytes } = PAYLOAD_LIMITS;
  return payloadBytes(entry, entry.size <= whole ? whole : lineCutBytes);
}

const HEX_LINE_BYTES = 64;

function asText(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
    : undefined;
}

function plainLine(bytes: Uint8Array): LineReading {
  const line = asText(bytes);
  if (line !== undefined) return { decoder: 'utf8', guess: false, line };
  const hex = Buffer.from(bytes.subarray(0, HEX_LINE_BYTES)).toString('hex');
  return { decoder: 'hex', guess: false, line: hex };
}

function plainFull(bytes: Uint8Array): FullReading {
  const line = plainLine(bytes);
  if (line.decoder === 'utf8') {
    return { ...line, text: line.line, attempts: [{ decoder: 'utf8', ok: true, why: '' }] };
  }
  return {
    ...line,
    text: Buffer.from(bytes).toString('hex'),
    attempts: [
      { decoder: 'utf8', ok: false, why: 'the bytes are not UTF-8' },
      { decoder: 'hex', ok: true, why: '' },
    ],
  };
}

/** UTF-8 where the bytes are that, else hex. */
export const PLAIN_DECODERS: Decoders = {
  lines: (_cluster, payloads) => payloads.map(plainLine),
  full: (_cluster, payload) => plainFull(payload),
};
