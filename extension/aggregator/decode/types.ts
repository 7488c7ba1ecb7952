/** What the payload decoders answer. MUST be plain data: it crosses into documents, hovers and pages. */

export type DecoderName = 'empty' | 'json' | 'utf8' | 'messagepack' | 'cbor' | 'protobuf' | 'command' | 'hex';

/** One decoder that was tried. `why` is one sentence without a full stop; '' for a plain success. */
export interface Attempt {
  readonly decoder: DecoderName;
  readonly ok: boolean;
  readonly why: string;
}

/** A payload on one line, safe to show. */
export interface DecodedLine {
  readonly decoder: DecoderName;
  /** The bytes fit this format, and nobody said that they are in it. */
  readonly guess: boolean;
  readonly line: string;
}

/** A payload in full, safe to show, with the decoders that were tried, in the order of the trying. */
export interface Decoded extends DecodedLine {
  /** Several lines, cut at `DECODE_LIMITS.textChars`. */
  readonly text: string;
  readonly attempts: readonly Attempt[];
}

/** What one decoder made of the bytes: raw text that is not yet safe to show, or why it could not. */
export type Outcome = Shown | Refused;

export interface Shown {
  readonly line: string;
  /** '' when only the line was asked for. */
  readonly text: string;
}

export interface Refused {
  readonly why: string;
}

/** A decoder that is here, pure and at once. Never throws for any bytes. */
export type Decode = (bytes: Uint8Array, wanted: Wanted) => Outcome;
export type Wanted = 'LINE' | 'TEXT';
