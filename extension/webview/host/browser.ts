/**
 * The host of the sidecar's own page: asks the one sidecar that served it, and speaks to the page as an aggregator would.
 *
 * MUST: ask nothing while the page is hidden; slow down while the sidecar does not answer; show what is known without a token.
 */
import { type FromPage, PANEL_LIMITS, type PanelMethod } from '../../../shared/panel-protocol.ts';
import { isIndex, isObject, isText } from '../guards.ts';
import { text } from '../strings.ts';
import { BrowserFeed } from './browser-feed.ts';
import type { Host, Login } from './host.ts';
import { Sidecar, SidecarError } from './sidecar.ts';
import { isToken, keepToken, takeToken } from './token.ts';

const TIMES = {
  /** Between two looks at the status, ms. */
  pollMs: 500,
  /** After a failure: doubled from the first to the last. */
  retryMinMs: 500,
  retryMaxMs: 5_000,
} as const;

const STATE_KEY = 'outrigger-page';

class BrowserLogin implements Login {
  wanted = false;
  reason = '';
  readonly #enter: (token: string) => void;
  #listener: () => void = () => undefined;

  constructor(enter: (token: string) => void) {
    this.#enter = enter;
  }

  set(wanted: boolean, reason: string): void {
    if (this.wanted === wanted && this.reason === reason) return;
    this.wanted = wanted;
    this.reason = reason;
    this.#listener();
  }

  enter(token: string): void {
    if (isToken(token)) this.#enter(token);
    else this.set(true, text('loginMalformed'));
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }
}

class BrowserHost implements Host {
  readonly kind = 'browser';
  readonly login: BrowserLogin;
  readonly #page: Window;
  readonly #sidecar = new Sidecar();
  readonly #feed: BrowserFeed;
  #listener: (message: unknown) => void = () => undefined;
  #ready = false;
  #sending: ReturnType<typeof setTimeout> | undefined;
  /** Marks of the log when its terms were last asked for. */
  #termsAt = '';
  #lastEvent = '';
  #stream: AbortController | undefined;
  /** Wakes the loops that rest. */
  readonly #sleepers = new Set<() => void>();

  constructor(page: Window) {
    this.#page = page;
    this.#sidecar.token = takeToken(page);
    this.#feed = new BrowserFeed(page.location.origin, Date.now());
    this.login = new BrowserLogin((token) => this.#useToken(token));
    this.login.set(this.#sidecar.token === '', '');
    page.addEventListener('hashchange', () => {
      const token = takeToken(page);
      if (token !== '') this.#useToken(token);
    });
    page.document.addEventListener('visibilitychange', () => {
      if (page.document.hidden) this.#stream?.abort();
      else this.#wake();
    });
  }

  listen(listener: (message: unknown) => void): void {
    this.#listener = listener;
  }

  post(message: FromPage): void {
    if (message.type === 'request') {
      this.#answer(message.method, message.params).then(
        (result) => this.#listener({ type: 'reply', id: message.id, ok: true, result }),
        (error: unknown) =>
          this.#listener({ type: 'reply', id: message.id, ok: false, message: sentence(error) }),
      );
      return;
    }
    if (message.type === 'ready' && !this.#ready) {
      this.#ready = true;
      start(this.#watchStatus());
      start(this.#watchEvents());
      return;
    }
    // Not before there is something to see: an empty cluster would look like a lost one.
    if (this.#feed.status !== undefined) this.#listener(this.#feed.snapshot(Date.now()));
  }

  getState(): unknown {
    try {
      return JSON.parse(this.#page.sessionStorage.getItem(STATE_KEY) ?? 'null');
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  setState(state: object): void {
    this.#page.sessionStorage.setItem(STATE_KEY, JSON.stringify(state));
  }

  async #answer(method: PanelMethod, params: unknown): Promise<unknown> {
    const given = isObject(params) ? params : {};
    if (method === 'entry' && 'index' in given && isIndex(given.index)) {
      const own = this.#feed.status?.node ?? '';
      return await this.#sidecar.entry(own, given.index);
    }
    if (
      method === 'explain' &&
      'about' in given &&
      'id' in given &&
      isText(given.about) &&
      isText(given.id)
    ) {
      return await this.#sidecar.explain(given.about, given.id);
    }
    throw new SidecarError('REFUSED', text('notInBrowser'));
  }

  #useToken(token: string): void {
    keepToken(this.#page, token);
    this.#sidecar.token = token;
    this.#termsAt = '';
    this.login.set(false, '');
    this.#wake();
  }

  /** The token is refused: forget it, ask for another. */
  #refused(): void {
    keepToken(this.#page, '');
    this.#sidecar.token = '';
    this.login.set(true, text('loginRefused'));
  }

  async #watchStatus(): Promise<void> {
    let pause: number = TIMES.pollMs;
    let sent = false;
    for (;;) {
      try {
        const status = await this.#sidecar.status();
        this.#feed.onStatus(status, Date.now());
        await this.#fetchTerms();
        pause = TIMES.pollMs;
      } catch (error) {
        this.#onError(error);
        pause = Math.min(Math.max(pause * 2, TIMES.retryMinMs), TIMES.retryMaxMs);
      }
      if (!sent) this.#listener(this.#feed.snapshot(Date.now()));
      sent = true;
      this.#send();
      await this.#rest(pause);
    }
  }

  async #fetchTerms(): Promise<void> {
    const status = this.#feed.status;
    if (status === undefined || this.#sidecar.token === '') return;
    const { lastIndex, lastTerm, commitIndex, appliedIndex, firstIndex, generation } = status;
    const marks = [lastIndex, lastTerm, commitIndex, appliedIndex, firstIndex, generation].join();
    if (marks === this.#termsAt) return;
    this.#feed.onTerms(await this.#sidecar.terms());
    this.#termsAt = marks;
  }

  #onError(error: unknown): void {
    if (!(error instanceof SidecarError)) throw error;
    const now = Date.now();
    // The status is open to all, so this concerns the token alone.
    if (error.fault === 'UNAUTHORIZED') this.#refused();
    else if (error.fault === 'UNREADABLE') this.#feed.onFailure('INCOMPATIBLE', error.message, now);
    else if (error.fault === 'SILENT') this.#feed.onFailure('SILENT', error.message, now);
    else this.#feed.onFailure('RETRYING', error.message, now);
  }

  async #watchEvents(): Promise<void> {
    let pause: number = TIMES.retryMinMs;
    for (;;) {
      const node = this.#feed.status?.node;
      if (node !== undefined && this.#sidecar.token !== '' && !this.#page.document.hidden) {
        this.#stream = new AbortController();
        try {
          await this.#sidecar.events(this.#lastEvent, node, this.#stream.signal, {
            begin: (missed) => {
              pause = TIMES.retryMinMs;
              if (missed > 0) this.#feed.onEvents([], missed);
            },
            take: (events, lastId) => {
              this.#lastEvent = lastId;
              this.#feed.onEvents(events);
              this.#send();
            },
          });
        } catch (error) {
          if (error instanceof SidecarError && error.fault === 'UNAUTHORIZED') this.#refused();
          else if (!isOutage(error)) throw error;
          // Why it is out shows in the status, which is asked for all the time.
          pause = Math.min(pause * 2, TIMES.retryMaxMs);
        }
      }
      await this.#rest(pause);
    }
  }

  /** Tells the page what is new, at most so often. */
  #send(): void {
    this.#sending ??= setTimeout(() => {
      this.#sending = undefined;
      const news = this.#feed.news(Date.now());
      if (news !== undefined) this.#listener(news);
    }, PANEL_LIMITS.deltaMs);
  }

  #wake(): void {
    for (const wake of [...this.#sleepers]) wake();
  }

  /** So long, or until woken; while the page is hidden until it is seen again. */
  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(() => {
        if (!this.#page.document.hidden) wake();
      }, ms);
      this.#sleepers.add(wake);
    });
  }
}

/** Runs to the page's end; a fault of ours must show in the console, not vanish. */
function start(work: Promise<void>): void {
  work.catch((error: unknown) => reportError(error));
}

/** The network and our own aborts: tried again. Anything else is a fault of ours. */
function isOutage(error: unknown): boolean {
  return error instanceof SidecarError || error instanceof DOMException || error instanceof TypeError;
}

function sentence(error: unknown): string {
  return error instanceof SidecarError ? error.message : text('requestTimeout');
}

export function browserHost(page: Window): Host {
  return new BrowserHost(page);
}
