/**
 * The *Events* view: newest first, live while it follows, filtered as the reader likes.
 *
 * MUST: ask for new events only while the view is visible; draw at most `EVENTS_REFRESH_MS` often.
 */
import * as vscode from 'vscode';
import { count } from '../../shared/wording.ts';
import type { Aggregator } from '../client/aggregator.ts';
import type { Clusters } from '../client/clusters.ts';
import { CONTEXT_KEYS } from '../commands/ids.ts';
import { Coalescer } from '../util/coalescer.ts';
import { messageOf } from '../util/errors.ts';
import { EVENT_LIMITS, type EventFilter, EventList, filterText, isFiltered } from './event-list.ts';
import { type EventModel, eventsModel, type GivenExplanation } from './events-model.ts';

/** At most four redraws a second. */
const EVENTS_REFRESH_MS = 250;

export class EventsTree implements vscode.TreeDataProvider<EventModel> {
  readonly view: vscode.TreeView<EventModel>;
  readonly list = new EventList();
  readonly #aggregator: Aggregator;
  readonly #clusters: Clusters;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #draw = new Coalescer(() => this.#refresh(), EVENTS_REFRESH_MS);
  readonly #followed = new Set<string>();
  /** Clusters that have events in the list. */
  readonly #loaded = new Set<string>();
  readonly #subscriptions: vscode.Disposable[];
  /** Items as last drawn, by id: `reveal` needs the very object. */
  #drawn = new Map<string, EventModel>();
  #parents = new Map<string, EventModel>();
  #models: readonly EventModel[] = [];
  #given: GivenExplanation | undefined;

  constructor(aggregator: Aggregator, clusters: Clusters, log: vscode.LogOutputChannel) {
    this.#aggregator = aggregator;
    this.#clusters = clusters;
    this.#log = log;
    this.view = vscode.window.createTreeView('outrigger.events', { treeDataProvider: this });
    this.#subscriptions = [
      this.view.onDidChangeVisibility(() => this.#follow()),
      clusters.onDidChange(() => this.#follow()),
      // A new aggregator knows of no follower.
      aggregator.onDidStart(() => {
        this.#followed.clear();
        this.#follow();
      }),
      aggregator.on('raft/newEvents', ({ cluster, events }) => {
        this.list.add(cluster, events);
        this.#draw.trigger();
      }),
    ];
  }

  get models(): readonly EventModel[] {
    return this.#models;
  }

  get filter(): EventFilter {
    return this.list.filter;
  }

  set filter(filter: EventFilter) {
    this.list.filter = { ...filter, text: filter.text.slice(0, EVENT_LIMITS.filterChars) };
    void vscode.commands.executeCommand('setContext', CONTEXT_KEYS.eventsFiltered, isFiltered(filter));
    this.#draw.now();
  }

  set following(follow: boolean) {
    this.list.following = follow;
    void vscode.commands.executeCommand('setContext', CONTEXT_KEYS.eventsPaused, !follow);
    this.#draw.now();
  }

  /** Shows the evidence of an explanation on top; undefined takes it away. */
  set explanation(given: GivenExplanation | undefined) {
    this.#given = given;
    void vscode.commands.executeCommand('setContext', CONTEXT_KEYS.evidence, given !== undefined);
    this.#draw.now();
  }

  /** Shows the event with that id. False when it is not (or no longer) among the events shown. */
  async reveal(id: string): Promise<boolean> {
    const item = this.#drawn.get(id) ?? this.#inOlder(id);
    if (item === undefined) return false;
    await this.view.reveal(item, { select: true, focus: true, expand: true });
    return true;
  }

  #inOlder(id: string): EventModel | undefined {
    const older = this.#drawn.get('older');
    return older === undefined ? undefined : this.getChildren(older).find((item) => item.id === id);
  }

  getChildren(element?: EventModel): EventModel[] {
    if (element === undefined) return [...this.#models];
    const children = element.children();
    for (const child of children) {
      this.#drawn.set(child.id, child);
      this.#parents.set(child.id, element);
    }
    return [...children];
  }

  getParent(element: EventModel): EventModel | undefined {
    return this.#parents.get(element.id);
  }

  getTreeItem(model: EventModel): vscode.TreeItem {
    const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    const leaf = model.kind === 'field' || model.kind === 'proof';
    const item = new vscode.TreeItem(
      model.label,
      leaf ? None : model.kind === 'evidence' ? Expanded : Collapsed,
    );
    item.id = model.id;
    item.description = model.description;
    item.contextValue = model.kind;
    item.tooltip = `${model.label}\n${model.description}`;
    item.accessibilityInformation = { label: `${model.label}, ${model.description}` };
    if (model.icon !== '') item.iconPath = new vscode.ThemeIcon(model.icon);
    if (model.kind === 'event' || model.kind === 'proof') {
      item.command = {
        command: model.pointsAt === '' ? 'outrigger.revealNode' : 'outrigger.showEvent',
        title: '',
        arguments: [{ cluster: model.cluster, node: model.node, event: model.pointsAt }],
      };
    }
    return item;
  }

  dispose(): void {
    this.#draw.dispose();
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#changed.dispose();
    this.view.dispose();
  }

  /** Follows exactly the attached clusters while the view is visible, and none while it is not. */
  #follow(): void {
    const names = new Set(this.#clusters.all.map(({ name }) => name));
    for (const cluster of [...this.#followed]) {
      if (names.has(cluster) && this.view.visible) continue;
      this.#followed.delete(cluster);
      this.#aggregator.notify('raft/follow', { cluster, follow: false });
    }
    for (const cluster of [...this.#loaded]) if (!names.has(cluster)) this.#drop(cluster);
    if (!this.view.visible) return;
    for (const cluster of names) {
      if (this.#followed.has(cluster)) continue;
      this.#followed.add(cluster);
      this.#load(cluster).catch((error: unknown) => {
        this.#log.warn(`The events of ${cluster} could not be read: ${messageOf(error)}`);
      });
    }
  }

  #drop(cluster: string): void {
    this.#loaded.delete(cluster);
    this.list.removeCluster(cluster);
    if (this.#given?.cluster === cluster) this.explanation = undefined;
    this.#draw.trigger();
  }

  async #load(cluster: string): Promise<void> {
    this.#loaded.add(cluster);
    this.#aggregator.notify('raft/follow', { cluster, follow: true });
    const { events } = await this.#aggregator.request('raft/events', { cluster, limit: EVENT_LIMITS.kept });
    this.list.add(cluster, events);
    this.#draw.trigger();
  }

  #refresh(): void {
    this.#models = eventsModel(this.list, this.#given, this.#clusters.all.length > 1);
    this.#drawn = new Map(this.#models.map((model) => [model.id, model]));
    this.#parents = new Map();
    this.view.description = filterText(this.list.filter);
    this.view.message = this.#message();
    this.#changed.fire(undefined);
  }

  #message(): string {
    if (!this.list.following) {
      return vscode.l10n.t('Paused, {0} new. Follow to see them.', count(this.list.held));
    }
    if (this.#models.length === 0 && isFiltered(this.list.filter)) {
      return vscode.l10n.t('No event passes the filter.');
    }
    return '';
  }
}
