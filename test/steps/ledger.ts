/** What was written, and what a state may say of it: nothing that was acknowledged may be missing. */
import assert from 'node:assert/strict';
import { AppClient } from '../support/app-client.ts';
import type { Daemon } from '../support/daemons.ts';

/** A batch writes each key once. With so large values the log and its WAL outgrow their bounds within a few batches. */
const KEYS = 50;
const VALUE = 'x'.repeat(10_000);

interface Written {
  acknowledged: number;
  /** Newer ones whose answer was lost: each may have taken effect or not. */
  inDoubt: number[];
}

export class Ledger {
  readonly #keys = new Map<string, Written>();
  #ids = 0;
  /** The highest index that was acknowledged. */
  last = 0;

  copy(): Ledger {
    const copy = new Ledger();
    for (const [key, { acknowledged, inDoubt }] of this.#keys)
      copy.#keys.set(key, { acknowledged, inDoubt: [...inDoubt] });
    copy.#ids = this.#ids;
    copy.last = this.last;
    return copy;
  }

  /** One write of each key; false where `daemon` went, or could not answer, in the middle of it. */
  async batch(daemon: Daemon): Promise<boolean> {
    const client = await AppClient.greet(daemon.socket, 'protobuf', undefined, false).catch(() => undefined);
    if (client === undefined) return false;
    const answers = Array.from({ length: KEYS }, (_, at) => this.#write(client, `k${at}`));
    const all = await Promise.all(answers);
    await client.close();
    return all.every(Boolean);
  }

  async #write(client: AppClient, key: string): Promise<boolean> {
    const id = ++this.#ids;
    const written = this.#keys.get(key) ?? { acknowledged: 0, inDoubt: [] };
    this.#keys.set(key, written);
    written.inDoubt.push(id);
    client.send({ type: 'propose', id, command: Buffer.from(`${key}=${id} ${VALUE}`), wait: 'COMMITTED' });
    try {
      const told = await Promise.race([
        client.next('proposed', (frame) => frame.id === id),
        client.next('error', (frame) => frame.id === id),
      ]);
      if (told.type === 'error') return false;
      this.last = Math.max(this.last, told.index);
    } catch {
      // The connection broke: whether it took effect is not known.
      return false;
    }
    written.acknowledged = id;
    written.inDoubt = [];
    return true;
  }

  /** Fails where `dump`, of an app that has applied all, cannot be what was written. */
  judge(dump: string): void {
    const state = new Map(JSON.parse(dump) as [string, string][]);
    for (const [key, { acknowledged, inDoubt }] of this.#keys) {
      const is = Number(state.get(key)?.split(' ')[0] ?? 0);
      assert.ok(
        is === acknowledged || inDoubt.includes(is),
        `${key} is ${is}, but ${acknowledged} was acknowledged`,
      );
    }
  }
}
