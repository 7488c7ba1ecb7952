/**
 * Finds out what a payload is: the decoder that the user named, then empty, JSON, readable UTF-8, MessagePack, CBOR,
 * and at last a hex dump.
 *
 * MUST: be pure and quick, for any bytes; say of each decoder why it did not fit; give out nothing that is not safe to
 * show. What is named by the user comes first: a guess must not win over knowledge.
 */
import { safeBlock, safeLine } from '../../../shared/safe-text.ts';
import { cbor } from './cbor.ts';
import { hexDump } from './hex.ts';
import { DECODE_LIMITS } from './limits.ts';
import { messagePack } from './messagepack.ts';
import { json, printable, utf8Text } from './text.ts';
import type { Attempt, Decode, Decoded, DecoderName, Outcome, Wanted } from './types.ts';

/** A decoder that the user named. */
export interface Named {
  readonly name: DecoderName;
  readonly decode: Decode;
}

/** Decoders that need no schema, as a user may name them. */
export const BUILT_IN: Readonly<Record<'json' | 'utf8' | 'messagepack' | 'cbor' | 'hex', Decode>> = {
  json: (bytes, wanted) => json(utf8Text(bytes, true), wanted),
  utf8: (bytes) => printable(utf8Text(bytes), bytes.length),
  messagepack: messagePack,
  cbor,
  hex: hexDump,
};

/** `before`: what was tried in vain already. With 'LINE', `text` is ''. */
export function decodeNow(
  bytes: Uint8Array,
  wanted: Wanted,
  named?: Named,
  before: readonly Attempt[] = [],
): Decoded {
  const trial = new Trial(wanted, before);
  if (bytes.length === 0) return trial.end('empty', { line: '(empty)', text: '(empty)' });
  if (named !== undefined) {
    const tooLong = bytes.length > DECODE_LIMITS.namedBytes && named.name !== 'utf8' && named.name !== 'hex';
    const won = trial.take(
      named.name,
      tooLong ? tooLongFor(bytes, DECODE_LIMITS.namedBytes) : named.decode(bytes, wanted),
    );
    if (won !== undefined) return won;
  }
  return guess(bytes, wanted, trial, named?.name);
}

function guess(bytes: Uint8Array, wanted: Wanted, trial: Trial, except: DecoderName | undefined): Decoded {
  const text = utf8Text(bytes);
  const refused =
    bytes.length > DECODE_LIMITS.guessBytes ? tooLongFor(bytes, DECODE_LIMITS.guessBytes) : undefined;
  const steps: readonly (readonly [DecoderName, boolean, () => Outcome])[] = [
    ['json', false, () => refused ?? json(text, wanted)],
    ['utf8', false, () => printable(text, bytes.length)],
    ['messagepack', true, () => refused ?? messagePack(bytes, wanted)],
    ['cbor', true, () => refused ?? cbor(bytes, wanted)],
  ];
  for (const [name, isGuess, attempt] of steps) {
    if (name === except) continue;
    const won = trial.take(name, attempt(), isGuess);
    if (won === undefined) continue;
    // Both formats are permissive: bytes that fit both say so, where somebody looks closely.
    if (name !== 'messagepack' || wanted === 'LINE' || 'why' in cbor(bytes, 'LINE')) return won;
    const why = 'it fits too, and MessagePack is tried first';
    return { ...won, attempts: [...won.attempts, { decoder: 'cbor', ok: true, why }] };
  }
  return trial.end('hex', hexDump(bytes, wanted));
}

function tooLongFor(bytes: Uint8Array, limit: number): Outcome {
  return { why: `it is ${bytes.length} bytes long, and at most ${limit} are taken` };
}

/** The attempts at one payload. */
class Trial {
  readonly #wanted: Wanted;
  readonly #attempts: Attempt[];

  constructor(wanted: Wanted, before: readonly Attempt[]) {
    this.#wanted = wanted;
    this.#attempts = [...before];
  }

  /** The result when it is one; else the reason is kept. */
  take(decoder: DecoderName, outcome: Outcome, isGuess = false): Decoded | undefined {
    if (!('why' in outcome)) return this.end(decoder, outcome, isGuess);
    if (this.#wanted === 'TEXT') this.#attempts.push({ decoder, ok: false, why: safeLine(outcome.why) });
    return undefined;
  }

  end(decoder: DecoderName, shown: { line: string; text: string }, isGuess = false): Decoded {
    const why = isGuess ? 'a guess: the bytes fit this format to the last one' : '';
    return {
      decoder,
      guess: isGuess,
      line: safeLine(shown.line, DECODE_LIMITS.lineChars),
      text: this.#wanted === 'TEXT' ? safeBlock(shown.text, DECODE_LIMITS.textChars) : '',
      attempts: [...this.#attempts, { decoder, ok: true, why }],
    };
  }
}
