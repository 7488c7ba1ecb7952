/**
 * Tells news by a POST to the operator's URL.
 *
 * MUST: talk to loopback only, since it speaks plain HTTP; follow no redirect (it would be an address from the network); read a
 * bounded answer and heed nothing but its status.
 */
import { request } from 'node:http';
import { type LeaderNews, parseNewsUrl } from '../../shared/leader-news.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { Carrier } from './contract.ts';

export class Webhook implements Carrier {
  readonly way = 'url';
  readonly #url: URL;
  readonly #tryMs: number;

  /** Throws RangeError for a URL that `parseNewsUrl` refuses. */
  constructor(url: string, tryMs: number = LIMITS.newsTryMs) {
    this.#url = new URL(parseNewsUrl(url));
    this.#tryMs = tryMs;
  }

  carry(news: LeaderNews, aborted: AbortSignal): Promise<void> {
    const body = Buffer.from(`${JSON.stringify(news)}\n`);
    const { hostname, port, pathname, search } = this.#url;
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.any([aborted, AbortSignal.timeout(this.#tryMs)]);
      const asked = request({
        // Not looked up: a name is whatever the resolver says.
        host: hostname === 'localhost' ? '127.0.0.1' : hostname.replaceAll(/[[\]]/g, ''),
        port: port === '' ? 80 : Number(port),
        path: `${pathname}${search}`,
        method: 'POST',
        headers: {
          Host: this.#url.host,
          'Content-Type': 'application/json',
          'Content-Length': body.length,
          Connection: 'close',
        },
        agent: false,
        signal,
      });
      asked.on('response', (response) => {
        const status = response.statusCode ?? 0;
        // The status is the whole answer. The rest is read only so that the receiver can end in peace.
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > LIMITS.newsAnswerBytes) response.destroy();
        });
        response.on('error', () => response.destroy());
        if (status >= 200 && status < 300) resolve();
        else reject(new Error(`${this.#url.href} answered with ${status}`));
      });
      asked.on('error', (error) => {
        const why = signal.aborted && !aborted.aborted ? `no answer within ${this.#tryMs} ms` : error.message;
        reject(new Error(`${this.#url.href}: ${why}`, { cause: error }));
      });
      asked.end(body);
    });
  }
}
