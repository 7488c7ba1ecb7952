/** What a sidecar is started with, and what its parts make of it. */
import { LIMITS } from '../../shared/limits.ts';
import type { ListenAt } from '../app/server.ts';
import type { RaftConfig } from '../raft/types.ts';
import type { LogLevel } from '../record/logger.ts';
import type { TlsFiles } from '../tls/certificates.ts';
import type { BalancerOptions } from './balancers.ts';
import type { Fetch } from './membership/join.ts';

export interface SidecarOptions extends BalancerOptions {
  readonly id: string;
  readonly cluster: string;
  readonly dataDir: string;
  readonly peerListen: { readonly host: string; readonly port: number };
  readonly httpListen: { readonly host: string; readonly port: number };
  /** A path, or `tcp://127.0.0.1:PORT`. */
  readonly appSocket: string;
  readonly members: readonly { readonly id: string; readonly host: string; readonly port: number }[];
  /** HTTP base URL of any member of a running cluster: this node asks to become one too. */
  readonly join?: string | undefined;
  /** How that one is asked. */
  readonly fetch: Fetch;
  /** Certificates: with them, and only with them, addresses may be off this machine. */
  readonly tls?: TlsFiles | undefined;
  /** Secrets that other nodes have too; absent: its own, made in the data folder. */
  readonly tokenFile?: string | undefined;
  readonly control: boolean;
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  readonly heartbeatMs: number;
  readonly appGraceMs: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly leaseReads: boolean;
  readonly leaseClockBound: number;
  /** When a snapshot is due, and how fast it is given to peers; see `SnapshotSettings`. */
  readonly snapshotBytes: number;
  readonly snapshotEntries: number;
  readonly snapshotSendBytes: number;
  readonly logLevel: LogLevel;
}

/** Of `SidecarOptions.appSocket`. */
export function listenAt(appSocket: string): ListenAt {
  if (!appSocket.startsWith('tcp://')) return { path: appSocket };
  const { hostname, port } = new URL(appSocket);
  return { tcp: { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) } };
}

/** As it is written in files and events. */
export function printable(at: ListenAt): string {
  if ('path' in at) return at.path;
  return `tcp://${at.tcp.host.includes(':') ? `[${at.tcp.host}]` : at.tcp.host}:${at.tcp.port}`;
}

/** What consensus is told of them. */
export function raftConfig(options: SidecarOptions): RaftConfig {
  return {
    id: options.id,
    group: '',
    membership: { voters: options.members.map((member) => member.id), outgoing: [], learners: [] },
    electionMinMs: options.electionMinMs,
    electionMaxMs: options.electionMaxMs,
    heartbeatMs: options.heartbeatMs,
    handOverMs: options.appGraceMs,
    preVote: options.preVote,
    checkQuorum: options.checkQuorum,
    appendBytes: LIMITS.appendBytes,
    appendEntries: LIMITS.appendEntries,
    inflightAppends: LIMITS.inflightAppends,
    inflightBytes: LIMITS.inflightBytes,
    uncommittedBytes: LIMITS.uncommittedBytes,
    tailBytes: LIMITS.tailBytes,
    random: Math.random,
    lease: options.leaseReads ? { clockBound: options.leaseClockBound } : undefined,
  };
}
