/**
 * What the conformance suite is made of: checks, what they find, and what they ask of whoever runs them.
 *
 * MUST: know nothing of the command line; whoever runs the suite says how programs are started.
 */
import type { SnapshotSupport } from '../../shared/app-frames.ts';
import type { CodecName } from '../../shared/wire/app-codec.ts';

/** What the suite found wrong. `message` is one sentence that names frames and indexes. */
export class Failed extends Error {}

/** The check does not apply here. `message` says why. */
export class NotJudged extends Error {}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A program that runs. */
export interface Program {
  readonly exited: Promise<Exit>;
  /** `kill -9`. */
  kill(): Promise<unknown>;
  /** Writes to its standard input, where that is held, and ends it. */
  tell(text: string): void;
  endInput(): void;
}

/** Starts the program under test with this added to its environment and its arguments. */
export type Launcher = (launch: {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: 'none' | 'held';
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
}) => Promise<Program>;

/** Makes the commands that an app is given. */
export interface Workload {
  /** 'kv': the key-value app of examples/, whose results and state are known. 'opaque': only copies can be compared. */
  readonly kind: 'kv' | 'opaque';
  next(): Buffer;
}

export interface SuiteOptions {
  readonly launch: Launcher;
  /** Gives every check commands of its own, always the same. */
  readonly workload: () => Workload;
  /** An empty folder, short enough for sockets. */
  readonly folder: string;
  /** Listen on loopback TCP with a token instead of a Unix socket. */
  readonly tcp: boolean;
  /** How long anything is waited for. */
  readonly waitMs: number;
  /** So many checks at a time. */
  readonly jobs: number;
  /** Only these; all where empty. */
  readonly only: ReadonlySet<string>;
}

/** What the first meeting told of the app, for the checks that come after it. */
export interface AppFacts {
  readonly name: string;
  readonly codec: CodecName;
  readonly snapshots: SnapshotSupport;
  readonly windowEntries: number | undefined;
  /** It printed where it listens for HTTP (key-value app). */
  readonly http: boolean;
}

export interface Check<Bench> {
  readonly id: string;
  /** One sentence: what is true when it passes. */
  readonly proves: string;
  /** Checks that must not have failed, or this one would only fail for the same reason. */
  readonly needs: readonly string[];
  /** It holds copies against each other where nothing else is known: then their snapshots must be sound as well. */
  readonly compares?: true;
  /** Why it does not apply, or undefined. */
  readonly spares?: (bench: Bench) => string | undefined;
  readonly run: (bench: Bench) => Promise<void>;
}

export type Verdict = 'passed' | 'failed' | 'skipped';

export interface Finding {
  readonly id: string;
  readonly verdict: Verdict;
  readonly proves: string;
  /** Why it failed or was skipped. */
  readonly reason?: string;
}
