/**
 * The last account that one node gave of its term runs, asked anew when its status says that they may be others.
 *
 * A log that ends at an index of term t is, by the Log Matching property (paper §5.3), a prefix of every longer log that ends
 * in term t. So while a log grows within its last term the last run grows with it, and nothing needs to be asked: that is
 * the normal state of every node under load.
 *
 * MUST: ask at most once in `termsMs`, one question at a time, and only while the link answers.
 */
import type { NodeStatus, TermsView } from '../../../shared/inspect.ts';
import { termsViewSchema } from '../../../shared/inspect-schema.ts';
import { InspectError } from '../contract.ts';
import { AGGREGATOR_LIMITS } from '../limits.ts';
import type { NodeLink } from '../links/link.ts';

export class TermsKeeper {
  readonly #link: NodeLink;
  readonly #termsMs: number;
  readonly #onBug: (error: unknown) => void;
  readonly #onTerms: () => void;
  readonly #ended = new AbortController();
  #last: TermsView | undefined;
  /** Of the status when `#last` was asked. */
  #key = '';
  #nextAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #asking = false;

  constructor(link: NodeLink, termsMs: number, onBug: (error: unknown) => void, onTerms: () => void) {
    this.#link = link;
    this.#termsMs = termsMs;
    this.#onBug = onBug;
    this.#onTerms = onTerms;
  }

  get last(): TermsView | undefined {
    return this.#last;
  }

  /** The status may have changed: asks when the log did. */
  refresh(): void {
    if (this.#asking || this.#timer !== undefined || this.#ended.signal.aborted) return;
    const { status, view } = this.#link;
    if (status === undefined || view.state !== 'CONNECTED') return;
    if (keyOf(status) === this.#key && this.#grow(status)) return;
    const wait = this.#nextAt - performance.now();
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#ask().catch(this.#onBug);
      },
      Math.max(0, wait),
    );
  }

  /** Moves the end of the last run to where the status says; false where it says that the log got shorter, or is another. */
  #grow({ lastIndex, lastTerm }: NodeStatus): boolean {
    const before = this.#last;
    const tail = before?.runs.at(-1);
    if (before === undefined || tail === undefined) return lastIndex === before?.snapshotIndex;
    if (tail.term !== lastTerm || lastIndex < tail.last) return false;
    if (lastIndex === tail.last) return true;
    this.#last = { ...before, runs: [...before.runs.slice(0, -1), { ...tail, last: lastIndex }] };
    this.#onTerms();
    return true;
  }

  /** An account that somebody else asked for; `status` as it was known then. */
  take(terms: TermsView, status: NodeStatus | undefined): void {
    this.#last = terms;
    this.#key = status === undefined ? '' : keyOf(status);
    this.#onTerms();
  }

  dispose(): void {
    this.#ended.abort();
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const { status } = this.#link;
    this.#asking = true;
    this.#nextAt = performance.now() + this.#termsMs;
    try {
      const { signal } = this.#ended;
      this.take(
        await this.#link.get('/v1/log/terms', termsViewSchema, AGGREGATOR_LIMITS.termsBytes, signal),
        status,
      );
    } catch (error) {
      // Why it failed is told by the link; it is asked again at the next status.
      if (!(error instanceof InspectError)) throw error;
    } finally {
      this.#asking = false;
    }
    this.refresh();
  }
}

/** While this is the same, the log has only grown (or was cut back within its last term, which `#grow` sees). */
function keyOf({ generation, firstIndex, snapshotIndex, lastTerm }: NodeStatus): string {
  return `${generation}/${firstIndex}/${snapshotIndex}/${lastTerm}`;
}
