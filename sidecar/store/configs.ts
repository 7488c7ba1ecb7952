/** The memberships among entries, as the store indexes them. */
import { type ConfigAt, type Entry, EntryKind } from '../../shared/entry.ts';
import { decodeMembership } from '../../shared/wire/membership-entry.ts';

const NONE: readonly ConfigAt[] = [];

export function configsIn(entries: readonly Entry[]): readonly ConfigAt[] {
  let configs: ConfigAt[] | undefined;
  for (const { kind, index, command } of entries) {
    if (kind !== EntryKind.CONFIG) continue;
    configs ??= [];
    configs.push({ index, membership: decodeMembership(command) });
  }
  return configs ?? NONE;
}
