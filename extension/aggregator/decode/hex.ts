/** The last resort: a hex dump. MUST show any bytes, and say when it does not show all of them. */
import { DECODE_LIMITS } from './limits.ts';
import type { Shown, Wanted } from './types.ts';

const ROW = 16;
/** Bytes on the one line: its length is then said too. */
const LINE_BYTES = 32;

export function hexDump(bytes: Uint8Array, wanted: Wanted): Shown {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const rest = bytes.length > LINE_BYTES ? '…' : '';
  const line = `${spaced(buffer.subarray(0, LINE_BYTES))}${rest} (${bytes.length} bytes)`;
  if (wanted === 'LINE') return { line, text: '' };
  const rows: string[] = [];
  for (let at = 0; at < Math.min(buffer.length, DECODE_LIMITS.hexBytes); at += ROW) {
    const row = buffer.subarray(at, at + ROW);
    const offset = at.toString(16).padStart(8, '0');
    const printable = row.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '.');
    rows.push(`${offset}  ${spaced(row).padEnd(ROW * 3 - 1)}  |${printable}|`);
  }
  if (buffer.length > DECODE_LIMITS.hexBytes) {
    rows.push(`… (${buffer.length} bytes in all; the first ${DECODE_LIMITS.hexBytes} are shown)`);
  }
  return { line, text: rows.join('\n') };
}

function spaced(bytes: Buffer): string {
  return bytes.toString('hex').replaceAll(/..(?!$)/g, '$& ');
}
