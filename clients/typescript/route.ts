/**
 * Which node we talk to: one for as long as it can, then the next one, in an order that was shuffled once.
 *
 * MUST: dial only while somebody waits for a connection, one node at a time, with a pause after failures; talk to nodes of
 * one cluster only, or the indexes of one would be taken for those of another.
 */
import type { Place } from './address.ts';
import { backoffMs } from './backoff.ts';
import { definite, type OutriggerError } from './errors.ts';
import type { News } from './frames.ts';
import type { ClientLimits } from './limits.ts';
import { Link } from './link.ts';

export interface RouteEvents {
  /** There is another connection, or there is room on the one there is. */
  pump(): void;
  connected(link: Link): void;
  news(news: News): void;
  /** Every node in a row refused to talk to us at all. */
  unwelcome(why: OutriggerError): void;
}

export class Route {
  readonly #places: readonly Place[];
  readonly #app: string;
  readonly #limits: ClientLimits;
  readonly #events: RouteEvents;
  #at = 0;
  #link: Link | undefined;
  #dialling: Link | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Dials and connections that came to nothing since the last good answer, and refused hellos among them in a row. */
  #failures = 0;
  #refusals = 0;
  #notBefore = 0;
  #cluster: string | undefined;
  /** Left, but they owe answers yet; the oldest first. */
  readonly #left = new Set<Link>();
  /** Why the last connection or dial ended. */
  lastError: OutriggerError | undefined;

  constructor(places: readonly Place[], app: string, limits: ClientLimits, events: RouteEvents) {
    this.#places = places;
    this.#app = app;
    this.#limits = limits;
    this.#events = events;
  }

  /** The connection that requests go to. */
  get link(): Link | undefined {
    return this.#link;
  }

  get isOnlyPlace(): boolean {
    return this.#places.length === 1;
  }

  /** Sees to it that there will be a connection. */
  want(): void {
    if (this.#link !== undefined || this.#dialling !== undefined || this.#timer !== undefined) return;
    const pause = this.#notBefore - performance.now();
    if (pause > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#events.pump();
      }, pause);
      return;
    }
    this.#dialling = new Link(this.#places[this.#at] as Place, this.#app, this.#limits, {
      welcomed: (link) => this.#welcomed(link),
      news: (link, news) => {
        if (link === this.#link || news.name === 'sessionExpired') this.#events.news(news);
      },
      goodbye: (link) => this.leave(link),
      room: () => this.#events.pump(),
      ended: (link, why) => this.#ended(link, why),
    });
  }

  /** A good answer came: this node can. */
  isGood(): void {
    this.#failures = 0;
  }

  /** Sends nothing more to this node. */
  leave(link: Link): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#moveOn();
    this.#left.add(link);
    link.leave();
    const [oldest] = this.#left;
    if (this.#left.size > this.#limits.leftLinks)
      oldest?.close(definite('CLOSED', 'too many connections were left'));
    this.#events.pump();
  }

  close(why: OutriggerError): void {
    clearTimeout(this.#timer);
    for (const link of [this.#link, this.#dialling, ...this.#left]) link?.close(why);
  }

  #welcomed(link: Link): void {
    const { cluster = '', node = '' } = link.welcome ?? {};
    this.#cluster ??= cluster;
    if (cluster !== this.#cluster) {
      const message = `${link.place.name} is node ${node} of cluster ${cluster}, not of ${this.#cluster}`;
      return link.close(definite('WRONG_CLUSTER', message));
    }
    this.#refusals = 0;
    this.#dialling = undefined;
    this.#link = link;
    this.#events.connected(link);
    this.#events.pump();
  }

  #ended(link: Link, why: OutriggerError): void {
    if (this.#left.delete(link)) return;
    this.lastError = why;
    if (link === this.#dialling) {
      this.#dialling = undefined;
      this.#refusals = why.definite && !isPassing(why) ? this.#refusals + 1 : 0;
    } else if (link === this.#link) this.#link = undefined;
    else return;
    this.#moveOn();
    if (this.#refusals >= this.#places.length) {
      this.#refusals = 0;
      this.#events.unwelcome(why);
    }
    this.#events.pump();
  }

  #moveOn(): void {
    this.#at = (this.#at + 1) % this.#places.length;
    // The first failure costs nothing: the next node is dialled at once.
    this.#notBefore = performance.now() + backoffMs(this.#failures, this.#limits);
    this.#failures += 1;
  }
}

/** May the same node welcome us a moment later? */
function isPassing({ code }: OutriggerError): boolean {
  return code === 'OVERLOADED' || code === 'NOT_SENT';
}
