/** The SKIP entries among entries, as the store indexes them. */
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { decodeSkip } from '../../shared/wire/skip-entry.ts';
import type { SkipMark } from './contract.ts';

const NONE: readonly SkipMark[] = [];

export function skipsIn(entries: readonly Entry[]): readonly SkipMark[] {
  let skips: SkipMark[] | undefined;
  for (const { kind, index, command } of entries) {
    if (kind !== EntryKind.SKIP) continue;
    skips ??= [];
    skips.push({ at: index, target: decodeSkip(command).index });
  }
  return skips ?? NONE;
}
