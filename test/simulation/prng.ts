/**
 * The only randomness of the simulation: sfc32, seeded. Each part of the world draws from a stream of its own, so that
 * switching one fault off leaves the luck of the others as it was.
 *
 * MUST: depend on nothing but seed and stream.
 */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 0x1_0000_0000) | 0;
    this.#c = Math.imul(stream + 1, 0x9e3779b9);
    // The first numbers still look like the seed.
    for (let i = 0; i < 15; i++) this.uint32();
  }

  uint32(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** Uniform in [0, 1). */
  float(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** Uniform in [min, max). */
  between(min: number, max: number): number {
    return min + this.float() * (max - min);
  }

  /** 0 … count - 1. */
  int(count: number): number {
    return Math.floor(this.float() * count);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.float() < probability;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    return items[this.int(items.length)] as T;
  }

  shuffle(items: unknown[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const other = this.int(i + 1);
      [items[i], items[other]] = [items[other], items[i]];
    }
  }

  /** A waiting time with this mean, as of a process without memory. */
  exponential(mean: number): number {
    return -Math.log(1 - this.float()) * mean;
  }
}
