/**
 * Replies that this node does not have (it started again beside an app that kept its state): asks the other nodes, whose apps
 * applied the same commands.
 *
 * MUST: answer each question once, at the latest after `replyAskMs` or when its client stops waiting; hold a bounded number of
 * questions. Nothing follows from an answer but what one client is told: that the command took effect is known already.
 * MAY: ask in vain: a node that has just started has no links yet, so who has not answered is asked again.
 */
import { LIMITS } from '../../shared/limits.ts';
import type { AskReply, TellReply } from '../../shared/messages.ts';
import type { Reply } from '../machine/replies.ts';

interface Question {
  readonly session: number;
  readonly sequence: number;
  readonly done: (reply: Reply | undefined) => void;
  readonly deadline: number;
  /** Who has not answered yet. */
  readonly asked: Set<string>;
  askAgainAt: number;
}

export interface LostRepliesPort {
  readonly id: string;
  readonly group: string;
  readonly firstRequestId: number;
  /** The other members, whether they can be reached now or not. */
  others(): readonly string[];
  /** May be lost. */
  send(message: AskReply): void;
}

export class LostReplies {
  readonly #port: LostRepliesPort;
  readonly #questions = new Map<number, Question>();
  #nextId: number;

  constructor(port: LostRepliesPort) {
    this.#port = port;
    this.#nextId = port.firstRequestId;
  }

  /** `done` gets the reply, or undefined when nobody has it, nobody said so by `until`, or too many ask. */
  ask(session: number, sequence: number, now: number, until: number, done: Question['done']): void {
    const asked = new Set(this.#port.others());
    if (asked.size === 0 || this.#questions.size >= LIMITS.replyQuestions) return done(undefined);
    const id = this.#nextId++;
    const deadline = Math.min(until, now + LIMITS.replyAskMs);
    const question = { session, sequence, done, deadline, asked, askAgainAt: now + LIMITS.replyAskAgainMs };
    this.#questions.set(id, question);
    this.#send(id, question);
  }

  #send(id: number, { session, sequence, asked }: Question): void {
    const { group, id: from } = this.#port;
    for (const to of asked) this.#port.send({ type: 'AskReply', group, from, to, id, session, sequence });
  }

  receive({ id, from, known, result }: TellReply): void {
    const question = this.#questions.get(id);
    if (question === undefined || !question.asked.delete(from)) return;
    if (known) this.#end(id, question, { result });
    else if (question.asked.size === 0) this.#end(id, question, undefined);
  }

  #end(id: number, question: Question, reply: Reply | undefined): void {
    this.#questions.delete(id);
    question.done(reply);
  }

  /** Asks again, and gives up what waited too long. Call now and then. */
  turn(now: number): void {
    for (const [id, question] of this.#questions) {
      if (question.deadline <= now) this.#end(id, question, undefined);
      else if (question.askAgainAt <= now) {
        question.askAgainAt = now + LIMITS.replyAskAgainMs;
        this.#send(id, question);
      }
    }
  }
}
