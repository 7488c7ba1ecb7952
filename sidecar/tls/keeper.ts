/**
 * Keeps one certificate for as long as the process runs: takes new files when they come, and warns before it ends.
 *
 * MUST: give out only what was checked; keep what it has when the new files cannot be used, and say so once; look by reading,
 * since files are replaced in many ways (renamed over, linked anew, written in place) and a watch misses some.
 * MUST NOT: change anything on the disk.
 */

import type { CertificateStatus, CertificateUse } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { TlsMaterial, TlsSource } from '../../shared/tls.ts';
import {
  CertificateError,
  type CertificateFiles,
  type Credentials,
  checkCredentials,
  type Purpose,
  type RawFiles,
  readCertificateFiles,
} from './credentials.ts';

export type CertificateNews = 'EXPIRING' | 'EXPIRED' | 'RENEWED' | 'REFUSED';

export interface KeeperOptions {
  readonly files: CertificateFiles;
  readonly uses: readonly CertificateUse[];
  readonly purpose: Purpose;
  /** Something that an operator should know, in one sentence. `ms`: until the certificate ends. */
  news(what: CertificateNews, sentence: string, ms: number): void;
  /** Wall clock, ms since the epoch. */
  readonly now?: () => number;
}

export class CertificateKeeper implements TlsSource {
  readonly #options: KeeperOptions;
  readonly #now: () => number;
  readonly #listeners: (() => void)[] = [];
  #current: Credentials;
  /** What the files said when they were last judged, and when they were last read. */
  #judged: string;
  #seen: string;
  #reason = '';
  #told: 'VALID' | 'EXPIRING' | 'EXPIRED' = 'VALID';
  #toldAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  private constructor(options: KeeperOptions, first: Credentials) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#current = first;
    this.#judged = fingerprint(first);
    this.#seen = this.#judged;
  }

  /** Throws CertificateError where the files cannot be used as they are. */
  static async open(options: KeeperOptions): Promise<CertificateKeeper> {
    const raw = await readCertificateFiles(options.files);
    const now = options.now ?? Date.now;
    return new CertificateKeeper(options, checkCredentials(raw, options.files, options.purpose, now()));
  }

  /** Begins to look at the files, and at the clock. */
  start(): void {
    this.#warn();
    this.#timer ??= setInterval(() => void this.look(), LIMITS.tlsReloadMs);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  current(): TlsMaterial {
    return this.#current;
  }

  onChange(changed: () => void): void {
    this.#listeners.push(changed);
  }

  /** Until the certificate ends (negative: since it ended). */
  get msLeft(): number {
    return this.#current.notAfter - this.#now();
  }

  get uses(): readonly CertificateUse[] {
    return this.#options.uses;
  }

  status(): CertificateStatus[] {
    const { notAfter } = this.#current;
    return this.uses.map((use) => ({ use, state: this.#state(), notAfter, reason: this.#reason }));
  }

  /** One look at the files and the clock. Never rejects. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.#reload();
    } catch (error) {
      this.#refused(error instanceof CertificateError ? error.message : String(error));
    } finally {
      this.#looking = false;
      this.#warn();
    }
  }

  async #reload(): Promise<void> {
    const { files, purpose } = this.#options;
    let raw: RawFiles;
    try {
      raw = await readCertificateFiles(files);
    } catch (error) {
      // Between the removal of the old file and its successor there is none: judged when it is so twice.
      const found = `! ${String(error)}`;
      const settled = found === this.#seen;
      this.#seen = found;
      if (!settled || found === this.#judged) return;
      this.#judged = found;
      throw error;
    }
    const found = fingerprint(raw);
    const settled = found === this.#seen;
    this.#seen = found;
    // Of files that are replaced one after the other, a look may see the new certificate with the old key.
    if (!settled || found === this.#judged) return;
    this.#judged = found;
    if (found === fingerprint(this.#current)) {
      this.#reason = '';
      return;
    }
    this.#current = checkCredentials(raw, files, purpose, this.#now());
    this.#reason = '';
    this.#told = 'VALID';
    const until = new Date(this.#current.notAfter).toISOString();
    this.#options.news(
      'RENEWED',
      `${files.cert} was read anew: new connections use it, until ${until}`,
      this.msLeft,
    );
    for (const changed of this.#listeners) changed();
  }

  #refused(sentence: string): void {
    this.#reason = sentence;
    this.#options.news(
      'REFUSED',
      `new files are not used, the old certificate stays: ${sentence}`,
      this.msLeft,
    );
  }

  #state(): CertificateStatus['state'] {
    if (this.msLeft <= 0) return 'EXPIRED';
    return this.msLeft < LIMITS.certificateWarnMs ? 'EXPIRING' : 'VALID';
  }

  #warn(): void {
    const state = this.#state();
    const again = this.#now() - this.#toldAt >= LIMITS.certificateWarnAgainMs;
    if (state === 'VALID' || (state === this.#told && !again)) return;
    this.#told = state;
    this.#toldAt = this.#now();
    const { cert } = this.#options.files;
    const until = new Date(this.#current.notAfter).toISOString();
    const sentence =
      state === 'EXPIRED'
        ? `${cert} has expired (${until}): new connections are refused until there is a new one`
        : `${cert} ends ${until}: put a new one in its place`;
    this.#options.news(state, sentence, this.msLeft);
  }
}

function fingerprint({ ca, cert, key }: RawFiles): string {
  return JSON.stringify([ca ?? null, cert, key]);
}
