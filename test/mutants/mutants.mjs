/** The deliberate bugs. Each one must be killed by the suite (`npm run mutants`). */
export const MUTANTS = [];
