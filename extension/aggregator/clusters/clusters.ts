/**
 * All clusters that are watched, and those that could be: what documents, panels and requests see of the world.
 *
 * MUST: open no connection before `attend(true)` or an attach; watch by itself what endpoint files show (this user's own
 * sidecars) unless the user detached it; contact an address of a workspace file only after an attach.
 * MUST NOT: know LSP.
 */
import type { ClusterView, NodeTerms } from '../../../shared/cluster-view.ts';
import type { EndpointList } from '../../../shared/endpoint-files.ts';
import { endpointRoot, NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import type { About, Explanation } from '../../../shared/explain/types.ts';
import type { EndpointFile, LogPage, NodeStatus, TermsView } from '../../../shared/inspect.ts';
import { logPageSchema } from '../../../shared/inspect-schema.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import type { Attachment, Discovered } from '../../protocol.ts';
import { type Change, type Disposable, InspectError, type Inspected } from '../contract.ts';
import { EndpointWatch } from '../discovery/endpoint-watch.ts';
import { AGGREGATOR_LIMITS, TIMING, type Timing } from '../limits.ts';
import { sidecarUrl } from '../links/address.ts';
import { NodeLink } from '../links/link.ts';
import { typedToken } from '../links/tokens.ts';
import { Cluster } from './cluster.ts';
import { explainCluster } from './evidence.ts';

export interface ClustersOptions {
  /** '' for the default place. */
  readonly endpointRoot: string;
  readonly remembered: readonly Attachment[];
  /** Clusters that the user detached earlier: not watched by themselves. */
  readonly detached: readonly string[];
  readonly timing?: Timing;
  /** Wall clock, ms. */
  readonly now?: () => number;
  /** A bug of ours; the part that failed has ended. */
  readonly onBug: (error: unknown) => void;
}

/** What should be remembered for the next window. */
export interface Remembered {
  readonly attachments: readonly Attachment[];
  readonly detached: readonly string[];
}

/** `urgent`: a role, a term, a leader, a link or the list of clusters changed. */
export type Update = Change & { readonly urgent: boolean };

export class Clusters implements Inspected {
  readonly endpoints: EndpointWatch;
  readonly #timing: Timing;
  readonly #now: () => number;
  readonly #onBug: (error: unknown) => void;
  readonly #watched = new Map<string, Cluster>();
  /** Addresses typed by hand, by cluster: what is remembered. */
  readonly #typed = new Map<string, readonly string[]>();
  readonly #detached: Set<string>;
  readonly #listeners = new Set<(update: Update) => void>();
  readonly #rememberers = new Set<(remembered: Remembered) => void>();
  #workspace: readonly Attachment[] = [];
  #attending = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(options: ClustersOptions) {
    this.#timing = options.timing ?? TIMING;
    this.#now = options.now ?? Date.now;
    this.#onBug = options.onBug;
    this.#detached = new Set(options.detached);
    const root = options.endpointRoot === '' ? endpointRoot() : options.endpointRoot;
    const onFound = (found: EndpointList) => this.#found(found);
    this.endpoints = new EndpointWatch(root, this.#timing.scanMs, onFound, options.onBug);
    for (const { cluster, addresses } of options.remembered) this.#recall(cluster, addresses);
  }

  get attending(): boolean {
    return this.#attending;
  }

  /** Somebody looks, or nobody does any more. */
  attend(attending: boolean): void {
    if (attending === this.#attending) return;
    this.#attending = attending;
    if (!attending) {
      this.#rest();
      return;
    }
    this.endpoints.start();
    for (const cluster of this.#watched.values()) cluster.start();
    this.#timers = [
      setInterval(() => this.#age(), this.#timing.ageMs),
      setInterval(() => {
        for (const cluster of this.#watched.values()) cluster.recordPoint();
      }, this.#timing.pointMs),
    ];
    this.#tell({ what: 'VIEW', cluster: '', node: '' }, true);
  }

  dispose(): void {
    this.#rest();
    this.#attending = false;
    for (const cluster of this.#watched.values()) cluster.dispose();
    this.#watched.clear();
    this.#listeners.clear();
    this.#rememberers.clear();
  }

  /** Addresses of `outrigger.json` files of trusted workspaces; replaces those before. */
  setWorkspaceClusters(attachments: readonly Attachment[]): void {
    this.#workspace = attachments.filter(({ cluster }) => NAME_PATTERN.test(cluster));
    for (const { cluster, addresses } of this.#workspace) {
      // A cluster that its endpoint files show was attached by nobody: a file that names it moves us to no new address.
      if (this.#typed.has(cluster)) this.#watched.get(cluster)?.addAddresses(addresses.flatMap(usable));
    }
    this.#tell({ what: 'VIEW', cluster: '', node: '' }, false);
  }

  /** What can be attached now. Looks at the endpoint files; opens no connection. */
  async discover(): Promise<readonly Discovered[]> {
    const { endpoints } = await this.endpoints.scan();
    const found = new Map<string, Discovered>();
    for (const { cluster, addresses } of this.#workspace) {
      const attached = this.#watched.has(cluster);
      found.set(cluster, { cluster, nodes: addresses, source: 'WORKSPACE_FILE', attached });
    }
    for (const [cluster, list] of byCluster(endpoints)) {
      const attached = this.#watched.has(cluster);
      found.set(cluster, {
        cluster,
        nodes: list.map(({ node }) => node),
        source: 'ENDPOINT_FILES',
        attached,
      });
    }
    return [...found.values()].sort((a, b) => (a.cluster < b.cluster ? -1 : 1));
  }

  /** Watches a cluster by name, or the one that answers at an address. Resolves to its name. Rejects with InspectError. */
  async attach(cluster: string, address: string, token: string): Promise<string> {
    const tokens = typedToken(token);
    const name =
      address === '' ? await this.#attachByName(cluster) : await this.#attachByAddress(cluster, address);
    if (token !== '') this.#watched.get(name)?.setToken(tokens);
    this.attend(true);
    this.#remember();
    return name;
  }

  /** Does nothing where it is not attached. */
  detach(name: string): void {
    this.#markDetached(name);
    this.#typed.delete(name);
    this.#watched.get(name)?.dispose();
    this.#watched.delete(name);
    this.#remember();
    this.#tell({ what: 'VIEW', cluster: name, node: '' }, true);
  }

  /** The newest is last: of too many the oldest is forgotten, and watched again when it is found. */
  #markDetached(name: string): void {
    this.#detached.delete(name);
    this.#detached.add(name);
    const [oldest] = this.#detached;
    if (this.#detached.size > AGGREGATOR_LIMITS.detached && oldest !== undefined)
      this.#detached.delete(oldest);
  }

  /** Throws InspectError. */
  watched(name: string): Cluster {
    const cluster = this.#watched.get(name);
    if (cluster === undefined) throw new InspectError(`no cluster ${safeLine(name)} is attached`);
    return cluster;
  }

  allWatched(): readonly Cluster[] {
    return [...this.#watched.values()];
  }

  remembered(): Remembered {
    return {
      attachments: [...this.#typed].map(([cluster, addresses]) => ({ cluster, addresses })),
      detached: [...this.#detached],
    };
  }

  onRemember(listener: (remembered: Remembered) => void): Disposable {
    this.#rememberers.add(listener);
    return { dispose: () => this.#rememberers.delete(listener) };
  }

  /** As `onChange`, and whether it is worth telling at once. */
  onUpdate(listener: (update: Update) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  // What documents and the panel see (contract.ts).

  clusters(): readonly ClusterView[] {
    return [...this.#watched.keys()].sort().map((name) => this.watched(name).view());
  }

  cluster(name: string): ClusterView | undefined {
    return this.#watched.get(name)?.view();
  }

  terms(cluster: string): readonly NodeTerms[] {
    return this.#watched.get(cluster)?.terms() ?? [];
  }

  async freshTerms(cluster: string, node: string): Promise<TermsView> {
    return this.watched(cluster).freshTerms(node);
  }

  async log(cluster: string, node: string, from: number, to: number, signal?: AbortSignal): Promise<LogPage> {
    const link = this.watched(cluster).link(node);
    const path = `/v1/log?from=${from}&to=${to}&limit=${LIMITS.logPageEntries}&stages=true`;
    return link.get(path, logPageSchema, AGGREGATOR_LIMITS.logBytes, signal);
  }

  events(cluster: string): ReturnType<Inspected['events']> {
    return this.#watched.get(cluster)?.history.all() ?? { events: [], forgotten: 0 };
  }

  async explain(cluster: string, about: About, id: string): Promise<Explanation> {
    return explainCluster(this.watched(cluster), { about, id }, this.#now());
  }

  onChange(listener: (change: Change) => void): Disposable {
    return this.onUpdate(({ what, cluster, node }) => listener({ what, cluster, node }));
  }

  async #attachByName(name: string): Promise<string> {
    const { endpoints } = await this.endpoints.scan();
    const known = this.#workspace.find(({ cluster }) => cluster === name);
    if (!endpoints.some(({ cluster }) => cluster === name) && known === undefined) {
      throw new InspectError(
        `no sidecar of a cluster ${safeLine(name)} runs here for this user; give an address instead`,
      );
    }
    this.#detached.delete(name);
    this.#watch(name);
    if (known !== undefined) this.#addTyped(name, known.addresses.flatMap(usable));
    return name;
  }

  async #attachByAddress(expected: string, address: string): Promise<string> {
    const http = sidecarUrl(address);
    const status = await this.#probe(expected, http);
    this.#detached.delete(status.cluster);
    this.#watch(status.cluster);
    this.#addTyped(status.cluster, [http]);
    return status.cluster;
  }

  /** Asks who is there. Rejects with InspectError. */
  async #probe(cluster: string, http: string): Promise<NodeStatus> {
    const listener = { onChange: () => undefined, onEvent: () => undefined, onBug: this.#onBug };
    const target = { cluster, node: '', http, ca: '', tokens: typedToken('') };
    const link = new NodeLink(target, this.#timing, this.#now, listener);
    try {
      return await link.identify();
    } finally {
      link.dispose();
    }
  }

  #addTyped(name: string, addresses: readonly string[]): void {
    const all = [...new Set([...(this.#typed.get(name) ?? []), ...addresses])];
    this.#typed.set(name, all.slice(-AGGREGATOR_LIMITS.addresses));
    this.watched(name).addAddresses(addresses);
  }

  /** What an earlier window attached. It was checked then; a file may have been changed since. */
  #recall(name: string, addresses: readonly string[]): void {
    const good = addresses.flatMap(usable);
    if (!NAME_PATTERN.test(name) || good.length === 0 || this.#watched.size >= AGGREGATOR_LIMITS.clusters)
      return;
    this.#detached.delete(name);
    this.#watch(name);
    this.#addTyped(name, good);
  }

  /** Throws InspectError when there are too many already. */
  #watch(name: string): void {
    if (this.#watched.has(name)) return;
    if (this.#watched.size >= AGGREGATOR_LIMITS.clusters) {
      throw new InspectError(`${this.#watched.size} clusters are attached already: detach one first`);
    }
    const cluster = new Cluster(name, {
      timing: this.#timing,
      now: this.#now,
      onChange: (change, urgent) => this.#tell(change, urgent),
      onBug: this.#onBug,
    });
    this.#watched.set(name, cluster);
    cluster.setEndpoints(this.endpoints.last.endpoints.filter((endpoint) => endpoint.cluster === name));
    if (this.#attending) cluster.start();
    this.#tell({ what: 'VIEW', cluster: name, node: '' }, true);
  }

  #found({ endpoints }: EndpointList): void {
    const found = byCluster(endpoints);
    for (const name of this.#attending ? found.keys() : []) {
      const room = this.#watched.size < AGGREGATOR_LIMITS.clusters;
      if (room && !this.#detached.has(name)) this.#watch(name);
    }
    for (const [name, cluster] of this.#watched) cluster.setEndpoints(found.get(name) ?? []);
  }

  #age(): void {
    for (const cluster of this.#watched.values()) {
      if (cluster.ages()) this.#tell({ what: 'VIEW', cluster: cluster.name, node: '' }, false);
    }
  }

  #rest(): void {
    this.endpoints.stop();
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    for (const cluster of this.#watched.values()) cluster.stop();
  }

  #remember(): void {
    for (const listener of this.#rememberers) listener(this.remembered());
  }

  #tell(change: Change, urgent: boolean): void {
    for (const listener of this.#listeners) listener({ ...change, urgent });
  }
}

function byCluster(endpoints: readonly EndpointFile[]): Map<string, EndpointFile[]> {
  const groups = new Map<string, EndpointFile[]>();
  for (const endpoint of endpoints) {
    const group = groups.get(endpoint.cluster);
    if (group === undefined) groups.set(endpoint.cluster, [endpoint]);
    else group.push(endpoint);
  }
  return groups;
}

/** The base URL, or nothing where an address of a file cannot be contacted (the file's own diagnostics say so). */
function usable(address: string): string[] {
  try {
    return [sidecarUrl(address)];
  } catch (error) {
    if (error instanceof InspectError) return [];
    throw error;
  }
}
