/** What the aggregator's tests share: quick paces, endpoint files of scripted nodes, and waiting for what happens. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clusters, type ClustersOptions } from '../../extension/aggregator/clusters/clusters.ts';
import { TIMING, type Timing } from '../../extension/aggregator/limits.ts';
import type { LinkState, NodeView } from '../../shared/cluster-view.ts';
import { writeEndpointFile } from '../../shared/endpoint-files.ts';
import { replacePrivateFile } from '../../shared/private-file.ts';
import { type ScriptedNode, TOKENS } from './scripted-node.ts';

/** As in use, with shorter waits for what never comes. */
export const QUICK: Timing = {
  ...TIMING,
  pollMs: 40,
  pollMinMs: 5,
  silentMs: 150,
  requestMs: 600,
  pageMs: 600,
  actMs: 600,
  retryMinMs: 10,
  retryMaxMs: 60,
  scanMs: 60,
  termsMs: 20,
  ageMs: 100,
  pointMs: 20,
};

const WAIT_MS = 8_000;

/** Resolves when `holds` is true; looks again at each change of `source` and now and then. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it did not come to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

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
  async announce(node: ScriptedNode, http = node.http): Promise<void> {
    const tokenFile = join(this.root, `${node.cluster}-${node.id}.tokens`);
    await replacePrivateFile(tokenFile, JSON.stringify(TOKENS));
    await writeEndpointFile(
      {
        pid: process.pid,
        cluster: node.cluster,
        node: node.id,
        http,
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
