/**
 * Tells all connections the same, so many in one turn of the event loop: ten thousand at once would keep every request waiting.
 *
 * MUST: tell each connection what it tells in order. MAY leave out what was overtaken by later news of the same kind.
 */
import type { SidecarFrame } from '../../shared/app-frames.ts';

export interface Listener {
  broadcast(frame: SidecarFrame): void;
}

interface News {
  readonly frame: SidecarFrame;
  /** Who was there; those before `next` were told. */
  readonly to: readonly Listener[];
  next: number;
}

export class Broadcast {
  readonly #listeners: () => Iterable<Listener>;
  readonly #perTurn: number;
  #news: News[] = [];
  #scheduled = false;

  constructor(listeners: () => Iterable<Listener>, perTurn: number) {
    this.#listeners = listeners;
    this.#perTurn = perTurn;
  }

  tell(frame: SidecarFrame): void {
    this.#news = this.#news.filter((news) => news.next > 0 || news.frame.type !== frame.type);
    this.#news.push({ frame, to: [...this.#listeners()], next: 0 });
    if (!this.#scheduled) this.#turn();
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    for (let left = this.#perTurn; left > 0; ) {
      const news = this.#news[0];
      if (news === undefined) return;
      const end = Math.min(news.next + left, news.to.length);
      left -= end - news.next;
      for (; news.next < end; news.next++) news.to[news.next]?.broadcast(news.frame);
      if (news.next === news.to.length) this.#news.shift();
    }
    if (this.#news.length === 0) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  };
}
