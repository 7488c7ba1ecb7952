/** One deliberate bug, see mutants.mjs. */
export interface Mutant {
  readonly name: string;
  readonly title: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}
export const MUTANTS: readonly Mutant[];
