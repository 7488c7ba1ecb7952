/**
 * Term runs: the log as a short list of (term, first, last). Exact, and O(elections) in size, so the
 * term of any index is known without reading the log.
 *
 * MUST: be contiguous, with strictly increasing terms. MUST NOT: do I/O.
 */

export interface TermRun {
  readonly term: number;
  readonly first: number;
  readonly last: number;
}

export class TermRuns {
  #runs: { term: number; first: number; last: number }[] = [];
  /** Index and term just before the first entry (0, 0, or where the log was compacted). */
  #baseIndex: number;
  #baseTerm: number;

  constructor(runs: Iterable<TermRun> = [], baseIndex = 0, baseTerm = 0) {
    this.#baseIndex = baseIndex;
    this.#baseTerm = baseTerm;
    for (const run of runs) this.append(run.term, run.first, run.last);
  }

  get baseIndex(): number {
    return this.#baseIndex;
  }

  get baseTerm(): number {
    return this.#baseTerm;
  }

  get firstIndex(): number {
    return this.#baseIndex + 1;
  }

  get lastIndex(): number {
    return this.#runs.at(-1)?.last ?? this.#baseIndex;
  }

  get lastTerm(): number {
    return this.#runs.at(-1)?.term ?? this.#baseTerm;
  }

  /** Adds entries `first`…`last` of `term` at the end. Throws RangeError on a gap or a smaller term. */
  append(term: number, first: number, last: number): void {
    const tail = this.#runs.at(-1);
    if (first !== this.lastIndex + 1 || last < first || term < this.lastTerm) {
      throw new RangeError(
        `term run ${term}:${first}-${last} does not continue ${this.lastTerm}:${this.lastIndex}`,
      );
    }
    if (tail !== undefined && tail.term === term) tail.last = last;
    else this.#runs.push({ term, first, last });
  }

  /** Forgets every index ≥ `index`. */
  truncateFrom(index: number): void {
    while (this.#runs.length > 0) {
      const tail = this.#runs[this.#runs.length - 1] as { first: number; last: number };
      if (tail.last < index) return;
      if (tail.first >= index) this.#runs.pop();
      else tail.last = index - 1;
    }
  }

  /** Forgets every index ≤ `index`, which must be in the log: it becomes the base. */
  compactTo(index: number): void {
    if (index <= this.#baseIndex) return;
    const term = this.termAt(index);
    if (term === undefined)
      throw new RangeError(`cannot compact to ${index}: the log ends at ${this.lastIndex}`);
    const kept = this.#runs.findIndex(({ last }) => last > index);
    this.#runs = kept === -1 ? [] : this.#runs.slice(kept);
    const [first] = this.#runs;
    if (first !== undefined && first.first <= index) first.first = index + 1;
    this.#baseIndex = index;
    this.#baseTerm = term;
  }

  /** Forgets everything: the log begins anew, empty, after an entry `index` of `term`. */
  resetTo(index: number, term: number): void {
    this.#runs = [];
    this.#baseIndex = index;
    this.#baseTerm = term;
  }

  /** The term at `index`, or undefined where the log has no entry (and it is not the base). */
  termAt(index: number): number | undefined {
    if (index === this.#baseIndex) return this.#baseTerm;
    return this.runAt(index)?.term;
  }

  /** The run that holds `index`. */
  runAt(index: number): TermRun | undefined {
    const runs = this.#runs;
    const tail = runs.at(-1);
    if (tail === undefined || index > tail.last || index <= this.#baseIndex) return undefined;
    if (index >= tail.first) return tail;
    let low = 0;
    let high = runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((runs[middle] as TermRun).first <= index) low = middle;
      else high = middle - 1;
    }
    return runs[low];
  }

  /** The last index whose term is ≤ `term` and which is ≤ `upTo` (the base at least). */
  lastIndexWithTermAtMost(term: number, upTo: number): number {
    let index = Math.min(upTo, this.lastIndex);
    for (let run = this.runAt(index); run !== undefined && run.term > term; run = this.runAt(index)) {
      index = run.first - 1;
    }
    return Math.max(index, this.#baseIndex);
  }

  /** A copy, oldest first. */
  list(): TermRun[] {
    return this.#runs.map((run) => ({ ...run }));
  }
}
