/** A queue that takes and gives in constant time, and in which a place in the middle can be taken too. Plain data. */
export class Fifo<T> {
  /** Items before `#head` were given; the array is cut when half of it was. */
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Puts `item` before the first one that `isLater` holds for, else at the end. */
  insert(item: T, isLater: (other: T) => boolean): void {
    let at = this.#head;
    for (; at < this.#items.length; at++) if (isLater(this.#items[at] as T)) break;
    this.#items.splice(at, 0, item);
  }

  /** Throws away what `keep` does not hold for. */
  filter(keep: (item: T) => boolean): void {
    this.#items = (this.#items.slice(this.#head) as T[]).filter(keep);
    this.#head = 0;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
