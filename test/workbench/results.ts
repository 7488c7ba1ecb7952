/**
 * What the tests inside the editor write at their end: the only proof that they ran.
 * MUST import nothing: both sides of the editor's wall read it.
 */
export interface InnerTest {
  /** Suites and test, as one title each. */
  readonly path: readonly string[];
  readonly state: 'passed' | 'failed' | 'pending';
  /** Of a failure: message and stack. */
  readonly error: string;
  readonly ms: number;
}

export interface InnerResults {
  /** True once mocha came to its end. */
  readonly ended: boolean;
  readonly tests: readonly InnerTest[];
  /** Lines that tests want shown, such as measurements. */
  readonly notes: readonly string[];
}

/** Environment variables by which the outside tells the inside. */
export const RESULTS_FILE = 'OUTRIGGER_INNER_RESULTS';
export const INNER_SUITES = 'OUTRIGGER_INNER_SUITES';
