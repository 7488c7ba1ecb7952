/** What survivors have and what may be lost, in words. MUST: claim no more than the comparison does. */
import { entries, list } from '../../../shared/wording.ts';
import type { Beside, Comparison, Survivor } from '../../recovery/compare.ts';
import type { Terminal } from '../terminal.ts';

export function printSurvivors(
  out: Terminal,
  { best, beside, present }: Comparison,
  all: readonly Survivor[],
): void {
  const relations = new Map(beside.map((one) => [one.folder, relationOf(one, nameOf(best))]));
  out.table(
    [
      { title: 'NODE' },
      { title: 'CLUSTER' },
      { title: 'TERM', align: 'right' },
      { title: 'LOG' },
      { title: 'LAST ENTRY' },
      { title: 'COMMITTED TO', align: 'right' },
      { title: '' },
    ],
    all.map((survivor) => [
      nameOf(survivor),
      survivor.cluster || '?',
      survivor.term,
      `${survivor.baseIndex + 1} to ${survivor.lastIndex}`,
      `term ${survivor.lastTerm}, ${timeOf(survivor.lastTime)}`,
      survivor.committed,
      relations.get(survivor.folder) ?? (present.length > 1 ? 'the most up to date' : ''),
    ]),
  );
}

function nameOf({ node, folder }: Survivor | Beside): string {
  return node === '' ? folder : node;
}

function timeOf(time: number): string {
  return time === 0 ? 'time not known' : new Date(time).toISOString();
}

function relationOf({ relation, agreeThrough, discarded }: Beside, best: string): string {
  switch (relation) {
    case 'EQUAL':
      return `the same log as ${best}`;
    case 'BEHIND':
      return `the log of ${best} to ${agreeThrough}, and then lacks the rest`;
    case 'DIVERGED':
      return `parts from ${best} at ${discarded?.from}: ${rangeOf(discarded)} were never committed`;
    case 'UNKNOWN':
      return `too far behind ${best} to be compared`;
  }
}

function rangeOf(range: { from: number; through: number } | undefined): string {
  if (range === undefined) return 'no entries';
  return `entries ${range.from} to ${range.through}`;
}

/** One sentence for each thing that may be lost, or that is kept though nobody may have been told of it. */
export function lossesOf(comparison: Comparison, chosen: Survivor): string[] {
  const { lost, committed, uncertain, missing, best } = comparison;
  const name = nameOf(chosen);
  const said: string[] = [];
  if (lost.length > 0)
    said.push(
      `What ${list(lost)} acknowledged and no folder here has is LOST. How much that is nobody here knows; the last entry of ${name} is of ${timeOf(chosen.lastTime)}, so look at what was acknowledged around and after that.`,
    );
  if (chosen.folder !== best.folder && chosen.lastIndex !== best.lastIndex)
    said.push(`What ${nameOf(best)} has and ${name} does not is LOST, and it may have been acknowledged.`);
  if (missing !== undefined)
    said.push(
      `${upper(rangeOf(missing))} (${entries(missing.through - missing.from + 1)}) were in the log of a node here and are damaged or gone: LOST.`,
    );
  for (const { damage, node, folder } of [chosen])
    if (damage !== undefined)
      said.push(
        `The disk of ${node || folder} cannot prove that it has all it acknowledged: ${damage.reason}.`,
      );
  if (committed > 0) said.push(`Certain: everything up to entry ${committed} was committed, and is kept.`);
  if (uncertain !== undefined)
    said.push(
      `Kept, though it is not known whether they were committed: ${rangeOf({ ...uncertain, through: Math.min(uncertain.through, chosen.lastIndex) })}. Commands among them that nobody was told had happened will happen.`,
    );
  return said;
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `orders` → `orders-2` → `orders-3`. */
export function nextName(cluster: string): string {
  const [, stem = cluster, number] = /^(.*?)(?:-(\d{1,4}))?$/.exec(cluster) ?? [];
  const next = `${stem}-${number === undefined ? 2 : Number(number) + 1}`;
  return next.length > 64 ? 'recovered' : next;
}
