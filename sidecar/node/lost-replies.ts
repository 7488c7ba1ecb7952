/**
 * Replies that this node does not have (it started again beside an app that kept its state): asks the other nodes, whose apps
 * applied the same commands.
 *
 * MUST: answer each question once, at the latest after `replyAskMs`; hold a bounded number of questions. Nothing follows from an
 * answer but what one client is told: that the command took effect is known already.
 */
import { LIMITS } from '../../shared/limits.ts';
import type { AskReply, TellReply } from '../../shared/messages.ts';
import type { Reply } from '../machine/replies.ts';

interface Question {
  readonly done: (reply: Reply | undefined) => void;
  readonly deadline: number;
  /** Who has not answered yet. */
  readonly asked: Set<string>;
}

export interface LostRepliesPort {
  readonly id: string;
  readonly group: string;
  readonly firstRequestId: number;
  /** Nodes that can be asked now. */
  peers(): readonly string[];
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

  /** `done` gets the reply, or undefined when nobody has it (or too many ask). */
  ask(session: number, sequence: number, now: number, done: Question['done']): void {
    const peers = this.#port.peers();
    if (peers.length === 0 || this.#questions.size >= LIMITS.replyQuestions) return done(undefined);
    const id = this.#nextId++;
    this.#questions.set(id, { done, deadline: now + LIMITS.replyAskMs, asked: new Set(peers) });
    const { group, id: from } = this.#port;
    for (const to of peers) this.#port.send({ type: 'AskReply', group, from, to, id, session, sequence });
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

  /** Gives up what waited too long. Call now and then. */
  expire(now: number): void {
    for (const [id, question] of this.#questions) {
      // Asked in this order, so the rest is younger.
      if (question.deadline > now) return;
      this.#end(id, question, undefined);
    }
  }
}
