/**
 * When a live tail follows, and when it lets the reader read.
 *
 * MUST: be pure; stop at the first sign that somebody reads (scrolling up, a selection, the cursor moved off the last
 * line), and never start again by itself.
 */
export class TailState {
  following = true;
  #lastLine = 0;
  #firstVisible = 0;

  /** `lastLine`: number of the last line, from 0. Returns whether to scroll to it. */
  textChanged(lastLine: number): boolean {
    this.#lastLine = lastLine;
    return this.following;
  }

  /**
   * The visible lines are now `first`…`last`. Only upward movement away from the end is the reader's: growth leaves the
   * first visible line where it is, and our own scrolling moves it down.
   */
  scrolled(first: number, last: number): void {
    const up = first < this.#firstVisible;
    this.#firstVisible = first;
    if (up && last < this.#lastLine - 1) this.following = false;
  }

  /** The reader (not the program) moved the cursor or selected. */
  selected(selection: { readonly empty: boolean; readonly line: number }): void {
    if (!selection.empty || selection.line < this.#lastLine - 1) this.following = false;
  }

  resume(): void {
    this.following = true;
  }
}
