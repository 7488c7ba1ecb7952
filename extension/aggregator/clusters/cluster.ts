/**
 * One cluster that is watched: a link to each of its nodes, what they said last, their logs' term runs, and their events.
 *
 * MUST: keep every node it ever knew until a node that answers says it left, so that a cluster that is down and up again
 * comes back by itself; tell its listener of each change that somebody can see, and of changes of role, term, leader or
 * link at once.
 * MUST NOT: know other clusters, files or the editor.
 */
import {
  type ClusterView,
  type NodeSample,
  type NodeTerms,
  viewCluster,
} from '../../../shared/cluster-view.ts';
import type { RaftEvent } from '../../../shared/events.ts';
import type { EndpointFile, NodeStatus, TermsView } from '../../../shared/inspect.ts';
import { termsViewSchema } from '../../../shared/inspect-schema.ts';
import { type Change, InspectError } from '../contract.ts';
import { AGGREGATOR_LIMITS, type Timing } from '../limits.ts';
import { hostAndPort } from '../links/address.ts';
import type { Position } from '../links/event-stream.ts';
import { NodeLink } from '../links/link.ts';
import { type TokenSource, tokensOfFile, typedToken } from '../links/tokens.ts';
import { EventHistory } from './history.ts';
import { type Place, placesOf, typedPlace } from './members.ts';
import { leaderOf, nodeTerms } from './node-terms.ts';
import { SeriesRecorder } from './series.ts';
import { TermsKeeper } from './terms-keeper.ts';

export interface ClusterOptions {
  readonly timing: Timing;
  /** Wall clock, ms. */
  readonly now: () => number;
  readonly onChange: (change: Change, urgent: boolean) => void;
  readonly onBug: (error: unknown) => void;
}

interface Member {
  readonly id: string;
  place: Place;
  /** Absent while no address is known. */
  link: NodeLink | undefined;
  terms: TermsKeeper | undefined;
  readonly since: number;
  /** What was last told of it. */
  gist: string;
  urgentGist: string;
}

/** A view is made anew at each change, and for its ages and lags in time after so long. */
const VIEW_FRESH_MS = 50;

export class Cluster {
  readonly name: string;
  readonly history = new EventHistory(AGGREGATOR_LIMITS.eventsPerNode);
  readonly series = new SeriesRecorder();
  readonly #options: ClusterOptions;
  readonly #members = new Map<string, Member>();
  /** Addresses typed by hand whose node is not known yet. */
  readonly #seeds = new Map<string, NodeLink>();
  readonly #typed = new Map<string, string>();
  #endpoints: readonly EndpointFile[] = [];
  #typedToken: TokenSource = typedToken('');
  #running = false;
  #view: { readonly view: ClusterView; readonly at: number } | undefined;

  constructor(name: string, options: ClusterOptions) {
    this.name = name;
    this.#options = options;
  }

  /** Opens the links. Idempotent. */
  start(): void {
    this.#running = true;
    for (const link of this.links()) link.start();
  }

  /** Closes the links; everything known stays. Idempotent. */
  stop(): void {
    this.#running = false;
    for (const link of this.links()) link.stop();
  }

  dispose(): void {
    this.#running = false;
    for (const link of this.links()) link.dispose();
    for (const member of this.#members.values()) member.terms?.dispose();
  }

  /** The endpoint files of this cluster, as they are now. */
  setEndpoints(endpoints: readonly EndpointFile[]): void {
    this.#endpoints = endpoints;
    this.#reconcile();
  }

  /** Base URLs (`address.ts`), besides those that are known. */
  addAddresses(addresses: readonly string[]): void {
    const ca = this.#endpoints.find((endpoint) => endpoint.ca !== undefined)?.ca ?? '';
    for (const http of addresses) {
      const known = [...this.links()].some(({ target }) => target.http === http);
      if (known || this.#seeds.size >= AGGREGATOR_LIMITS.addresses) continue;
      const link = this.#newLink('', http, ca, this.#typedToken);
      this.#seeds.set(http, link);
    }
  }

  /** The token for nodes without an endpoint file. In memory only. */
  setToken(token: TokenSource): void {
    this.#typedToken = token;
    for (const link of this.#seeds.values()) link.setTarget({ ...link.target, tokens: token });
    this.#reconcile();
  }

  view(): ClusterView {
    const now = this.#options.now();
    if (this.#view === undefined || Math.abs(now - this.#view.at) > VIEW_FRESH_MS) {
      this.#view = { view: viewCluster(this.name, this.samples(), now), at: now };
    }
    return this.#view.view;
  }

  /** The last word of each node, sorted by id. */
  samples(): NodeSample[] {
    const seeds = [...this.#seeds].map(([http, link]) => sampleOf(hostAndPort(http), link));
    const members = [...this.#members.values()].map((member): NodeSample => {
      const { id, link, place, since } = member;
      if (link !== undefined) return sampleOf(id, link);
      return { id, http: '', link: { state: 'UNKNOWN', reason: place.reason, since } };
    });
    return [...members, ...seeds].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  terms(): NodeTerms[] {
    return nodeTerms(
      [...this.#members.values()].map(({ id, link, terms }) => ({
        node: id,
        link: link?.view.state ?? 'UNKNOWN',
        status: link?.status,
        terms: terms?.last,
      })),
    );
  }

  async freshTerms(node: string): Promise<TermsView> {
    const link = this.link(node);
    const terms = await link.get('/v1/log/terms', termsViewSchema, AGGREGATOR_LIMITS.termsBytes);
    this.#members.get(node)?.terms?.take(terms, link.status);
    return terms;
  }

  /** Of every node with an address. */
  *links(): Iterable<NodeLink> {
    for (const { link } of this.#members.values()) if (link !== undefined) yield link;
    yield* this.#seeds.values();
  }

  /** The link to a node. Throws InspectError. */
  link(node: string): NodeLink {
    const member = this.#members.get(node);
    if (member === undefined) throw new InspectError(`the cluster ${this.name} has no node ${node}`);
    if (member.link === undefined) throw new InspectError(`${node}: ${member.place.reason}`);
    return member.link;
  }

  nodes(): readonly string[] {
    return [...this.#members.keys()];
  }

  /** The link to the leader, as far as is known now. Throws InspectError. */
  leader(): NodeLink {
    const links = [...this.links()].map((link) => ({
      link: link.view.state,
      status: link.status,
      self: link,
    }));
    const leader = leaderOf(links);
    if (leader === undefined) throw new InspectError(`no leader of ${this.name} answers`);
    return leader.self;
  }

  /** A node that answers, the leader first. Throws InspectError. */
  anyNode(): NodeLink {
    const answering = [...this.links()].filter(({ view }) => view.state === 'CONNECTED');
    const link = answering.find(({ status }) => status?.role === 'LEADER') ?? answering[0];
    if (link === undefined) throw new InspectError(`no node of ${this.name} answers`);
    return link;
  }

  /** Takes one point of the charts. */
  recordPoint(): void {
    this.series.record(this.view(), this.#options.now());
  }

  /** Does its view change by the mere passing of time (an age, a lag that grows)? */
  ages(): boolean {
    const { nodes, problems } = this.view();
    return (
      problems.length > 0 ||
      nodes.some(({ link, problems: own }) => link.state !== 'CONNECTED' || own.length > 0)
    );
  }

  #newLink(node: string, http: string, ca: string, tokens: TokenSource): NodeLink {
    const { timing, now, onBug } = this.#options;
    const link = new NodeLink({ cluster: this.name, node, http, ca, tokens }, timing, now, {
      onChange: (changed) => this.#linkChanged(changed),
      onEvent: (from, position, event) => this.#heard(from, position, event),
      onBug,
    });
    if (this.#running) link.start();
    return link;
  }

  #linkChanged(link: NodeLink): void {
    this.#view = undefined;
    const { status } = link;
    if (link.target.node === '') {
      if (status === undefined) {
        this.#options.onChange({ what: 'VIEW', cluster: this.name, node: '' }, false);
        return;
      }
      this.#adopt(link, status.node);
    }
    if (link.view.state === 'CONNECTED') this.#reconcile();
    const member = this.#members.get(link.target.node);
    if (member?.link !== link) return;
    if (link.view.state === 'CONNECTED') member.terms?.refresh();
    this.#tell(member, link);
  }

  /** An address said which node it is. */
  #adopt(link: NodeLink, node: string): void {
    const { http } = link.target;
    this.#seeds.delete(http);
    this.#typed.set(node, http);
    if (this.#members.get(node)?.link !== undefined) {
      link.dispose();
      return;
    }
    link.setTarget({ ...link.target, node });
    this.#members.set(node, this.#newMember(node, link));
  }

  #newMember(id: string, link: NodeLink | undefined): Member {
    const member: Member = {
      id,
      place: typedPlace(link?.target.http ?? ''),
      link,
      terms: undefined,
      since: this.#options.now(),
      gist: '',
      urgentGist: '',
    };
    if (link !== undefined) member.terms = this.#newTerms(id, link);
    return member;
  }

  #newTerms(node: string, link: NodeLink): TermsKeeper {
    const { timing, onBug, onChange } = this.#options;
    return new TermsKeeper(link, timing.termsMs, onBug, () =>
      onChange({ what: 'TERMS', cluster: this.name, node }, false),
    );
  }

  #heard(link: NodeLink, position: Position, event: RaftEvent | undefined): void {
    const { node } = link.target;
    if (node === '') return;
    const { generation, seq } = position;
    const kept = event === undefined ? undefined : { ...event, node, generation };
    if (!this.history.add(node, generation, seq, kept)) return;
    this.#options.onChange({ what: 'EVENTS', cluster: this.name, node }, false);
  }

  /** Makes the links what endpoint files, addresses and the nodes themselves say now. */
  #reconcile(): void {
    const answering = [...this.#members.values()].filter(({ link }) => link?.view.state === 'CONNECTED');
    const places = placesOf({
      endpoints: this.#endpoints,
      typed: this.#typed,
      statuses: answering.flatMap(({ link }) => link?.status ?? []),
      known: [...this.#members.keys()],
    });
    let changed = false;
    for (const [id, place] of [...places].slice(0, AGGREGATOR_LIMITS.nodesPerCluster)) {
      changed = this.#place(id, place) || changed;
    }
    for (const [id, member] of this.#members) {
      if (places.has(id)) continue;
      member.link?.dispose();
      member.terms?.dispose();
      this.history.remove(id);
      this.#members.delete(id);
      changed = true;
    }
    if (!changed) return;
    this.#view = undefined;
    this.#options.onChange({ what: 'VIEW', cluster: this.name, node: '' }, true);
  }

  /** True when somebody can see the difference. */
  #place(id: string, found: Place): boolean {
    let member = this.#members.get(id);
    const isNew = member === undefined;
    if (member === undefined) {
      member = this.#newMember(id, undefined);
      this.#members.set(id, member);
    }
    const before = member.place;
    // The file is gone with its process: the same place, and the same tokens if it comes back there.
    const same = found.http === before.http && found.tokenFile === '' && before.tokenFile !== '';
    const place = same ? before : found;
    if (place.http === '') {
      // Nobody knows better than before: a link that exists goes on trying where the node was.
      if (member.link === undefined) member.place = place;
      return isNew;
    }
    if (member.link !== undefined && !mayMove(member.link, place)) return isNew;
    member.place = place;
    const tokens = place.tokenFile === '' ? this.#typedToken : tokensOfFile(place.tokenFile);
    if (member.link === undefined) {
      // A seed may be at the very address; it is adopted when it answers, and this link is then the one that stays.
      this.#dropSeed(place.http);
      member.link = this.#newLink(id, place.http, place.ca, tokens);
      member.terms = this.#newTerms(id, member.link);
      return true;
    }
    member.link.setTarget({ cluster: this.name, node: id, http: place.http, ca: place.ca, tokens });
    return isNew || before.http !== place.http;
  }

  #dropSeed(http: string): void {
    this.#seeds.get(http)?.dispose();
    this.#seeds.delete(http);
  }

  #tell(member: Member, link: NodeLink): void {
    const { status, view } = link;
    const urgentGist = JSON.stringify([view.state, status?.role, status?.term, status?.leader]);
    const gist = JSON.stringify([view, status === undefined ? null : lasting(status)]);
    const urgent = urgentGist !== member.urgentGist;
    if (!urgent && gist === member.gist) return;
    member.gist = gist;
    member.urgentGist = urgentGist;
    this.#options.onChange({ what: 'VIEW', cluster: this.name, node: member.id }, urgent);
  }
}

/** A link that answers is not moved by hearsay; the file of a node that restarted counts at once. */
function mayMove({ target, view }: NodeLink, place: Place): boolean {
  if (place.source === 'ENDPOINT_FILE' || place.http === target.http) return true;
  return view.state === 'RETRYING' || view.state === 'WRONG_CLUSTER';
}

function sampleOf(id: string, link: NodeLink): NodeSample {
  const { status, statusAt, view, target } = link;
  return {
    id,
    http: target.http,
    link: view,
    ...(status === undefined || statusAt === undefined ? {} : { status, statusAt }),
  };
}

/** A status without what changes by itself from one look to the next. */
function lasting(status: NodeStatus): object {
  const {
    now: _now,
    uptimeMs: _uptime,
    leaderContactMs: _contact,
    store,
    progress,
    faults,
    ...rest
  } = status;
  return {
    ...rest,
    store: { state: store.state, reason: store.reason, whole: store.whole },
    progress: progress.map(({ lastContactMs: _last, ...one }) => one),
    faults: faults?.map(({ messages: _messages, ...one }) => one),
  };
}
