/**
 * Whole nodes in one process, on stores that remember in memory and are counted, with a network that is a function call. Each has
 * an app that applies what it is given at once, unless it is told to wait.
 */
import { pino } from 'pino';
import type { Entry } from '../../shared/entry.ts';
import type { PeerMessage } from '../../shared/messages.ts';
import type { AppPosition } from '../../sidecar/app/host.ts';
import { NodeAppHost } from '../../sidecar/node/app-host.ts';
import { Node } from '../../sidecar/node/node.ts';
import type { Transport } from '../../sidecar/peers/contract.ts';
import type { RaftConfig } from '../../sidecar/raft/types.ts';
import type { LogWrite } from '../../sidecar/store/contract.ts';
import { MemoryStore } from '../../sidecar/store/memory-store.ts';
import { RAFT_CONFIG } from './quiet.ts';

const POSITION: AppPosition = {
  ...{ app: 'test', appliedIndex: 0, appliedHash: undefined },
  ...{ snapshots: 'NONE', version: 0 },
};
const DELIVERY = { entries: 1_000, bytes: 1_000_000 };
const DEADLINE_MS = 20_000;

/** Counts what is asked of the disk. */
class CountedStore extends MemoryStore {
  asked = 0;

  override write(write: LogWrite): number {
    this.asked++;
    return super.write(write);
  }

  override read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    this.asked++;
    return super.read(from, to, maxBytes);
  }

  override hashAt(index: number): ReturnType<MemoryStore['hashAt']> {
    this.asked++;
    return super.hashAt(index);
  }
}

export interface TestNode {
  readonly id: string;
  readonly node: Node;
  readonly host: NodeAppHost;
  readonly store: CountedStore;
  /** While true its app applies nothing. */
  stalled: boolean;
  /** Applies what is there. */
  apply(): void;
}

export class TestNodes {
  readonly all: TestNode[] = [];
  /** Nodes that nobody hears, and that hear nobody. */
  readonly alone = new Set<string>();

  static async start(size: number, config: Partial<RaftConfig> = {}): Promise<TestNodes> {
    const nodes = new TestNodes();
    const voters = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    const membership = { voters, outgoing: [], learners: [] };
    for (const id of voters) {
      const raft = { ...RAFT_CONFIG, random: Math.random, ...config, id, membership };
      nodes.all.push(await nodes.#create(raft));
    }
    for (const { node } of nodes.all) node.start();
    for (const one of nodes.all) await attach(one);
    return nodes;
  }

  async #create(raft: RaftConfig): Promise<TestNode> {
    const store = new CountedStore();
    const stored = await store.open();
    const transport = this.#transport();
    let applying = (): void => undefined;
    const node = new Node({
      cluster: 'test',
      raft,
      stored,
      store,
      transport,
      log: pino({ level: 'silent' }),
      listener: {
        committed: () => applying(),
        roleChanged: () => undefined,
        pressure: () => undefined,
        takeSnapshot: () => false,
        outrun: () => undefined,
        skipped: () => undefined,
        diverged: () => undefined,
        sessionsExpired: () => undefined,
        failed: (_code, message) => {
          throw new Error(message);
        },
      },
    });
    store.listen({
      durable: (sequence) => node.driver.durable(sequence),
      fault: (error) => {
        throw error;
      },
    });
    const host = new NodeAppHost(node);
    const one: TestNode = { id: raft.id, node, host, store, stalled: false, apply: () => apply(one) };
    applying = () => {
      if (!one.stalled) one.apply();
    };
    return one;
  }

  #transport(): Transport {
    return {
      start: () => Promise.reject(new Error('not here')),
      setMembers: () => undefined,
      announceHttp: () => undefined,
      send: (message: PeerMessage) => {
        if (this.alone.has(message.from) || this.alone.has(message.to)) return;
        setImmediate(() => this.all.find(({ id }) => id === message.to)?.node.receive(message));
      },
      links: () => [],
      close: () => Promise.resolve(),
    };
  }

  /** The one that all follow; waits for it. */
  async leader(): Promise<TestNode> {
    let found: TestNode | undefined;
    await this.until('all follow one leader', () => {
      const [first] = this.all.map(({ node }) => node.driver.raft.leader);
      found = this.all.find(({ id, node }) => id === first && node.driver.raft.role === 'LEADER');
      return found !== undefined && this.all.every(({ node }) => node.driver.raft.leader === first);
    });
    return found as TestNode;
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    const end = performance.now() + DEADLINE_MS;
    while (!holds()) {
      if (performance.now() > end) throw new Error(`not in time: ${what}`);
      await new Promise((done) => setImmediate(done));
    }
  }

  stop(): void {
    for (const { node } of this.all) node.stop();
  }
}

async function attach({ host }: TestNode): Promise<void> {
  const plan = await host.plan(POSITION);
  if ('code' in plan) throw new Error(plan.message);
  const epoch = host.attached(POSITION);
  host.appNews(epoch, { condition: 'HEALTHY', reason: 'it said hello' });
}

function apply({ node, host }: TestNode): void {
  const { app } = node;
  if (app.state !== 'CONNECTED') return;
  for (;;) {
    const stretch = host.committedAfter(app.applied, DELIVERY.entries, DELIVERY.bytes);
    if (stretch === undefined) return;
    if (stretch instanceof Promise) throw new Error('the newest entries are in memory');
    host.decide(app.epoch, stretch);
    host.applied(app.epoch, stretch.through, []);
  }
}
