/**
 * The *Clusters* view: clusters, their nodes, and what is wrong with them.
 *
 * MUST: draw again only what changed, at most `TREE_REFRESH_MS` often; keep one element object for each id, since the
 * editor knows an item by its object.
 * MUST: open an item when it gets its first problem, unless the reader closed it; never select, and never open the view.
 */
import * as vscode from 'vscode';
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { Clusters } from '../client/clusters.ts';
import { Coalescer } from '../util/coalescer.ts';
import { messageOf } from '../util/errors.ts';
import type { Icon } from './labels.ts';
import { clusterTooltip, nodeTooltip } from './tooltip.ts';
import { changedItems, flatten, openedItems, type TreeModel, treeOf } from './tree-model.ts';

/** At most four redraws a second: more costs readers their clicks. A new leader is drawn at once. */
const TREE_REFRESH_MS = 250;

/** What stays the same while the model of an item changes. Commands of menus are called with it. */
export interface TreeElement {
  readonly id: string;
  model: TreeModel;
}

export class ClustersTree implements vscode.TreeDataProvider<TreeElement> {
  readonly view: vscode.TreeView<TreeElement>;
  readonly #clusters: Clusters;
  readonly #changed = new vscode.EventEmitter<TreeElement[] | undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #elements = new Map<string, TreeElement>();
  readonly #draw = new Coalescer(() => this.#refresh(), TREE_REFRESH_MS);
  readonly #log: vscode.LogOutputChannel;
  readonly #subscriptions: readonly vscode.Disposable[];
  /** Ids of what the reader closed. They stay closed until the reader opens them. */
  readonly #closed = new Set<string>();
  /** Ids of what is to be opened as soon as the view is visible. */
  readonly #toOpen = new Set<string>();
  /** Ids of what the editor has drawn without children. The rest opens by itself when it is drawn. */
  readonly #drawnBare = new Set<string>();
  #tree: readonly TreeModel[] = [];
  #leaders = '';

  constructor(clusters: Clusters, log: vscode.LogOutputChannel) {
    this.#clusters = clusters;
    this.#log = log;
    this.view = vscode.window.createTreeView('outrigger.clusters', {
      treeDataProvider: this,
      showCollapseAll: true,
    });
    this.#subscriptions = [
      clusters.onDidChange((all) => this.#take(all)),
      this.view.onDidCollapseElement(({ element }) => {
        // An item that has lost its children is collapsed by the editor, not by the reader.
        if (element.model.children.length > 0) this.#closed.add(element.id);
      }),
      this.view.onDidExpandElement(({ element }) => this.#closed.delete(element.id)),
      this.view.onDidChangeVisibility(() => this.#openLate()),
    ];
  }

  /** What the view shows (or would show) now. */
  get models(): readonly TreeModel[] {
    return this.#tree;
  }

  tooltip(model: TreeModel): string {
    const cluster = this.#clusters.find(model.cluster);
    if (cluster === undefined || model.kind === 'problem') return '';
    if (model.kind === 'cluster') return clusterTooltip(cluster);
    const node = cluster.nodes.find(({ id }) => id === model.node);
    return node === undefined ? '' : nodeTooltip(cluster, node, Date.now());
  }

  /** Shows that node in the view, without taking the focus. */
  async reveal(cluster: string, node: string): Promise<void> {
    const element = this.#elements.get(`node:${cluster}/${node}`);
    if (element !== undefined) await this.view.reveal(element, { select: true, focus: false, expand: true });
  }

  getChildren(element?: TreeElement): TreeElement[] {
    const models = element === undefined ? this.#tree : element.model.children;
    return models.map((model) => this.#element(model));
  }

  getParent(element: TreeElement): TreeElement | undefined {
    const { kind, cluster, node } = element.model;
    if (kind === 'cluster') return undefined;
    if (kind === 'problem' && node !== '') return this.#elements.get(`node:${cluster}/${node}`);
    return this.#elements.get(`cluster:${cluster}`);
  }

  getTreeItem({ id, model }: TreeElement): vscode.TreeItem {
    const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    const open = model.expanded ? Expanded : Collapsed;
    if (model.children.length === 0) this.#drawnBare.add(id);
    const item = new vscode.TreeItem(model.label, model.children.length === 0 ? None : open);
    item.id = id;
    item.description = model.description;
    item.iconPath = themeIcon(model.icon);
    item.contextValue = model.context;
    item.accessibilityInformation = { label: model.speech };
    return item;
  }

  resolveTreeItem(item: vscode.TreeItem, { model }: TreeElement): vscode.TreeItem {
    if (model.kind === 'problem') {
      item.tooltip = model.label;
      return item;
    }
    const text = new vscode.MarkdownString(this.tooltip(model));
    text.isTrusted = false;
    text.supportHtml = false;
    item.tooltip = text;
    return item;
  }

  dispose(): void {
    this.#draw.dispose();
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#changed.dispose();
    this.view.dispose();
  }

  #element(model: TreeModel): TreeElement {
    const known = this.#elements.get(model.id);
    if (known !== undefined) return known;
    const fresh = { id: model.id, model };
    this.#elements.set(model.id, fresh);
    return fresh;
  }

  #take(clusters: readonly ClusterView[]): void {
    const leaders = clusters.map(({ name, leader, term }) => `${name} ${leader} ${term}`).join('\n');
    if (leaders === this.#leaders) this.#draw.trigger();
    else this.#draw.now();
    this.#leaders = leaders;
  }

  #refresh(): void {
    const before = this.#tree;
    this.#tree = treeOf(this.#clusters.all);
    const now = flatten(this.#tree);
    for (const [id, element] of this.#elements) {
      const model = now.get(id);
      if (model === undefined) {
        this.#elements.delete(id);
        this.#closed.delete(id);
        this.#drawnBare.delete(id);
      } else element.model = model;
    }
    for (const id of openedItems(before, this.#tree)) if (this.#drawnBare.delete(id)) this.#toOpen.add(id);
    const changed = changedItems(before, this.#tree);
    if (changed === 'all') this.#changed.fire(undefined);
    else if (changed.length > 0) {
      this.#changed.fire(changed.flatMap((id) => this.#elements.get(id) ?? []));
    }
    this.#open();
  }

  /**
   * An item that was drawn without children stays collapsed when it gets some, whatever its `collapsibleState` says then. So it
   * is revealed, which would open the view as well: only while that is visible.
   */
  #open(): void {
    if (!this.view.visible) return;
    for (const id of this.#toOpen) {
      const element = this.#elements.get(id);
      if (element === undefined || element.model.children.length === 0 || this.#isClosed(element)) continue;
      this.view
        .reveal(element, { expand: true, focus: false, select: false })
        .then(undefined, (error: unknown) => this.#log.debug(`${id} was not opened: ${messageOf(error)}`));
    }
    this.#toOpen.clear();
  }

  /** What changed while nobody saw it is not known to the editor yet. */
  #openLate(): void {
    const elements = [...this.#toOpen].flatMap((id) => this.#elements.get(id) ?? []);
    if (!this.view.visible || elements.length === 0) return;
    this.#changed.fire(elements);
    this.#open();
  }

  /** Revealing would open what it is in, too. */
  #isClosed(element: TreeElement): boolean {
    const parent = this.getParent(element);
    return this.#closed.has(element.id) || (parent !== undefined && this.#isClosed(parent));
  }
}

export function themeIcon(icon: Icon): vscode.ThemeIcon {
  return new vscode.ThemeIcon(icon.id, icon.color === '' ? undefined : new vscode.ThemeColor(icon.color));
}
