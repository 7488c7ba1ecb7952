/**
 * What the bench and its suite inside the extension host say to each other.
 * MUST import nothing: both sides of the editor's wall read it.
 */

/** Environment variable with the HostTask as JSON. */
export const HOST_TASK = 'OUTRIGGER_BENCH_TASK';
/** Begins the line of the results file that holds the HostFigures as JSON. */
export const HOST_NOTE = 'inspector-bench ';

export interface HostTask {
  /** `XDG_RUNTIME_DIR` of the sidecars. */
  readonly runtimeDir: string;
  readonly cluster: string;
  readonly nodes: readonly string[];
  /** In each log, at least. */
  readonly entries: number;
}

export interface HostFigures {
  /** Around `activate()` as the editor calls it: loading the code is part of it, ms. */
  readonly activationMs: number;
  /** Of which inside the extension's own `activate`, ms. */
  readonly ownActivationMs: number;
  /**
   * Since before the activation, after each step, in bytes: resident memory of the host, and of that the heap of its main
   * thread (the rest is the aggregator's worker, code and buffers). */
  readonly steps: readonly { readonly after: string; readonly grown: number; readonly heapGrown: number }[];
  /** At the end, after the main thread's garbage was collected, as it was before: what the extension keeps, bytes. */
  readonly keptGrown: number;
  /** The highest mark, sampled. */
  readonly peakGrown: number;
  /** From the command to the shown document, one of each window, ms. */
  readonly windowMs: readonly number[];
}
