/**
 * How much of the log is kept: which snapshots it may begin behind, and who needs more of it. Pure.
 *
 * The log between the last two snapshots is kept always, so that a peer or an app that was away for a moment is given entries and
 * not a snapshot. More than that is kept for an app whose own state is not durable that far, and for peers that catch up, as
 * long as the log stays within its bound.
 *
 * MUST: begin the log exactly behind a snapshot, since what the sessions were there must be known.
 */

/** What somebody still needs of the log. */
export interface Need {
  /** Everything after this index. */
  readonly after: number;
  /** They must have it, whatever it costs: the app that keeps its own state would lose what it has not. */
  readonly must: boolean;
}

export interface Kept {
  /** Indexes of our snapshots, full or bare, ascending. */
  readonly snapshots: readonly number[];
  /** The entry before the first one of the log. */
  readonly base: number;
  readonly needs: readonly Need[];
  /** The log has outgrown what is kept for the sake of others. */
  readonly overBound: boolean;
}

/** The snapshot that the log is to begin behind, or undefined where it stays as it is. */
export function compactionPoint({ snapshots, base, needs, overBound }: Kept): number | undefined {
  const last = snapshots.at(-2);
  if (last === undefined) return undefined;
  const needed = needs.filter(({ must }) => must || !overBound).map(({ after }) => after);
  const most = Math.min(last, ...needed);
  const point = snapshots.findLast((index) => index <= most);
  return point !== undefined && point > base ? point : undefined;
}
