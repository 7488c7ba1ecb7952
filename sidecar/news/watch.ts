/**
 * Decides what is news: another leader, another term, this node leading or not any more, no leader for long.
 *
 * MUST: say at once what moves traffic (a leader is there; this node does not lead any more), and hold back what passes
 * by itself (no leader is known: an election is under way), so that it never stands in the way of the news that follows.
 * MUST NOT: look at a clock of its own.
 */
import type { LeaderNews } from '../../shared/leader-news.ts';
import type { Leadership } from './contract.ts';

const NONE: Leadership = { leader: '', leaderHttp: '', term: 0, isLeader: false };

export class LeadershipWatch {
  readonly #cluster: string;
  readonly #node: string;
  readonly #unknownMs: number;
  #told: Leadership = NONE;
  /** Since when no leader has been known, while that has not been told; on the clock handed in. */
  #unknownSince: number | undefined;
  #sequence = 0;

  /** `unknownMs`: how long no leader must have been known before that is news. */
  constructor(cluster: string, node: string, unknownMs: number) {
    this.#cluster = cluster;
    this.#node = node;
    this.#unknownMs = unknownMs;
  }

  /** Looks at what is so at `now` (monotonic, ms) and `wall` (ms since the epoch). Returns the news, if it is any. */
  look(found: Leadership, now: number, wall: number): LeaderNews | undefined {
    const current = this.#withKnownAddress(found);
    if (!this.#isNews(current, now)) return undefined;
    this.#unknownSince = undefined;
    this.#told = current;
    const { leader, leaderHttp, term, isLeader } = current;
    return {
      cluster: this.#cluster,
      node: this.#node,
      leader: leader || null,
      leaderHttp: leaderHttp || null,
      term,
      isLeader,
      at: Math.round(wall),
      sequence: ++this.#sequence,
    };
  }

  /** A link that went down does not make the leader's address unknown. */
  #withKnownAddress(found: Leadership): Leadership {
    const { leader, leaderHttp } = this.#told;
    return found.leaderHttp === '' && found.leader === leader ? { ...found, leaderHttp } : found;
  }

  #isNews({ leader, leaderHttp, term, isLeader }: Leadership, now: number): boolean {
    const told = this.#told;
    if (leader === '') {
      if (told.leader === '') return false;
      this.#unknownSince ??= now;
      return told.isLeader || now - this.#unknownSince >= this.#unknownMs;
    }
    this.#unknownSince = undefined;
    return (
      leader !== told.leader ||
      term !== told.term ||
      isLeader !== told.isLeader ||
      leaderHttp !== told.leaderHttp
    );
  }
}
