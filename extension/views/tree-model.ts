/**
 * The *Clusters* tree as plain data, and what changed between two of them.
 *
 * MUST: be pure; give every item an id that stays while the thing it stands for does; report as changed only what looks
 * different, since each refresh costs the reader a click or a scroll position (the tooltip is made when it is asked for).
 */
import type { ClusterView, NodeView, Problem } from '../../shared/cluster-view.ts';
import { safeLine } from '../../shared/safe-text.ts';
import { PLANTED } from '../../shared/view/planted.ts';
import {
  clusterContext,
  clusterDescription,
  clusterIcon,
  clusterSpeech,
  type Icon,
  nodeContext,
  nodeDescription,
  nodeIcon,
  nodeSpeech,
  PLANTED_ICON,
  SEVERITY_ICONS,
} from './labels.ts';

export interface TreeModel {
  readonly id: string;
  readonly kind: 'cluster' | 'node' | 'problem';
  readonly cluster: string;
  /** '' unless it is a node or a problem of one. */
  readonly node: string;
  readonly label: string;
  readonly description: string;
  readonly icon: Icon;
  readonly context: string;
  readonly speech: string;
  /** Of a node that becomes troubled its problems should be seen at once. */
  readonly expanded: boolean;
  readonly children: readonly TreeModel[];
}

/** The tree for these clusters, in the order given. */
export function treeOf(clusters: readonly ClusterView[]): readonly TreeModel[] {
  return clusters.map((cluster) => ({
    id: `cluster:${cluster.name}`,
    kind: 'cluster',
    cluster: cluster.name,
    node: '',
    label: safeLine(cluster.name),
    description: clusterDescription(cluster),
    icon: clusterIcon(cluster),
    context: clusterContext(cluster),
    speech: clusterSpeech(cluster),
    expanded: true,
    children: [
      ...cluster.problems.map((problem) => problemItem(cluster.name, '', problem)),
      ...cluster.nodes.map((node) => nodeItem(cluster, node)),
    ],
  }));
}

function nodeItem(cluster: ClusterView, node: NodeView): TreeModel {
  return {
    id: `node:${cluster.name}/${node.id}`,
    kind: 'node',
    cluster: cluster.name,
    node: node.id,
    label: safeLine(node.id),
    description: safeLine(nodeDescription(node)),
    icon: nodeIcon(node),
    context: nodeContext(cluster, node),
    speech: nodeSpeech(node),
    expanded: true,
    children: problemsOf(node).map((problem) => problemItem(cluster.name, node.id, problem)),
  };
}

/** A link that is down has a reason, though nothing else may be known of the node. */
function problemsOf(node: NodeView): readonly Problem[] {
  if (node.problems.length > 0 || node.link.reason === '') return node.problems;
  return [{ code: `LINK_${node.link.state}`, severity: 'WARNING', text: node.link.reason }];
}

function problemItem(cluster: string, node: string, problem: Problem): TreeModel {
  const text = safeLine(problem.text, 500);
  return {
    id: `problem:${cluster}/${node}/${problem.code}`,
    kind: 'problem',
    cluster,
    node,
    label: text,
    description: '',
    icon: problem.code === PLANTED ? PLANTED_ICON : SEVERITY_ICONS[problem.severity],
    context: 'problem',
    speech: `${problem.severity.toLowerCase()}: ${text}`,
    expanded: false,
    children: [],
  };
}

/** Every item of a tree by its id, parents before children. */
export function flatten(tree: readonly TreeModel[]): Map<string, TreeModel> {
  const all = new Map<string, TreeModel>();
  const visit = (items: readonly TreeModel[]): void => {
    for (const item of items) {
      all.set(item.id, item);
      visit(item.children);
    }
  };
  visit(tree);
  return all;
}

/**
 * Ids of the items to draw again, `'all'` when top-level items came, went or moved. An item whose parent is drawn again
 * is not named, since that draws it too.
 */
export function changedItems(before: readonly TreeModel[], after: readonly TreeModel[]): 'all' | string[] {
  if (!sameIds(before, after)) return 'all';
  const old = flatten(before);
  const changed: string[] = [];
  const visit = (items: readonly TreeModel[]): void => {
    for (const item of items) {
      const was = old.get(item.id);
      if (was === undefined || !looksSame(was, item)) changed.push(item.id);
      else visit(item.children);
    }
  };
  visit(after);
  return changed;
}

/** Ids of the items that were there without children, and have some now that should be seen at once. */
export function openedItems(before: readonly TreeModel[], after: readonly TreeModel[]): string[] {
  const old = flatten(before);
  return [...flatten(after).values()]
    .filter(({ id, expanded, children }) => {
      return expanded && children.length > 0 && old.get(id)?.children.length === 0;
    })
    .map(({ id }) => id);
}

function sameIds(left: readonly TreeModel[], right: readonly TreeModel[]): boolean {
  return left.length === right.length && left.every(({ id }, at) => id === right[at]?.id);
}

function looksSame(left: TreeModel, right: TreeModel): boolean {
  return (
    left.label === right.label &&
    left.description === right.description &&
    left.context === right.context &&
    left.icon.id === right.icon.id &&
    left.icon.color === right.icon.color &&
    left.speech === right.speech &&
    sameIds(left.children, right.children)
  );
}
