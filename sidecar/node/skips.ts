/**
 * Which commands no app is given, because an operator said so in the log (kind SKIP).
 *
 * MUST: count a SKIP entry only once it is committed, and the same one on every node: the first that names a command.
 * An entry that names itself, a later one or none at all skips nothing.
 */

import type { Entry } from '../../shared/entry.ts';
import { decodeSkip } from '../../shared/wire/skip-entry.ts';
import type { SkipMark } from '../store/contract.ts';

export class Skips {
  /** By target: the entry that skips it. */
  readonly #at = new Map<number, number>();
  /** SKIP entries that are not known to be committed, ascending. */
  #uncommitted: SkipMark[] = [];

  /** What the log on the disk has. */
  constructor(found: readonly SkipMark[]) {
    for (const mark of found) this.#add(mark);
  }

  #add(mark: SkipMark): void {
    if (mark.target === 0 || mark.target >= mark.at) return;
    this.#uncommitted.push(mark);
  }

  /** A SKIP entry was appended to our log. */
  appended(entry: Entry): void {
    this.#add({ at: entry.index, target: decodeSkip(entry.command).index });
  }

  truncated(from: number): void {
    this.#uncommitted = this.#uncommitted.filter(({ at }) => at < from);
  }

  /** The commit index is `commit` now; returns the commands that are skipped since. */
  committed(commit: number): readonly number[] {
    if (this.#uncommitted.length === 0 || (this.#uncommitted[0] as SkipMark).at > commit) return [];
    const now = this.#uncommitted.filter(({ at, target }) => at <= commit && !this.#at.has(target));
    this.#uncommitted = this.#uncommitted.filter(({ at }) => at > commit);
    for (const { at, target } of now) this.#at.set(target, at);
    return now.map(({ target }) => target);
  }

  /** Is the command at `index` skipped? */
  has(index: number): boolean {
    return this.#at.size > 0 && this.#at.has(index);
  }
}
