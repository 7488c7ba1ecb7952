/**
 * Tells load balancers how this node stands: the agent-check ports, and news of leadership by URL or command.
 *
 * MUST: judge by what `/leader` and `/readyz` judge by, so that every way says the same; stay off the path of consensus:
 * news is looked for beside it, and nothing here is waited for.
 */
import type { Logger } from 'pino';
import { AgentServer, leaderLine, readyLine } from '../news/agent.ts';
import { NewsCommand } from '../news/command.ts';
import type { Carrier, NewsCount, Standing } from '../news/contract.ts';
import { Courier } from '../news/courier.ts';
import { CommandRunner } from '../news/runner.ts';
import { LeadershipWatch } from '../news/watch.ts';
import { Webhook } from '../news/webhook.ts';
import type { NodeHttpHost } from './http-host.ts';
import type { Node } from './node.ts';
import { ELECTIONS, leaderStanding, readyStanding } from './standing.ts';

export interface BalancerOptions {
  /** HAProxy's agent-check: `up` on the leader that holds a quorum alone. */
  readonly agentListen?: Listen | undefined;
  /** HAProxy's agent-check: `up` where requests can be served. */
  readonly agentReadyListen?: Listen | undefined;
  /** Where news of leadership is posted. */
  readonly leaderNewsUrl?: string | undefined;
  /** The program that is told news of leadership, and its arguments. */
  readonly leaderNewsCommand?: readonly string[] | undefined;
  /** How the process is started that runs it (`news-runner.ts`); absent: it is run from here. */
  readonly newsRunner?: readonly string[] | undefined;
}

interface Listen {
  readonly host: string;
  readonly port: number;
}

export interface BalancerParts {
  readonly node: Node;
  readonly host: NodeHttpHost;
  readonly log: Logger;
  readonly count: NewsCount;
  readonly onFault: (error: Error) => void;
}

/** How often leadership is looked at besides when the core says that it changed: a quorum is lost without a word. */
const LOOK_MS = 20;

export class Balancers {
  readonly #options: BalancerOptions;
  readonly #parts: BalancerParts;
  readonly #agents: AgentServer[] = [];
  readonly #couriers: readonly Courier[];
  readonly #watch: LeadershipWatch;
  #timer: NodeJS.Timeout | undefined;
  #leaderlessSince: number | undefined = performance.now();

  constructor(options: BalancerOptions, parts: BalancerParts) {
    this.#options = options;
    this.#parts = parts;
    const { node, log, count } = parts;
    this.#couriers = carriers(options).map((carrier) => new Courier(carrier, log, count));
    const unknownMs = ELECTIONS * node.options.raft.electionMaxMs;
    this.#watch = new LeadershipWatch(node.options.cluster, node.id, unknownMs);
  }

  /** Opens the ports; resolves with the addresses that were bound. */
  async start(): Promise<{ agent?: string; agentReady?: string }> {
    const { agentListen, agentReadyListen } = this.#options;
    const agent = await this.#listen(agentListen, () => leaderLine(this.#leaderStanding()));
    const agentReady = await this.#listen(agentReadyListen, () => readyLine(this.#readyStanding()));
    if (this.#couriers.length > 0) this.#timer = setInterval(() => this.#look(), LOOK_MS);
    return { ...(agent === undefined ? {} : { agent }), ...(agentReady === undefined ? {} : { agentReady }) };
  }

  async #listen(listen: Listen | undefined, answer: () => string): Promise<string | undefined> {
    if (listen === undefined) return undefined;
    const agent = new AgentServer({ listen, answer, onFault: this.#parts.onFault });
    this.#agents.push(agent);
    return await agent.listen();
  }

  /** The core said that role, term or leader changed. */
  changed(leader: string): void {
    if (leader !== '') this.#leaderlessSince = undefined;
    else this.#leaderlessSince ??= performance.now();
    // Running a program takes a moment, and the core is in the middle of a step: that goes first.
    if (this.#timer !== undefined) setImmediate(() => this.#look());
  }

  #look(): void {
    if (this.#timer === undefined) return;
    const { leader, http, term, isLeader } = this.#parts.host.leader();
    const found = { leader: leader ?? '', leaderHttp: http ?? '', term, isLeader };
    const news = this.#watch.look(found, performance.now(), Date.now());
    if (news !== undefined) for (const courier of this.#couriers) courier.tell(news);
  }

  #leaderStanding(): Standing {
    return leaderStanding(this.#parts.host.leader(), this.#parts.node.closed);
  }

  #readyStanding(): Standing {
    const { node, host } = this.#parts;
    const since = this.#leaderlessSince;
    return readyStanding(host.readiness(), {
      app: node.app.state,
      commitKnown: node.driver.raft.commitIndex > 0,
      leaderlessMs: since === undefined ? 0 : performance.now() - since,
      electionMaxMs: node.options.raft.electionMaxMs,
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await Promise.all([...this.#agents, ...this.#couriers].map((part) => part.close()));
  }
}

function carriers({ leaderNewsUrl, leaderNewsCommand: words, newsRunner }: BalancerOptions): Carrier[] {
  const command = (): Carrier[] => {
    if (words === undefined) return [];
    return [newsRunner === undefined ? new NewsCommand(words) : new CommandRunner(newsRunner, words)];
  };
  return [...(leaderNewsUrl === undefined ? [] : [new Webhook(leaderNewsUrl)]), ...command()];
}
