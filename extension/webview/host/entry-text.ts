/**
 * A payload as text, for the page that has no decoders behind it: JSON, UTF-8, or hex.
 *
 * MUST: never throw; cut what is long; make everything harmless.
 */
import { safeBlock } from '../../../shared/safe-text.ts';

/** Bytes of a payload that are shown. The rest is cut, and said to be. */
export const SHOWN_BYTES = 64 * 1024;

export interface Decoded {
  readonly decoder: string;
  readonly text: string;
  /** Were there more bytes than are shown? */
  readonly cut: boolean;
}

export function decodePayload(base64: string): Decoded {
  const bytes = bytesOf(base64);
  if (bytes === undefined)
    return { decoder: 'base64', text: safeBlock(base64.slice(0, SHOWN_BYTES)), cut: false };
  const cut = bytes.length > SHOWN_BYTES;
  const shown = bytes.subarray(0, SHOWN_BYTES);
  const utf8 = utf8Of(shown, cut);
  if (utf8 === undefined) return { decoder: 'hex', text: hexOf(shown), cut };
  const json = cut ? undefined : jsonOf(utf8);
  return json === undefined
    ? { decoder: 'UTF-8', text: safeBlock(utf8, SHOWN_BYTES), cut }
    : { decoder: 'JSON', text: safeBlock(json, SHOWN_BYTES), cut };
}

function bytesOf(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** `cut`: the last character may be half. */
function utf8Of(bytes: Uint8Array, cut: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: cut });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function jsonOf(text: string): string | undefined {
  if (!/^\s*[[{"]/.test(text)) return undefined;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function hexOf(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
    lines.push(`${at.toString(16).padStart(6, '0')}  ${line.join(' ')}`);
  }
  return lines.join('\n');
}
