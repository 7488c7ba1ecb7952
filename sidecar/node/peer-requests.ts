/**
 * What other nodes ask of this one: commands and reads that they forward to the leader, replies that they have lost, and what
 * its app knows.
 *
 * MUST: answer each request once; say that a command was not taken only where it surely was not.
 */
import type { AskReply, AskVersion, Command } from '../../shared/messages.ts';
import { hasSessions, type Part } from './intake.ts';
import type { Node } from './node.ts';
import { type Asker, ReadQuestions } from './read-questions.ts';

const NOT_TAKEN = { refused: 'NOT_LEADER' } as const;
const NOWHERE = { firstIndex: 0, term: 0 } as const;

export class PeerRequests {
  readonly #node: Node;
  readonly #questions = new ReadQuestions();

  constructor(node: Node) {
    this.#node = node;
  }

  takeForwarded(from: string, id: number, commands: readonly Command[]): void {
    const { closed, driver, sessions } = this.#node;
    // A node that stops or has no space leads no longer than it must: the command is surely not taken here.
    const takes = closed === undefined && driver.raft.role === 'LEADER';
    if (takes && hasSessions(commands)) {
      sessions.intake.take(from, id, commands, performance.now());
      return;
    }
    const placed = takes ? driver.propose(commands) : NOT_TAKEN;
    const where = 'refused' in placed ? { ...NOWHERE, ...placed } : { ...placed, refused: '' };
    this.answerForwarded(from, id, { offset: 0, count: commands.length, ...where });
  }

  answerForwarded(to: string, id: number, part: Part): void {
    const { group, id: from, driver } = this.#node;
    if (part.refused === '' && to !== from) driver.followerAwaits(to, part.firstIndex + part.count - 1);
    this.#node.send({ type: 'ForwardProposed', group, from, to, id, ...part, leader: driver.raft.leader });
  }

  /** Asks the core for the index from which a read may be served. */
  askReadIndex(asker: Asker): void {
    this.#node.driver.read(this.#questions.ask(asker));
  }

  /** The core's answer: an index, or undefined where this node does not lead. */
  readIndex(ref: number, index: number | undefined): void {
    const asked = this.#questions.take(ref);
    if (asked === undefined) return;
    const { group, id: from, reads, driver } = this.#node;
    if ('local' in asked) {
      reads.localReadIndex(asked.local, index);
      return;
    }
    const { from: to, id } = asked;
    const refused = index === undefined ? 'NOT_LEADER' : '';
    const { leader } = driver.raft;
    this.#node.send({ type: 'ForwardReadIndex', group, from, to, id, index: index ?? 0, refused, leader });
  }

  tellReply({ from: to, id, session, sequence }: AskReply): void {
    const { group, id: from, sessions, options, app, driver } = this.#node;
    const reply = sessions.machine.replyOf(session, sequence);
    // It may be among what our app has not applied yet: who asks will ask again.
    if (reply === undefined && app.connected && app.applied < driver.raft.log.lastIndex) return;
    const result = reply?.result === undefined ? {} : { result: reply.result };
    const known = reply !== undefined;
    options.transport.send({ type: 'TellReply', group, from, to, id, known, ...result });
  }

  tellVersion({ from: to, id }: AskVersion): void {
    const { group, id: from, app, options } = this.#node;
    const { connected: attached, knows: version } = app;
    options.transport.send({ type: 'TellVersion', group, from, to, id, attached, version });
  }
}
