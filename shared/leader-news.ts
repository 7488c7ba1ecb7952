/** News of leadership, as a node tells it to whoever routes traffic (docs/load-balancers.md). Public: names only grow. */

export interface LeaderNews {
  readonly cluster: string;
  /** Who tells it. */
  readonly node: string;
  /** Null: this node knows of no leader. */
  readonly leader: string | null;
  /** Base URL of the leader, null where it is not known. */
  readonly leaderHttp: string | null;
  /** Of the leader, or the node's own where it knows none. Whoever has news of a higher term ignores this. */
  readonly term: number;
  /** The node that tells it is this leader, and holds a quorum. */
  readonly isLeader: boolean;
  /** Wall clock of the node, ms: never an order between nodes. */
  readonly at: number;
  /** 1, 2, 3, … in one run of the process. Numbers are missing where newer news came before older news was told. */
  readonly sequence: number;
}

/** By what it is told. */
export const NEWS_WAYS = ['url', 'command'] as const;
export type NewsWay = (typeof NEWS_WAYS)[number];

/** How a piece of news, or one try to tell it (`FAILED`), ended. */
export const NEWS_OUTCOMES = ['DELIVERED', 'FAILED', 'GIVEN_UP', 'SUPERSEDED'] as const;
export type NewsOutcome = (typeof NEWS_OUTCOMES)[number];

/** The URL, checked. Throws RangeError with a sentence that begins with "must". */
export function parseNewsUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new RangeError(`must be a URL such as http://127.0.0.1:9000/leader, not "${text}"`);
  }
  if (url.protocol !== 'http:') throw new RangeError(`must be an http:// URL, not ${url.protocol}//`);
  const { hostname } = url;
  const here = hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
  if (!here) {
    throw new RangeError(
      `must be on this machine, since news goes by plain HTTP: http://127.0.0.1:PORT/…, not ${hostname}`,
    );
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    throw new RangeError('must be a URL without user, password and fragment');
  }
  return url.href;
}
