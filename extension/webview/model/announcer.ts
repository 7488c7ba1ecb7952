/**
 * What is said aloud: changes of leader, and answers to the reader's own acts.
 *
 * MUST: speak at most once in `ANNOUNCE_MS`, with what piled up meanwhile merged to its newest word per topic.
 */

/** Less than this apart, one announcement would cut off the other. */
export const ANNOUNCE_MS = 2_000;

export class Announcer {
  readonly #speak: (words: string) => void;
  readonly #later: (act: () => void, ms: number) => void;
  readonly #waiting = new Map<string, string>();
  #resting = false;

  /** `later`: calls back after so many ms (tests give their own). */
  constructor(
    speak: (words: string) => void,
    later: (act: () => void, ms: number) => void = (act, ms) => setTimeout(act, ms),
  ) {
    this.#speak = speak;
    this.#later = later;
  }

  /** `topic`: a newer word on the same topic replaces one that was not spoken yet. */
  say(topic: string, words: string): void {
    this.#waiting.set(topic, words);
    if (!this.#resting) this.#flush();
  }

  #flush(): void {
    this.#resting = false;
    if (this.#waiting.size === 0) return;
    this.#speak([...this.#waiting.values()].join('. '));
    this.#waiting.clear();
    this.#resting = true;
    this.#later(() => this.#flush(), ANNOUNCE_MS);
  }
}
