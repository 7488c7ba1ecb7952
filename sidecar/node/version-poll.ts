/**
 * Which version of its commands the app of each other member knows: asked of all of them when an operator wants a newer one.
 *
 * MUST: answer each question once, at the latest after `versionAskMs`; hold a bounded number of them. Nothing that keeps apps
 * equal follows from an answer: what an app does not know it is not given (app/delivery.ts).
 */
import { LIMITS } from '../../shared/limits.ts';
import type { AskVersion, TellVersion } from '../../shared/messages.ts';

export type VersionTold = Pick<TellVersion, 'attached' | 'version'>;
/** By member; undefined where it did not answer. */
export type VersionsTold = ReadonlyMap<string, VersionTold | undefined>;

interface Question {
  readonly done: (told: VersionsTold) => void;
  readonly deadline: number;
  readonly told: Map<string, VersionTold | undefined>;
  open: number;
}

export interface VersionPollPort {
  readonly id: string;
  readonly group: string;
  readonly firstRequestId: number;
  others(): readonly string[];
  send(message: AskVersion): void;
}

export class VersionPoll {
  readonly #port: VersionPollPort;
  readonly #questions = new Map<number, Question>();
  #nextId: number;

  constructor(port: VersionPollPort) {
    this.#port = port;
    this.#nextId = port.firstRequestId;
  }

  /** Calls `done` once all others have answered, or their time is over; at once, with nobody's answer, where too many ask. */
  ask(now: number, done: Question['done']): void {
    const others = this.#port.others();
    const told = new Map<string, VersionTold | undefined>(others.map((id) => [id, undefined]));
    if (others.length === 0 || this.#questions.size >= LIMITS.versionQuestions) return done(told);
    const id = this.#nextId++;
    this.#questions.set(id, { done, deadline: now + LIMITS.versionAskMs, told, open: others.length });
    const { group, id: from } = this.#port;
    for (const to of others) this.#port.send({ type: 'AskVersion', group, from, to, id });
  }

  receive({ id, from, attached, version }: TellVersion): void {
    const question = this.#questions.get(id);
    if (question === undefined || !question.told.has(from) || question.told.get(from) !== undefined) return;
    question.told.set(from, { attached, version });
    question.open--;
    if (question.open === 0) this.#end(id, question);
  }

  #end(id: number, { done, told }: Question): void {
    this.#questions.delete(id);
    done(told);
  }

  /** Ends what waited too long. Call now and then. */
  turn(now: number): void {
    for (const [id, question] of this.#questions) {
      // Asked in this order, so the rest is younger.
      if (question.deadline > now) return;
      this.#end(id, question);
    }
  }
}
