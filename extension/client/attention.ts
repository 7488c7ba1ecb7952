/**
 * Who looks: while anybody does, the aggregator keeps its links open.
 *
 * MUST: be pure; tell of a change only when it is one.
 */
export class Attention {
  readonly #reasons = new Set<string>();
  readonly #changed: (attending: boolean) => void;

  constructor(changed: (attending: boolean) => void) {
    this.#changed = changed;
  }

  get attending(): boolean {
    return this.#reasons.size > 0;
  }

  /** `reason` names who looks, such as `view:clusters` or `panel:3`. */
  set(reason: string, looks: boolean): void {
    const before = this.attending;
    if (looks) this.#reasons.add(reason);
    else this.#reasons.delete(reason);
    if (this.attending !== before) this.#changed(this.attending);
  }
}
