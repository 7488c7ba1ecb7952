/**
 * The term runs of each node, as far as anybody knows them. Pure.
 *
 * MUST: prefer the node's own account while it answers; where it does not, tell what the leader knows to be on its disk
 * (its runs up to the match index), since that is proven, and else the last thing the node said itself.
 */
import type { LinkState, NodeTerms } from '../../../shared/cluster-view.ts';
import type { NodeStatus, ProgressStatus, TermsView } from '../../../shared/inspect.ts';

export interface TermsSource {
  readonly node: string;
  readonly link: LinkState;
  readonly status: NodeStatus | undefined;
  /** Its own last account. */
  readonly terms: TermsView | undefined;
}

export function nodeTerms(sources: readonly TermsSource[]): NodeTerms[] {
  const leader = leaderOf(sources);
  return sources.flatMap((source): NodeTerms[] => {
    const { node, terms, status } = source;
    if (source.link !== 'CONNECTED') {
      const known = leader?.status?.progress.find(({ id }) => id === node);
      if (leader?.terms !== undefined && known !== undefined && known.matchIndex > 0) {
        return [{ node, source: 'LEADER', terms: upToMatch(leader.terms, known) }];
      }
    }
    if (terms === undefined) return [];
    // The log may stand still while what is committed and applied goes on: the status is newer.
    const marks =
      status === undefined
        ? {}
        : {
            commitIndex: Math.max(terms.commitIndex, status.commitIndex),
            appliedIndex: Math.max(terms.appliedIndex, status.appliedIndex),
          };
    return [{ node, source: 'NODE', terms: { ...terms, ...marks } }];
  });
}

/** The leader of the highest term among those that answer. */
export function leaderOf<S extends Pick<TermsSource, 'link' | 'status'>>(
  sources: readonly S[],
): S | undefined {
  const leaders = sources.filter(({ link, status }) => link === 'CONNECTED' && status?.role === 'LEADER');
  return leaders.sort((a, b) => (b.status?.term ?? 0) - (a.status?.term ?? 0))[0];
}

function upToMatch(terms: TermsView, known: ProgressStatus): TermsView {
  const match = known.matchIndex;
  return {
    ...terms,
    runs: terms.runs.flatMap((run) =>
      run.first > match ? [] : [{ ...run, last: Math.min(run.last, match) }],
    ),
    commitIndex: Math.min(known.commitIndex, match),
    appliedIndex: Math.min(known.appliedIndex, match),
  };
}
