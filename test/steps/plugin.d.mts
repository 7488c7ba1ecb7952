/** The names of all steps in the source, sorted. */
export function allSteps(): string[];
