/**
 * What the session table says of one entry of the log: its effect, the same on every node.
 */

/** Where a command took effect. */
export interface Place {
  readonly index: number;
  readonly term: number;
}

export type Verdict =
  /** The app gets it. */
  | { readonly kind: 'APPLY' }
  /** It took effect before, at `place`; undefined where that is forgotten (the client said that it has the answer, or sent too much since). */
  | { readonly kind: 'DUPLICATE'; readonly place: Place | undefined }
  /** It is not the next of its session: it has no effect and never will. */
  | { readonly kind: 'GAP'; readonly expected: number }
  /** Its session does not exist (any more). */
  | { readonly kind: 'UNKNOWN' }
  | { readonly kind: 'OPENED'; readonly session: number }
  /** There are as many sessions as there may be. */
  | { readonly kind: 'FULL' }
  | { readonly kind: 'KEPT' }
  | { readonly kind: 'CLOSED' }
  /** Commands after it are of another version. */
  | { readonly kind: 'VERSION' }
  | { readonly kind: 'EXPIRED'; readonly sessions: readonly number[] };

/** Does the app get the entry? */
export function isDelivered(verdict: Verdict): boolean {
  return verdict.kind === 'APPLY';
}
