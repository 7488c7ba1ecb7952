/**
 * One sidecar: opens the log, starts the node and its three surfaces (peers, app socket, HTTP), and stops them in order.
 *
 * MUST: serve nothing before the log is open and checked; on a graceful stop hand leadership over, answer what waits,
 * close in the reverse order; say why it ended by an exit code of PROTOCOL §2.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { refusal } from '../../shared/codes.ts';
import { removeEndpointFile, writeEndpointFile } from '../../shared/endpoint-files.ts';
import type { TokenFile } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import { PrivateFileError } from '../../shared/private-file.ts';
import { VERSION } from '../../shared/version.ts';
import { AppServer } from '../app/server.ts';
import type { Faults } from '../faults/faults.ts';
import { FaultyTransport } from '../faults/faulty-transport.ts';
import { type HttpServer, startHttp } from '../http/server.ts';
import { openTokenFile, readGivenTokenFile, tokenCheck } from '../http/tokens.ts';
import { formatAddress } from '../peers/address.ts';
import type { PeerAddress, Transport } from '../peers/contract.ts';
import { TcpTransport } from '../peers/transport.ts';
import { allMembers } from '../raft/quorum.ts';
import { createLogger } from '../record/logger.ts';
import { Metrics } from '../record/metrics.ts';
import { type Store, type StoredState, StoreError } from '../store/contract.ts';
import { SqliteStore } from '../store/sqlite-store.ts';
import { Certificates } from '../tls/certificates.ts';
import { CertificateError } from '../tls/credentials.ts';
import { NodeAppHost } from './app-host.ts';
import { Balancers } from './balancers.ts';
import { openFaults } from './faults.ts';
import { untilSpace } from './full-disk.ts';
import { NodeHttpHost } from './http-host.ts';
import { NodeDisks } from './membership/disks.ts';
import { askToJoin, lookForCluster } from './membership/join.ts';
import { Node } from './node.ts';
import type { NodeOptions } from './node-options.ts';
import { reportOutcomes, sampleNode } from './sample.ts';
import { listenAt, printable, raftConfig, type SidecarOptions } from './sidecar-options.ts';

export interface Sidecar {
  /** Base URL actually bound. */
  readonly http: string;
  /** HOST:PORT actually bound. */
  readonly peer: string;
  readonly appSocket: string;
  /** HOST:PORT of the agent-check ports, where there are any. */
  readonly agents: { readonly agent?: string; readonly agentReady?: string };
  /** Resolves with the exit code when the sidecar ended by itself (3: storage fault, …). */
  readonly ended: Promise<number>;
  /** Graceful stop: hands leadership over, answers what waits, closes. Idempotent. */
  stop(): Promise<void>;
}

/** Carries the exit code of PROTOCOL §2 for a sidecar that could not start. */
export class StartError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartError';
    this.exitCode = exitCode;
  }
}

/** Opens everything in order. Rejects with StartError and one clear sentence; nothing is left open then. */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const running = new RunningSidecar(options);
  try {
    await running.start();
  } catch (error) {
    await running.abandon();
    throw startError(error);
  }
  return running;
}

const STORE_EXIT = { FOREIGN: 2, FAULT: 3, NO_SPACE: 3, LOCKED: 4 } as const;

function startError(error: unknown): StartError {
  if (error instanceof StartError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof StoreError) return new StartError(STORE_EXIT[error.kind], message, { cause: error });
  return new StartError(error instanceof RangeError ? 2 : 1, message, { cause: error });
}

class RunningSidecar implements Sidecar {
  readonly #options: SidecarOptions;
  readonly #log: Logger;
  readonly ended: Promise<number>;
  #end!: (exitCode: number) => void;
  #store: SqliteStore | undefined;
  #transport: Transport | undefined;
  /** Undefined: nobody may plant any. */
  #faults: Faults | undefined;
  #node!: Node;
  #app: AppServer | undefined;
  #httpServer: HttpServer | undefined;
  #metrics: Metrics | undefined;
  #balancers: Balancers | undefined;
  #certificates: Certificates | undefined;
  #agents: Sidecar['agents'] = {};
  #endpointFile: string | undefined;
  #peer = '';
  #leader = '';
  #appSocket = '';
  #stopping: Promise<void> | undefined;
  /** Whom this node was told of by the cluster that it joins. */
  #given: readonly PeerAddress[] | undefined;
  #joining: string | undefined;
  readonly #disks = new NodeDisks((error) => this.#fault(error));
  #incarnation = '';
  /** Its disk began empty, for the log of a cluster that was there before. */
  #joined = false;

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#log = createLogger(options.logLevel, options.cluster, options.id);
    if (options.control) this.#faults = openFaults(this.#log, () => this.#node.recorder);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get http(): string {
    return this.#httpServer?.url ?? '';
  }
  get peer(): string {
    return this.#peer;
  }
  get appSocket(): string {
    return this.#appSocket;
  }

  get agents(): Sidecar['agents'] {
    return this.#agents;
  }

  async start(): Promise<void> {
    const { id, cluster, members, join } = this.#options;
    if (join === undefined && !members.some((member) => member.id === id)) {
      throw new StartError(2, `${id} is not among the members: ${members.map((m) => m.id).join(', ')}`);
    }
    // A mistake of the operator is found before there is a data folder.
    const given = await givenTokens(this.#options.tokenFile);
    const certificates = await this.#openCertificates();
    const tcp = new TcpTransport({
      cluster,
      self: id,
      version: VERSION,
      listen: this.#options.peerListen,
      members: members.length > 0 ? members : [],
      random: Math.random,
      log: (level, message, fields) => this.#log[level](fields, message),
      tls: certificates.peers,
      disks: this.#disks,
      incarnation: () => this.#incarnation,
    });
    const transport = this.#faults === undefined ? tcp : new FaultyTransport(tcp, this.#faults);
    this.#transport = transport;
    const stored = await this.#member(await this.#openStore());
    this.#createNode(stored, transport);
    await this.#startSurfaces(transport, given, certificates);
    this.#node.start();
    certificates.start();
    if (this.#joining !== undefined) this.#askToJoin(this.#joining);
  }

  /** What the disk says of the membership counts; else this is a beginning, or this node joins a cluster. */
  async #member(stored: StoredState): Promise<StoredState> {
    const { cluster, members, join, id } = this.#options;
    if (stored.configs.length > 0) {
      const [first] = stored.configs;
      const known = first?.index === 0 && stored.configs.length === 1 ? first.membership.voters : undefined;
      const said = members.map((member) => member.id);
      if (known !== undefined && members.length > 0 && known.some((voter) => !said.includes(voter)))
        this.#log.warn({ known, said }, 'the members are those on the disk, and not those that were given');
      return stored;
    }
    if (join !== undefined && stored.lastIndex === 0) {
      const { tokenFile, fetch } = this.#options;
      const there = await lookForCluster({ url: join, tokenFile, fetch }, cluster, id);
      this.#given = there.members;
      this.#joining = join;
      await (this.#store as SqliteStore).joins();
      this.#joined = true;
      return stored;
    }
    const book = members.map((member) => ({ id: member.id, peer: formatAddress(member) }));
    const membership = { voters: members.map((member) => member.id), outgoing: [], learners: [], book };
    await (this.#store as SqliteStore).bootstrap(membership);
    return { ...stored, configs: [{ index: 0, membership }] };
  }

  /** As others know it. */
  get #ownHost(): string {
    const { members, id, peerListen } = this.#options;
    return members.find((member) => member.id === id)?.host ?? peerListen.host;
  }

  #askToJoin(url: string): void {
    const { id, tokenFile, cluster, fetch } = this.#options;
    const joined = (): boolean =>
      this.#stopping !== undefined || allMembers(this.#node.driver.raft.membership).includes(id);
    const report = (level: 'info' | 'warn', message: string): void =>
      this.#log[level]({ url, cluster }, message);
    void askToJoin({ url, id, peer: this.#peer, tokenFile, fetch, joined, report });
  }

  async #openCertificates(): Promise<Certificates> {
    const { tls, cluster, id: node } = this.#options;
    try {
      const opened = await Certificates.open(tls, { cluster, node }, (what, uses, sentence, ms) => {
        const level = what === 'EXPIRED' ? 'error' : what === 'RENEWED' ? 'info' : 'warn';
        this.#log[level]({ uses, days: Math.floor(ms / 86_400_000) }, sentence);
        this.#node.recorder.certificate(what, uses, sentence, ms);
      });
      this.#certificates = opened;
      return opened;
    } catch (error) {
      if (error instanceof CertificateError) throw new StartError(2, error.message, { cause: error });
      throw error;
    }
  }

  async #openStore(): Promise<StoredState> {
    const { dataDir: folder, cluster, id: node } = this.#options;
    const reserveBytes = LIMITS.storeReserveBytes;
    const store = new SqliteStore({ folder, owner: { cluster, node }, reserveBytes });
    this.#store = store;
    const stored = await store.open();
    this.#disks.opened(store, stored.disks);
    this.#incarnation = stored.incarnation;
    this.#joined = store.identity?.joined ?? false;
    const { proof } = stored;
    if (!proof.whole)
      this.#log.warn({ mustReach: proof.mustReach }, `this node does not vote yet: ${proof.reason}`);
    return stored;
  }

  #snapshots(): NodeOptions['snapshots'] {
    const { snapshotBytes, snapshotEntries, snapshotSendBytes } = this.#options;
    const settings = {
      bytes: snapshotBytes,
      entries: snapshotEntries,
      sendBytesPerSecond: snapshotSendBytes,
    };
    return { folder: (this.#store as SqliteStore).snapshots, settings };
  }

  #createNode(stored: StoredState, transport: Transport): void {
    const store = this.#store as Store;
    const node = new Node({
      cluster: this.#options.cluster,
      raft: { ...raftConfig(this.#options), disk: this.#joined ? this.#incarnation : undefined },
      stored,
      store,
      snapshots: this.#snapshots(),
      members: this.#given ?? this.#options.members,
      disks: this.#disks,
      transport,
      log: this.#log,
      listener: {
        committed: () => this.#app?.committed(),
        pressure: (level) => this.#app?.setPressure(level),
        takeSnapshot: (index) => this.#app?.takeSnapshot(index) ?? false,
        outrun: () => this.#app?.outrun(),
        skipped: (index) => this.#app?.skipped(index),
        diverged: (message, entry) => this.#app?.diverged(message, entry),
        sessionsExpired: (sessions) => this.#app?.sessionsExpired(sessions),
        roleChanged: (role, term, leader, cause) => {
          if (role === 'CANDIDATE') this.#metrics?.electionStarted();
          if (leader !== this.#leader) this.#metrics?.leaderChanged(cause);
          this.#leader = leader;
          this.#balancers?.changed(leader);
          this.#app?.roleChanged(role, term, leader === '' ? undefined : leader, cause);
        },
        failed: (exitCode, message) => this.#fail(exitCode, message),
      },
    });
    this.#node = node;
    this.#listenTo(store);
  }

  #listenTo(store: Store): void {
    store.listen({
      durable: (sequence) => this.#node.driver.durable(sequence),
      fault: (error) => this.#storeFault(error),
      committed: (ms) => {
        this.#metrics?.observeFsync(ms / 1_000);
        this.#node.recorder.wrote(ms);
      },
    });
  }

  async #startSurfaces(
    transport: Transport,
    given: TokenFile | undefined,
    certificates: Certificates,
  ): Promise<void> {
    const { id, cluster, dataDir, control } = this.#options;
    const node = this.#node;
    const tokenFile = this.#options.tokenFile ?? join(dataDir, 'tokens.json');
    const tokens = given ?? (await openTokenFile(tokenFile));
    const appHost = new NodeAppHost(node);
    const listen = listenAt(this.#options.appSocket);
    const app = new AppServer({
      host: appHost,
      hostOf: () => new NodeAppHost(node),
      listen,
      // On a Unix socket the file mode is the guard; TCP needs a secret of the scope that may propose and read.
      token: 'tcp' in listen ? tokens.write : undefined,
      onFault: (error) => this.#fault(error),
    });
    this.#app = app;
    const delivered = (): number => app.stats().delivered ?? 0;
    const metrics = new Metrics({ sample: () => sampleNode(node, delivered(), certificates.secondsLeft()) });
    this.#metrics = metrics;
    const httpHost = new NodeHttpHost({
      node,
      app: appHost,
      version: VERSION,
      faults: this.#faults,
      http: () => this.http,
      delivered,
      certificates: () => certificates.status(),
      metrics: () => {
        reportOutcomes(node, metrics);
        return metrics.scrape();
      },
    });
    this.#balancers = new Balancers(this.#options, {
      node,
      host: httpHost,
      log: this.#log,
      count: (way, outcome) => metrics.countNews(way, outcome),
      onFault: (error) => this.#fault(error),
    });
    // Before HTTP: a balancer that finds this node alive again already knows what it is.
    this.#agents = await this.#balancers.start();
    this.#httpServer = await startHttp({
      host: httpHost,
      listen: this.#options.httpListen,
      tls: certificates.http,
      publicHost: this.#ownHost,
      tokens: tokenCheck(tokens),
      log: this.#log,
    });
    transport.announceHttp(this.http);
    this.#appSocket = printable(await app.listen());
    const bound = await transport.start({
      message: (message) => node.receive(message),
      link: (peer, up, reason, direction) => node.linkChanged(peer, up, reason, direction),
    });
    this.#peer = formatAddress(bound);
    this.#endpointFile = await writeEndpointFile({
      pid: process.pid,
      cluster,
      node: id,
      http: this.http,
      ...(certificates.httpCa === undefined ? {} : { ca: certificates.httpCa }),
      appSocket: this.#appSocket,
      tokenFile,
      control,
      version: VERSION,
    });
  }

  // ---------------------------------------------------------------- ending

  #storeFault(error: StoreError): void {
    if (error.kind === 'NO_SPACE') this.#diskFull(error);
    else this.#fault(error);
  }

  #fault(error: Error): void {
    this.#log.fatal({ err: error }, 'this sidecar cannot go on');
    this.#fail(error instanceof StoreError ? 3 : 1, error.message);
  }

  #diskFull(error: StoreError): void {
    const port = {
      node: this.#node,
      store: this.#store as Store,
      log: this.#log,
      stopping: () => this.#stopping !== undefined,
      openAgain: async () => {
        const stored = await this.#openStore();
        const store = this.#store as Store;
        this.#listenTo(store);
        this.#node.restart(store, stored, this.#snapshots());
      },
    };
    untilSpace(port, error).catch((failure: unknown) => {
      this.#log.fatal({ err: failure }, 'the log could not be opened again after the disk was full');
      this.#fail(3, 'the log could not be opened again after the disk was full');
    });
  }

  #fail(exitCode: number, message: string): void {
    this.#log.error({ exitCode }, `the sidecar ends: ${message}`);
    this.#node.recorder.stopping('FAULT', message);
    this.#node.stop();
    const end = (): void => this.#end(exitCode);
    this.abandon().then(end, end);
  }

  /** Closes what is open, without ceremony. */
  async abandon(): Promise<void> {
    if (this.#endpointFile !== undefined) await removeEndpointFile(this.#endpointFile);
    this.#metrics?.close();
    this.#certificates?.close();
    await Promise.allSettled([
      this.#balancers?.close(),
      this.#app?.close(),
      this.#httpServer?.close(),
      this.#transport?.close(),
      this.#faults?.close(),
    ]);
    await Promise.allSettled([this.#store?.close()]);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  async #stopInOrder(): Promise<void> {
    const node = this.#node;
    this.#log.info('stopping');
    node.closed = refusal('SHUTTING_DOWN', 'this sidecar is stopping');
    node.recorder.stopping('SHUTTING_DOWN', 'this sidecar was told to stop');
    const deadline = performance.now() + LIMITS.shutdownMs;
    const others = node.driver.raft.membership.voters.length > 1;
    if (others && node.driver.raft.role === 'LEADER') {
      const failed = await node.transfer('');
      this.#log.info(
        failed === undefined ? 'leadership handed over' : `leadership not handed over: ${failed}`,
      );
    }
    // What was taken is answered, as far as it gets its answer in time.
    while (node.proposals.pending + node.reads.pending > 0 && performance.now() < deadline) await delay(10);
    node.stop();
    await this.abandon();
    this.#log.info('stopped');
    this.#end(0);
  }
}

/** The secrets that the operator gave, undefined where this node has its own. */
async function givenTokens(path: string | undefined): Promise<TokenFile | undefined> {
  try {
    return path === undefined ? undefined : await readGivenTokenFile(path);
  } catch (error) {
    if (error instanceof PrivateFileError) throw new StartError(2, error.message, { cause: error });
    throw error;
  }
}
