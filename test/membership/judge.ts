/** What a campaign of membership changes is judged by. Pure. */

/** Each writer has so many keys, and writes them in turn: more than it can write in a round. */
export const KEYS = 6_000;

/** What one writer, and those before it under that name, were told. */
export interface Account {
  readonly name: string;
  /** Its newest write that was acknowledged, 0 before the first. */
  acknowledged: number;
  /** Its newest write that was judged. */
  judged: number;
}

export const keyOf = (name: string, n: number): string => `${name}.${n % KEYS}`;
export const writtenAs = (n: number): string => `${n} ${'x'.repeat(30)}`;

/** Is all that was acknowledged since the last time in this state? Says what is not. */
export function judgeWrites(
  accounts: readonly Account[],
  values: ReadonlyMap<string, string>,
): { readonly judged: number; readonly lost: string[] } {
  const lost: string[] = [];
  let judged = 0;
  for (const account of accounts) {
    const { name, acknowledged } = account;
    // The key of one older may have been written once more already: by a try that was not answered.
    const first = Math.max(account.judged + 1, acknowledged - KEYS + 2);
    if (first > account.judged + 1)
      lost.push(`${name} wrote ${acknowledged - account.judged} between two looks`);
    for (let n = first; n <= acknowledged; n++) {
      judged++;
      const value = values.get(keyOf(name, n)) ?? 'nothing';
      if (value !== writtenAs(n)) lost.push(`${keyOf(name, n)} is ${value.slice(0, 20)} and not ${n}`);
    }
    account.judged = acknowledged;
  }
  return { judged, lost };
}

/** Who led in each term. */
export class Leaders {
  readonly #byTerm = new Map<number, string>();

  get terms(): number {
    return this.#byTerm.size;
  }

  /** A sentence where another node led in that term. */
  saw(term: number, id: string): string | undefined {
    const other = this.#byTerm.get(term);
    this.#byTerm.set(term, id);
    return other === undefined || other === id ? undefined : `${other} and ${id} both led in term ${term}`;
  }
}
