/** What the aggregator's tests share: quick paces, endpoint files of scripted nodes, and waiting for what happens. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clusters, type ClustersOptions } from '../../extension/aggregator/clusters/clusters.ts';
import { TIMING, type Timing } from '../../extension/aggregator/limits.ts';
import type { LinkState, NodeView } from '../../shared/cluster-view.ts';
import { writeEndpointFile } from '../../shared/endpoint-files.ts';
import { replacePrivateFile } from '../../shared/private-file.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { type ScriptedNode, TOKENS } from './scripted-node.ts';

/** Looks often, and is patient with an answer: a slow machine must not be taken for a silent node. */
export const QUICK: Timing = {
  ...TIMING,
  pollMs: 40,
  pollMinMs: 5,
  silentMs: PATIENCE_MS,
  requestMs: PATIENCE_MS,
  pageMs: PATIENCE_MS,
  actMs: PATIENCE_MS,
  retryMinMs: 10,
  retryMaxMs: 60,
  scanMs: 60,
  termsMs: 20,
  ageMs: 100,
  pointMs: 20,
};

/** The same, where nodes are silent: it does not wait long for them. */
export const HASTY: Timing = { ...QUICK, silentMs: 150, requestMs: 600 };

export { until } from '../support/patience.ts';

/** A folder of endpoint files, and everything that must be closed after a test. */
export class Bench {
  readonly root: string;
  readonly #closers: (() => unknown)[] = [];

  constructor(root: string) {
    this.root = root;
  }

  static async create(): Promise<Bench> {
    return new Bench(await mkdtemp(join(tmpdir(), 'outrigger-aggregator-')));
  }

  closing<T>(thing: T, close: (thing: T) => unknown): T {
    this.#closers.push(() => close(thing));
    return thing;
  }

  async node(node: ScriptedNode): Promise<ScriptedNode> {
    await node.listen();
    return this.closing(node, (one) => one.close());
  }

  /** Writes its endpoint file and its token file. */
  async announce(node: ScriptedNode, http = node.http, ca?: string): Promise<void> {
    const tokenFile = join(this.root, `${node.cluster}-${node.id}.tokens`);
    await replacePrivateFile(tokenFile, JSON.stringify(TOKENS));
    await writeEndpointFile(
      {
        pid: process.pid,
        cluster: node.cluster,
        node: node.id,
        http,
        ...(ca === undefined ? {} : { ca }),
        appSocket: '',
        tokenFile,
        control: node.status.control,
        version: '0.1.0',
      },
      this.root,
    );
  }

  clusters(more: Partial<ClustersOptions> = {}): Clusters {
    const options: ClustersOptions = {
      endpointRoot: this.root,
      remembered: [],
      detached: [],
      timing: QUICK,
      onBug: (error) => {
        // Mocha fails the running test on it.
        setImmediate(() => {
          throw error;
        });
      },
      ...more,
    };
    return this.closing(new Clusters(options), (one) => one.dispose());
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
    await rm(this.root, { recursive: true, force: true });
  }
}

export function nodeOf(clusters: Clusters, cluster: string, id: string): NodeView | undefined {
  return clusters.cluster(cluster)?.nodes.find((node) => node.id === id);
}

export function stateOf(clusters: Clusters, cluster: string, id: string): LinkState | 'NONE' {
  return nodeOf(clusters, cluster, id)?.link.state ?? 'NONE';
}
