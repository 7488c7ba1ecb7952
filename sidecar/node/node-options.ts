/** What a node is given, and whom it tells. Types alone. */
import type { Logger } from 'pino';
import type { PressureLevel } from '../../shared/app-frames.ts';
import type { Cause } from '../../shared/causes.ts';
import type { Role } from '../../shared/entry.ts';
import type { PeerAddress, Transport } from '../peers/contract.ts';
import type { RaftConfig } from '../raft/types.ts';
import type { Store, StoredState } from '../store/contract.ts';
import type { SnapshotFolder } from '../store/snapshots/folder.ts';
import type { NodeDisks } from './membership/disks.ts';
import type { SnapshotSettings } from './snapshots/node-snapshots.ts';

/** What the surfaces (app socket, metrics, process) want to know at once. */
export interface NodeListener {
  committed(): void;
  roleChanged(role: Role, term: number, leader: string, cause: Cause): void;
  /** How hard clients may push now. */
  pressure(level: PressureLevel): void;
  /** An operator skipped the command at `index`. */
  skipped(index: number): void;
  /** Asks the local app for its state at `index` or later; false where none is connected that could give it. */
  takeSnapshot(index: number): boolean;
  /** The log begins behind what the local app has applied. */
  outrun(): void;
  /** The local app has another state than others after the same entries, the last of them `entry`. */
  diverged(message: string, entry: number): void;
  /** These sessions ended, since nothing was heard of their clients. */
  sessionsExpired(sessions: readonly number[]): void;
  /** The node stopped by itself; `exitCode` as in PROTOCOL §2. */
  failed(exitCode: number, message: string): void;
}

export interface NodeOptions {
  readonly cluster: string;
  readonly raft: RaftConfig;
  readonly stored: StoredState;
  readonly store: Store;
  /** Addresses that were given to this node, before those that the log says. */
  readonly members?: readonly PeerAddress[];
  /** Which disks the others have. */
  readonly disks?: NodeDisks;
  /** Absent: this node takes no snapshots, and keeps its whole log. */
  readonly snapshots?: { readonly folder: SnapshotFolder; readonly settings: SnapshotSettings } | undefined;
  readonly transport: Transport;
  readonly listener: NodeListener;
  readonly log: Logger;
}
