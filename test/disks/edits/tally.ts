/** What became of the edits, by kind; and what a campaign must have shown to mean anything. */
import { KINDS, type Kind } from './files.ts';
import type { Outcome, Verdict } from './round.ts';

export interface Tally {
  readonly kinds: Record<Kind, Record<Outcome, number>>;
  /** Edited nodes whose vote was needed: given by those that had all, withheld by those that had not. */
  given: number;
  withheld: number;
  readonly problems: string[];
}

/** With so many edits each kind must have occurred, and each outcome; with fewer that is luck. */
const TELLING_EDITS = 60;

export function emptyTally(): Tally {
  const none = () => ({ UNHARMED: 0, REPAIRED: 0, REFUSED: 0 });
  const kinds = Object.fromEntries(KINDS.map((kind) => [kind, none()])) as Tally['kinds'];
  return { kinds, given: 0, withheld: 0, problems: [] };
}

export function count(tally: Tally, verdict: Verdict): void {
  tally.kinds[verdict.edit.kind][verdict.outcome]++;
  if (verdict.given) tally.given++;
  if (verdict.withheld) tally.withheld++;
  for (const problem of verdict.problems) tally.problems.push(`${verdict.edit.what}: ${problem}`);
}

/** What was not shown, one sentence each. */
export function floorsMissed(tally: Tally, edits: number): string[] {
  if (edits < TELLING_EDITS) return [];
  const missed = KINDS.filter((kind) => total(tally, kind) === 0).map(
    (kind) => `no edit was of the kind '${kind}'`,
  );
  const outcomes = sums(tally);
  for (const outcome of ['UNHARMED', 'REPAIRED', 'REFUSED'] as const)
    if (outcomes[outcome] === 0) missed.push(`no node was ${outcome}`);
  if (tally.withheld === 0) missed.push('no vote was withheld when it was needed');
  if (tally.given === 0) missed.push('no vote was given when it was needed');
  return missed;
}

export function describeTally(tally: Tally): string {
  const row = (...cells: (string | number)[]): string =>
    cells
      .map((cell, at) => (at === 0 ? `${cell}`.padEnd(14) : `${cell}`.padStart(9)))
      .join('')
      .trimEnd();
  const { UNHARMED, REPAIRED, REFUSED } = sums(tally);
  return [
    row('edit', 'all', 'unharmed', 'repaired', 'refused'),
    ...KINDS.map((kind) => {
      const { UNHARMED: fine, REPAIRED: repaired, REFUSED: refused } = tally.kinds[kind];
      return row(kind, total(tally, kind), fine, repaired, refused);
    }),
    row('all', UNHARMED + REPAIRED + REFUSED, UNHARMED, REPAIRED, REFUSED),
    `votes needed: ${tally.given} given by nodes that had all, ${tally.withheld} withheld by nodes that had not`,
    `${tally.problems.length} wrong`,
  ].join('\n');
}

function total(tally: Tally, kind: Kind): number {
  return Object.values(tally.kinds[kind]).reduce((sum, one) => sum + one, 0);
}

function sums(tally: Tally): Record<Outcome, number> {
  const all = { UNHARMED: 0, REPAIRED: 0, REFUSED: 0 };
  for (const kind of KINDS)
    for (const outcome of ['UNHARMED', 'REPAIRED', 'REFUSED'] as const)
      all[outcome] += tally.kinds[kind][outcome];
  return all;
}
