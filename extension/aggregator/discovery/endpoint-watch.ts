/**
 * Keeps looking for the endpoint files of this user's sidecars: at each change the system tells of, and every `scanMs`,
 * since it does not tell everywhere.
 *
 * MUST: read nothing before `start` or `scan`; survive folders that come and go; keep the reason why a file does not count.
 */
import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { type EndpointList, listEndpoints } from '../../../shared/endpoint-files.ts';
import { codeOf } from '../../../shared/private-file.ts';
import { AGGREGATOR_LIMITS } from '../limits.ts';
import { Wakeable } from '../wakeable.ts';

/** The shortest time between two looks, however many files change. */
const LEAST_MS = 30;

const NOTHING: EndpointList = { endpoints: [], skipped: [] };

export class EndpointWatch {
  readonly root: string;
  readonly #scanMs: number;
  readonly #onFound: (found: EndpointList) => void;
  readonly #onBug: (error: unknown) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #wake = new Wakeable();
  #running: AbortController | undefined;
  #last = NOTHING;
  #problem = '';

  constructor(
    root: string,
    scanMs: number,
    onFound: (found: EndpointList) => void,
    onBug: (error: unknown) => void,
  ) {
    this.root = root;
    this.#scanMs = scanMs;
    this.#onFound = onFound;
    this.#onBug = onBug;
  }

  /** What the last look found. */
  get last(): EndpointList {
    return this.#last;
  }

  /** Why the last look failed; '' when it did not. */
  get problem(): string {
    return this.#problem;
  }

  /** Idempotent. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    this.#run(this.#running.signal).catch(this.#onBug);
  }

  /** Idempotent. */
  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** One look now. What was found goes to `onFound` too. */
  async scan(): Promise<EndpointList> {
    try {
      this.#last = await listEndpoints(this.root);
      this.#problem = '';
    } catch (error) {
      // A folder that cannot be read: what was found before stays true until it can.
      this.#problem = `${this.root} cannot be read (${codeOf(error)})`;
    }
    this.#onFound(this.#last);
    return this.#last;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.scan();
      if (signal.aborted) return;
      this.#watchFolders();
      await this.#wake.pause(this.#scanMs, LEAST_MS, signal);
    }
  }

  #watchFolders(): void {
    const clusters = new Set(this.#last.endpoints.map(({ cluster }) => join(this.root, cluster)));
    const wanted = new Set([this.root, ...[...clusters].slice(0, AGGREGATOR_LIMITS.clusters)]);
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of wanted) this.#watchFolder(folder);
  }

  #watchFolder(folder: string): void {
    if (this.#watchers.has(folder)) return;
    const drop = () => {
      this.#watchers.get(folder)?.close();
      this.#watchers.delete(folder);
    };
    try {
      const watcher = watch(folder, { persistent: false }, (kind) => {
        // A folder that was removed and made again has another identity: watched anew after the next look.
        if (kind === 'rename' && folder !== this.root) drop();
        this.#wake.wake();
      });
      watcher.on('error', drop);
      this.#watchers.set(folder, watcher);
    } catch (error) {
      // Not there yet, or the system has no watches left: the regular look finds what a watch would have told.
      this.#problem = `${folder} is not watched (${codeOf(error)}), only looked at every ${this.#scanMs / 1000} s`;
    }
  }
}
