/**
 * What the bench and its child processes say to each other.
 *
 * MUST: stay plain JSON, since `etcd-load/main.go` reads and writes the same shapes.
 * Lines go from a load generator to the bench over stdout, one JSON object each; the latencies go
 * through a file, because there may be millions of them.
 */

/** The load a generator shall offer. Given as JSON in its only argument. */
export interface LoadPlan {
  readonly target: 'outrigger' | 'etcd';
  /** Unix sockets of the sidecars, or HOST:PORT of the etcd members. */
  readonly endpoints: readonly string[];
  /** Connections per endpoint; clients are spread over all of them, neighbours to different endpoints. */
  readonly connections: number;
  readonly clients: number;
  readonly valueBytes: number;
  /** Keys are chosen uniformly from so many. */
  readonly keys: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** When above 0: stop after so many operations instead of after `measureMs` (no warm-up). */
  readonly operations: number;
  /** Offers no more than so many operations a second, evenly; a client that is late goes on at once. 0 or absent: what can be. */
  readonly perSecond?: number;
  /** Where the latencies go: little-endian float64, microseconds, in no order. */
  readonly samplesFile: string;
}

/** The measured window began, ended, and what it held. */
export type LoadLine = { readonly type: 'measuring' } | { readonly type: 'measured' } | LoadResult;

export interface LoadResult {
  readonly type: 'result';
  /** Operations that ended well inside the window. */
  readonly completed: number;
  /** Length of the window, measured. */
  readonly seconds: number;
  /** Operations that did not end well, by code. Empty in a clean run. */
  readonly errors: Readonly<Record<string, number>>;
}

export const KEY_BYTES = 8;
export const KEYS = 100_000;

/** Key number `i`, as both sides write it. */
export function keyText(i: number): string {
  return `k${String(i).padStart(KEY_BYTES - 1, '0')}`;
}
