/**
 * What the tree and the status bar say of clusters and nodes, in words.
 *
 * MUST: be pure (no vscode, no clock); say of each lag which one it is; never tell by colour alone: every state has an
 * icon of its own shape and a word. MAY use the terms of the field untranslated (leader, follower, term, commit).
 */
import type { ClusterView, LinkState, NodeView, Severity } from '../../shared/cluster-view.ts';
import type { Lag } from '../../shared/inspect.ts';
import { safeLine } from '../../shared/safe-text.ts';
import { count, duration, plural } from '../../shared/wording.ts';
import { plainLabel } from '../util/plain.ts';

export interface Icon {
  /** A codicon name. */
  readonly id: string;
  /** A theme colour, '' for none. */
  readonly color: string;
}

const SEPARATOR = ' · ';

const LINK_WORDS: Readonly<Record<LinkState, string>> = {
  CONNECTING: 'connecting',
  CONNECTED: 'connected',
  SILENT: 'silent',
  RETRYING: 'unreachable',
  WRONG_CLUSTER: 'other cluster',
  UNAUTHORIZED: 'unauthorized',
  INCOMPATIBLE: 'incompatible',
  UNKNOWN: 'no address',
};

const LINK_ICONS: Readonly<Record<Exclude<LinkState, 'CONNECTED'>, Icon>> = {
  CONNECTING: { id: 'sync', color: '' },
  SILENT: { id: 'debug-pause', color: 'charts.yellow' },
  RETRYING: { id: 'debug-disconnect', color: 'charts.red' },
  WRONG_CLUSTER: { id: 'circle-slash', color: 'charts.red' },
  UNAUTHORIZED: { id: 'lock', color: 'charts.red' },
  INCOMPATIBLE: { id: 'versions', color: 'charts.red' },
  UNKNOWN: { id: 'question', color: '' },
};

const ROLE_ICONS: Readonly<Record<NodeView['role'], Icon>> = {
  LEADER: { id: 'star-full', color: 'charts.green' },
  FOLLOWER: { id: 'circle-large-outline', color: '' },
  CANDIDATE: { id: 'megaphone', color: 'charts.yellow' },
  LEARNER: { id: 'mortar-board', color: '' },
  '': { id: 'circle-outline', color: '' },
};

export const SEVERITY_ICONS: Readonly<Record<Severity, Icon>> = {
  ERROR: { id: 'error', color: 'problemsErrorIcon.foreground' },
  WARNING: { id: 'warning', color: 'problemsWarningIcon.foreground' },
  INFO: { id: 'info', color: 'problemsInfoIcon.foreground' },
};

export type LagKind = 'replicated' | 'applied' | 'committed';
export interface NamedLag extends Lag {
  readonly kind: LagKind;
}

/**
 * The lag to show where there is place for one: the earliest stage that accounts for at least half of the longest wait,
 * since what is not replicated cannot be applied either. Undefined when nothing trails (or nothing is known).
 */
export function worstLag(lag: NodeView['lag']): NamedLag | undefined {
  if (lag === undefined) return undefined;
  const named: NamedLag[] = [
    { kind: 'replicated' as const, ...lag.replicated },
    { kind: 'applied' as const, ...lag.applied },
    { kind: 'committed' as const, ...lag.committed },
  ].filter(({ entries }) => entries > 0);
  const longest = Math.max(...named.map(({ ms }) => ms));
  return named.find(({ ms }) => ms >= longest / 2);
}

/** `812 behind · 40 ms (replicated)`. */
export function lagText(lag: NamedLag): string {
  return `${count(lag.entries)} behind${SEPARATOR}${duration(lag.ms)} (${lag.kind})`;
}

/** Its problem has an icon of its own: nothing is wrong by itself, and nobody may overlook it. */
export const PLANTED_ICON: Icon = { id: 'beaker', color: 'charts.purple' };

/** `1 fault planted`; '' for none. */
function plantedWords({ planted = [] }: NodeView): string {
  return planted.length === 0 ? '' : `${plural(planted.length, 'fault')} planted`;
}

/**
 * The words beside the name of a node: `leader · t7 · commit 1,204,331`, `follower · 812 behind · 40 ms (replicated)`, and before
 * them `1 fault planted`.
 */
export function nodeDescription(node: NodeView): string {
  return [plantedWords(node), stateWords(node)].filter((words) => words !== '').join(SEPARATOR);
}

function stateWords(node: NodeView): string {
  const lag = worstLag(node.lag);
  const behind = lag === undefined ? [] : [lagText(lag)];
  if (node.link.state !== 'CONNECTED') {
    const was = node.role === '' ? [] : [`was ${node.role.toLowerCase()}`];
    return [LINK_WORDS[node.link.state], ...was, ...behind].join(SEPARATOR);
  }
  const term = node.status === undefined ? [] : [`t${node.status.term}`];
  if (node.role === '') return 'connected';
  if (node.role === 'LEADER') {
    // A node that still calls itself leader while the cluster follows another one.
    if (!node.isLeader) return ['leader of an older term', ...term].join(SEPARATOR);
    return ['leader', ...term, `commit ${count(node.status?.commitIndex ?? 0)}`, ...behind].join(SEPARATOR);
  }
  if (node.role === 'CANDIDATE') return ['candidate', ...term].join(SEPARATOR);
  const even = node.lag === undefined ? [] : ['up to date'];
  return [node.role.toLowerCase(), ...(lag === undefined ? even : behind)].join(SEPARATOR);
}

export function nodeIcon(node: NodeView): Icon {
  return node.link.state === 'CONNECTED' ? ROLE_ICONS[node.role] : LINK_ICONS[node.link.state];
}

/** What a screen reader says: the same, without signs. */
export function nodeSpeech(node: NodeView): string {
  const parts = [`node ${node.id}`, ...nodeDescription(node).split(SEPARATOR)];
  if (node.problems.length > 0) parts.push(plural(node.problems.length, 'problem'));
  return safeLine(parts.join(', ').replace(/\bt(\d+)\b/, 'term $1'));
}

/** For `when` clauses of menus: `node connected leader control`. */
export function nodeContext(cluster: ClusterView, node: NodeView): string {
  const words = ['node', node.link.state === 'CONNECTED' ? 'connected' : 'away'];
  if (node.isLeader) words.push('leader');
  if (node.http !== '') words.push('addressed');
  if (allowsControl(cluster)) words.push('control');
  return words.join(' ');
}

export function clusterContext(cluster: ClusterView): string {
  return ['cluster', ...(allowsControl(cluster) ? ['control'] : [])].join(' ');
}

/** Were its sidecars started with `--control`? The leader's word counts, else that of any node. */
export function allowsControl(cluster: ClusterView): boolean {
  const leader = cluster.nodes.find(({ isLeader }) => isLeader);
  if (leader?.status !== undefined) return leader.status.control;
  return cluster.nodes.some(({ status }) => status?.control === true);
}

export function clusterDescription(cluster: ClusterView): string {
  const answering = cluster.nodes.filter(({ link }) => link.state === 'CONNECTED').length;
  const total = cluster.nodes.length;
  const nodes =
    answering === total ? plural(total, 'node') : `${answering} of ${plural(total, 'node')} answer`;
  if (cluster.health === 'UNREACHABLE') return 'no node answers';
  const leader = cluster.leader === '' ? 'no leader' : `${safeLine(cluster.leader)} leads`;
  return [leader, `t${cluster.term}`, nodes].join(SEPARATOR);
}

export function clusterIcon(cluster: ClusterView): Icon {
  switch (cluster.health) {
    case 'HEALTHY':
      return { id: 'pass', color: 'charts.green' };
    case 'DEGRADED':
      return { id: 'warning', color: 'charts.yellow' };
    case 'NO_LEADER':
      return { id: 'error', color: 'charts.red' };
    case 'UNREACHABLE':
      return { id: 'debug-disconnect', color: 'charts.red' };
  }
}

export function clusterSpeech(cluster: ClusterView): string {
  const health = cluster.health.toLowerCase().replace('_', ' ');
  const words = clusterDescription(cluster).split(SEPARATOR).join(', ');
  return safeLine(`cluster ${cluster.name}, ${health}, ${words.replace(/\bt(\d+)\b/, 'term $1')}`);
}

const WORST_FIRST: readonly ClusterView['health'][] = ['UNREACHABLE', 'NO_LEADER', 'DEGRADED', 'HEALTHY'];

/** The status bar: the cluster that is worst off, `''` when none is attached. `$(server) orders: n2 leads t7`. */
export function statusBarText(clusters: readonly ClusterView[]): string {
  const worst = WORST_FIRST.flatMap((health) => clusters.filter((one) => one.health === health))[0];
  if (worst === undefined) return '';
  const more = clusters.length > 1 ? ` +${clusters.length - 1}` : '';
  return `${statusLine(worst)}${more}`;
}

function statusLine(cluster: ClusterView): string {
  const name = plainLabel(cluster.name, 40);
  switch (cluster.health) {
    case 'HEALTHY':
      return `$(server) ${name}: ${plainLabel(cluster.leader, 40)} leads t${cluster.term}`;
    case 'DEGRADED':
      return `$(warning) ${name}: ${plainLabel(cluster.leader, 40)} leads t${cluster.term}`;
    case 'NO_LEADER':
      return `$(error) ${name}: no leader t${cluster.term}`;
    case 'UNREACHABLE':
      return `$(debug-disconnect) ${name}: no node answers`;
  }
}
