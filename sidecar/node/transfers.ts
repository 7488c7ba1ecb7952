/**
 * Leadership transfers that were asked for here, and how they end.
 *
 * MUST: answer each exactly once, also where nobody tells how it ended.
 */

/** A transfer is given up after so many of the longest election timeouts. */
const TRANSFER_ELECTIONS = 3;

type Ended = (failed: string | undefined) => void;

export class Transfers {
  #waiting: Ended[] = [];

  /** `begin` starts it. Resolves with nothing once a leader is known again, or with a sentence. */
  begun(electionMaxMs: number, begin: () => void): Promise<string | undefined> {
    return new Promise((resolve) => {
      // The target may have won and died, and then nobody tells us how it ended.
      const timer = setTimeout(
        () => this.ended('no other node made itself known as leader in time'),
        TRANSFER_ELECTIONS * electionMaxMs,
      );
      this.#waiting.push((failed) => {
        clearTimeout(timer);
        resolve(failed);
      });
      begin();
    });
  }

  /** Answers all that wait: a node has one leader, so they wait for the same. */
  ended(failed: string | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(failed);
  }
}
