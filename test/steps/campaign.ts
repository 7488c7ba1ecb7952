/**
 * Every step of taking, sending and installing snapshots, by the role in which a node reaches it, and what becomes of a
 * `kill -9` there: the node starts again, all converge, nothing that was acknowledged is missing, and what was not finished is as
 * if it had not begun.
 *
 * MUST: find the steps by running, and compare them with those in the source: a step that is never reached proves nothing.
 */
import { Installing } from './installing.ts';
import { type Kill, Place } from './place.ts';
import { allSteps } from './plugin.mjs';
import { taking } from './taking.ts';

export const ROLES = [
  'TAKING',
  'GIVING_UP',
  'SENDING',
  'RECEIVING',
  'RECEIVING_DAMAGED',
  'STARTING',
  'RECOVERING',
] as const;
export type Role = (typeof ROLES)[number];

export interface Case extends Kill {
  readonly role: Role;
}

export class Campaign {
  readonly #place: Place;
  readonly #installing: Installing;

  private constructor(place: Place, installing: Installing) {
    this.#place = place;
    this.#installing = installing;
  }

  static async begin(): Promise<Campaign> {
    const place = await Place.open();
    return new Campaign(place, await Installing.prepare(place));
  }

  end(): Promise<void> {
    return this.#place.close();
  }

  /** Runs each scenario without a kill: the cases that there are. Throws where a step of the source is in none. */
  async enumerate(): Promise<Case[]> {
    const reached = new Map<Role, readonly string[]>();
    reached.set('TAKING', await taking(this.#place, undefined, { givesUp: false }));
    reached.set('GIVING_UP', await taking(this.#place, undefined, { givesUp: true }));
    const { sender, receiver } = await this.#installing.run({});
    reached.set('SENDING', sender);
    reached.set('RECEIVING', receiver);
    reached.set('RECEIVING_DAMAGED', (await this.#installing.run({ damaged: true })).receiver);
    reached.set('STARTING', (await this.#installing.run({ halfInstalled: true })).receiver);
    reached.set('RECOVERING', await this.#installing.recover(undefined));
    const seen = new Set([...reached.values()].flat());
    const missing = allSteps().filter((step) => !seen.has(step));
    if (missing.length > 0) throw new Error(`no scenario reaches ${missing.join(', ')}`);
    return ROLES.flatMap((role) => casesOf(role, reached.get(role) ?? []));
  }

  /** Rejects where anything is not as it must be. */
  async run({ role, ...kill }: Case): Promise<void> {
    switch (role) {
      case 'TAKING':
      case 'GIVING_UP':
        await taking(this.#place, kill, { givesUp: role === 'GIVING_UP' });
        return;
      case 'SENDING':
        await this.#installing.run({ sender: kill });
        return;
      case 'RECOVERING':
        await this.#installing.recover(kill);
        return;
      default:
        await this.#installing.run({
          receiver: kill,
          damaged: role === 'RECEIVING_DAMAGED',
          halfInstalled: role === 'STARTING',
        });
    }
  }

  /** After a case that failed: nothing of it stays in the way of the next. */
  reset(): Promise<void> {
    return this.#place.clear();
  }
}

/** What is done again and again is also killed in the middle. */
function casesOf(role: Role, reached: readonly string[]): Case[] {
  return [...new Set(reached)].flatMap((step) => {
    const times = reached.filter((one) => one === step).length;
    return (times < 3 ? [1] : [1, 2]).map((nth) => ({ role, step, nth }));
  });
}
