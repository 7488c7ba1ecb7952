/**
 * What is known of running nodes, in the words of hints, lenses and hovers of an `outrigger.json`.
 *
 * MUST: be pure; say of each lag which one it is; show nothing of a peer but through safe-text.
 */
import { conditionOf } from '../../../shared/app-conditions.ts';
import type { ClusterView, NodeView } from '../../../shared/cluster-view.ts';
import type { Lag } from '../../../shared/inspect.ts';
import { safeLine, safeMarkdown } from '../../../shared/safe-text.ts';
import { duration, entries } from '../../../shared/wording.ts';
import { page, table } from '../documents/markdown.ts';

export function nodeOf(view: ClusterView | undefined, id: string): NodeView | undefined {
  return view?.nodes.find((node) => node.id === id);
}

/** A few words behind a node's id: `leader · term 7`, `follower · term 7 · replicated lag 12 entries, 3.4 s`. */
export function nodeHint(view: ClusterView, id: string): string {
  const node = nodeOf(view, id);
  if (node === undefined) return 'not a member';
  const { state, reason } = node.link;
  if (state !== 'CONNECTED') {
    const why = reason === '' ? '' : `: ${safeLine(reason, 80)}`;
    return `${LINK_WORDS[state]}${why}`;
  }
  const term = node.status === undefined ? '' : ` · term ${node.status.term}`;
  const lags = lagsOf(node).filter(([, lag]) => lag.entries > 0);
  return `${roleText(node)}${term}${lags.map(([name, lag]) => ` · ${name} lag ${lagText(lag)}`).join('')}`;
}

const LINK_WORDS: Readonly<Record<NodeView['link']['state'], string>> = {
  CONNECTING: 'connecting',
  CONNECTED: 'connected',
  SILENT: 'does not answer',
  RETRYING: 'cannot be reached',
  WRONG_CLUSTER: 'is of another cluster',
  UNAUTHORIZED: 'wants a token',
  INCOMPATIBLE: 'speaks another version',
  UNKNOWN: 'has no known address',
};

/** One line above a cluster. */
export function clusterTitle({ health, leader, term }: ClusterView): string {
  const leads = leader === '' ? 'no leader' : `leader ${safeLine(leader, 64)}`;
  return `${health.toLowerCase().replaceAll('_', ' ')} · ${leads} · term ${term}`;
}

/** Everything that is known of a node, as markdown. */
export function nodeHover(view: ClusterView | undefined, id: string): string {
  if (view === undefined) return page(`**${safeMarkdown(id)}**`, 'Its cluster is not attached.');
  const node = nodeOf(view, id);
  if (node === undefined) {
    return page(
      `**${safeMarkdown(id)}**`,
      `The running cluster ${safeMarkdown(view.name)} has no such member.`,
    );
  }
  const { status, link } = node;
  const said = link.reason === '' ? '' : `: ${link.reason}`;
  const rows = [
    ['link', safeMarkdown(`${LINK_WORDS[link.state]}${said}`)],
    ...(status === undefined
      ? []
      : [
          ['term', String(status.term)],
          ['commit index', String(status.commitIndex)],
          ['applied index', String(status.appliedIndex)],
          ['last index', String(status.lastIndex)],
          ['app', safeMarkdown(conditionOf(status.app).toLowerCase())],
        ]),
    ...lagsOf(node).map(([name, lag]) => [`${name} lag`, lag.entries === 0 ? 'none' : lagText(lag)]),
  ];
  return page(
    `**${safeMarkdown(id)}** ${safeMarkdown(roleText(node))}`,
    table(['', ''], rows),
    node.problems
      .map(({ severity, text }) => `- ${severity.toLowerCase()}: ${safeMarkdown(text)}`)
      .join('\n'),
  );
}

function roleText({ isLeader, role }: NodeView): string {
  if (isLeader) return 'leader';
  return role === '' ? 'role not known' : role.toLowerCase().replaceAll('_', ' ');
}

function lagsOf({ isLeader, lag }: NodeView): readonly (readonly [string, Lag])[] {
  if (lag === undefined) return [];
  const applied = ['applied', lag.applied] as const;
  // A leader trails nobody but may wait for its own app.
  if (isLeader) return [applied];
  return [['replicated', lag.replicated], ['committed', lag.committed], applied];
}

function lagText(lag: Lag): string {
  return `${entries(lag.entries)}, ${duration(lag.ms)}`;
}
