/**
 * What this folder asks of the node, and what it hands back. It tells load balancers who leads: an answer to HAProxy's
 * agent-check (`agent.ts`), and news pushed to a URL or a command of the operator's (`watch.ts`, `courier.ts`).
 *
 * MUST: bound every connection, byte, run and retry; keep only the newest news; never make the node wait.
 * MUST NOT: know Raft or HTTP's routes; take an address or a program from anybody but the operator's configuration.
 */
import type { LeaderNews, NewsOutcome, NewsWay } from '../../shared/leader-news.ts';

/** What a node knows of leadership now. */
export interface Leadership {
  /** '' while unknown. */
  readonly leader: string;
  /** '' while unknown. */
  readonly leaderHttp: string;
  readonly term: number;
  /** This node leads, and holds a quorum. */
  readonly isLeader: boolean;
}

/** How much traffic a node wants. */
export interface Standing {
  /** Per cent of its weight; 0 for none. */
  readonly share: number;
  /** Why not all of it, '' where it is. */
  readonly reason: string;
}

/** One way to tell news. */
export interface Carrier {
  readonly way: NewsWay;
  /** One try, one at a time. Rejects with one sentence when it failed: within `LIMITS.newsTryMs`, and soon when aborted. */
  carry(news: LeaderNews, aborted: AbortSignal): Promise<void>;
  /** Frees what it holds, and ends what it runs. */
  close?(): Promise<void>;
}

export interface NewsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export type NewsCount = (way: NewsWay, outcome: NewsOutcome) => void;
