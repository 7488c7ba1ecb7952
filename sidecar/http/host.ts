/**
 * What the HTTP surface asks of the node behind it. HTTP knows routes, tokens and origins; it knows nothing of Raft.
 */
import type { Refusal } from '../../shared/codes.ts';
import type {
  Check,
  LeaderView,
  LogPage,
  MemberStatus,
  NodeStatus,
  TermsView,
} from '../../shared/inspect.ts';

export interface HttpProposal {
  readonly command: Uint8Array;
  readonly session: number;
  readonly sequence: number;
  readonly timeoutMs: number;
}

export interface HttpHost {
  status(): NodeStatus;
  leader(): LeaderView;
  members(): readonly MemberStatus[];
  /** Every check of `/readyz`; the node is ready when all are ok. */
  readiness(): readonly Check[];
  /** Entries from…to (both inclusive, clipped to the log), at most `limit` of them and of bounded size. */
  log(from: number, to: number, limit: number): Promise<LogPage>;
  terms(): TermsView;
  propose(request: HttpProposal): Promise<{ index: number; term: number; result?: Uint8Array } | Refusal>;
  read(request: {
    consistency: 'LINEARIZABLE' | 'LEASE' | 'AT_LEAST' | 'STALE';
    index: number | undefined;
    timeoutMs: number;
  }): Promise<{ index: number } | Refusal>;
  /** Hands leadership to `to` ('' lets the leader choose); resolves when another node leads, or with a refusal. */
  transfer(to: string): Promise<{ leader: string; term: number } | Refusal>;
  /** Prometheus text and its content type. */
  metrics(): Promise<{ contentType: string; text: string }>;
}
