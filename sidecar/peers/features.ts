/**
 * What sidecars of different versions may ask of each other while a cluster is upgraded, one node after the other.
 *
 * The protocol is a range, agreed on for each connection. Within one protocol a node says by a level which later additions it
 * knows: new kinds of entries and messages are not used before every member has said so, since a node that does not know a
 * kind can neither keep nor skip it.
 *
 * MUST: only ever grow.
 */

/** The newest protocol that we speak, and the oldest. */
export const PEER_PROTOCOL = 1;
export const PEER_PROTOCOL_OLDEST = 1;

/** The level that each addition came with. */
export const FEATURE = { APP_VERSION: 1 } as const;
/** Our own level. */
export const FEATURES = 1;

/** The protocol to speak with a node that speaks `oldest` to `newest` (`oldest` 0: it does not say), undefined where there is none. */
export function agreedProtocol(newest: number, oldest: number): number | undefined {
  const agreed = Math.min(newest, PEER_PROTOCOL);
  return agreed >= Math.max(oldest === 0 ? newest : oldest, PEER_PROTOCOL_OLDEST) ? agreed : undefined;
}
