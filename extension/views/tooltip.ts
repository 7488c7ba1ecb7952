/**
 * The whole status of a cluster or node as markdown, for tooltips.
 *
 * MUST: be pure; write every value through `safeMarkdown`; say of each lag which one it is.
 */
import { conditionOf } from '../../shared/app-conditions.ts';
import type { ClusterView, NodeView } from '../../shared/cluster-view.ts';
import type { Lag, NodeStatus } from '../../shared/inspect.ts';
import { safeMarkdown } from '../../shared/safe-text.ts';
import { count, duration, plural } from '../../shared/wording.ts';
import { clusterDescription, nodeDescription } from './labels.ts';

type Row = readonly [name: string, value: string];

export function clusterTooltip(cluster: ClusterView): string {
  return page(`cluster ${cluster.name}`, clusterDescription(cluster), cluster.problems, [
    ['health', cluster.health.toLowerCase().replace('_', ' ')],
    ['leader', cluster.leader === '' ? 'none known' : cluster.leader],
    ['term', String(cluster.term)],
    ['committed through', count(cluster.commitIndex)],
    ...cluster.nodes.map((node): Row => [node.id, nodeDescription(node)]),
  ]);
}

/** `now`: wall clock ms. */
export function nodeTooltip(cluster: ClusterView, node: NodeView, now: number): string {
  const link = node.link.state.toLowerCase().replace('_', ' ');
  const rows: Row[] = [
    ['address', node.http === '' ? 'not known' : node.http],
    ['link', `${link} for ${duration(now - node.link.since)}`],
  ];
  for (const { id, what, leftMs, messages } of node.planted ?? []) {
    const so = messages === 0 ? '' : `; ${plural(messages, 'message')} so far`;
    rows.push([`planted fault ${id}`, `${what}, for another ${duration(leftMs)}${so}`]);
  }
  if (node.status === undefined) rows.push(['status', 'never heard']);
  else rows.push(...statusRows(node.status, cluster), ...heardRow(node, now));
  if (node.lag !== undefined) {
    rows.push(
      ['replicated lag', lagValue(node.lag.replicated)],
      ['committed lag', lagValue(node.lag.committed)],
      ['applied lag', lagValue(node.lag.applied)],
    );
  }
  const problems =
    node.problems.length > 0 || node.link.reason === '' ? node.problems : [{ text: node.link.reason }];
  return page(`${node.id} of ${cluster.name}`, nodeDescription(node), problems, rows);
}

function heardRow(node: NodeView, now: number): Row[] {
  if (node.statusAt === undefined || node.link.state === 'CONNECTED') return [];
  return [['last heard', `${duration(now - node.statusAt)} ago; what follows is from then`]];
}

function statusRows(status: NodeStatus, cluster: ClusterView): Row[] {
  const progress = cluster.nodes
    .find(({ isLeader }) => isLeader)
    ?.status?.progress.find(({ id }) => id === status.node);
  const rows: Row[] = [
    ['role', `${status.role.toLowerCase()}, term ${status.term}`],
    ['follows', status.leader ?? 'no leader'],
    ['voted for', status.votedFor ?? 'nobody in this term'],
    ['log', `${count(status.firstIndex)} to ${count(status.lastIndex)}, last term ${status.lastTerm}`],
    ['durable through', count(status.durableIndex)],
    ['committed through', count(status.commitIndex)],
    ['applied through', count(status.appliedIndex)],
    ['app', appText(status)],
    [
      'store',
      status.store.reason === '' ? status.store.state : `${status.store.state}: ${status.store.reason}`,
    ],
    ['up for', duration(status.uptimeMs)],
    ['version', status.version],
  ];
  if (status.leaderContactMs !== null)
    rows.push(['heard its leader', `${duration(status.leaderContactMs)} ago`]);
  if (progress !== undefined) {
    rows.push(
      ['match, next (leader)', `${count(progress.matchIndex)}, ${count(progress.nextIndex)}`],
      ['replication', `${progress.state.toLowerCase()}, ${count(progress.inflightBytes)} bytes in flight`],
    );
  }
  return rows;
}

/** `healthy`, `restarted with state`, … */
function conditionInWords(app: NodeStatus['app']): string {
  return conditionOf(app).toLowerCase().replaceAll('_', ' ');
}

function appText({ app }: NodeStatus): string {
  const name = app.name === '' ? '' : ` (${app.name})`;
  return `${conditionInWords(app)}${name}${app.reason === '' ? '' : `: ${app.reason}`}`;
}

function lagValue(lag: Lag): string {
  return lag.entries === 0 ? 'none' : `${count(lag.entries)} entries, for ${duration(lag.ms)}`;
}

function page(
  title: string,
  words: string,
  problems: readonly { readonly text: string }[],
  rows: readonly Row[],
): string {
  const lines = [`**${safeMarkdown(title)}** — ${safeMarkdown(words)}`, ''];
  for (const { text } of problems) lines.push(`- **!** ${safeMarkdown(text)}`);
  if (problems.length > 0) lines.push('', '---', '');
  for (const [name, value] of rows) lines.push(`- ${safeMarkdown(name)}: ${safeMarkdown(value)}`);
  return lines.join('\n');
}
