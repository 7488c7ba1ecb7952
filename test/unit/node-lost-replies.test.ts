/** Replies that a node has lost and asks the others for. */
import assert from 'node:assert/strict';
import { LIMITS } from '../../shared/limits.ts';
import type { AskReply } from '../../shared/messages.ts';
import type { Reply } from '../../sidecar/machine/replies.ts';
import { LostReplies } from '../../sidecar/node/lost-replies.ts';

describe('lost replies', () => {
  let peers: string[];
  let sent: AskReply[];
  let told: (Reply | undefined)[];
  let lost: LostReplies;

  beforeEach(() => {
    peers = ['n2', 'n3'];
    sent = [];
    told = [];
    const send = (message: AskReply): void => void sent.push(message);
    lost = new LostReplies({ id: 'n1', group: '', firstRequestId: 5, peers: () => peers, send });
  });

  const ask = (now = 0): void => lost.ask(7, 3, now, (reply) => told.push(reply));
  const tell = (from: string, known: boolean, result?: Uint8Array): void => {
    const message = { type: 'TellReply', group: '', from, to: 'n1', id: 5, known } as const;
    lost.receive(result === undefined ? message : { ...message, result });
  };

  it('are asked of every node at once, and the first that knows answers', () => {
    ask();
    assert.deepEqual(
      sent.map(({ to, session, sequence }) => [to, session, sequence]),
      [
        ['n2', 7, 3],
        ['n3', 7, 3],
      ],
    );
    tell('n2', false);
    assert.deepEqual(told, []);
    tell('n3', true, Buffer.from('r'));
    tell('n2', true, Buffer.from('again'));
    assert.deepEqual(told, [{ result: Buffer.from('r') }]);
  });

  it('stay lost when nobody knows, nobody can be asked, or nobody answers in time', () => {
    ask();
    tell('n2', false);
    tell('n2', false);
    assert.deepEqual(told, []);
    tell('n3', false);
    peers = [];
    ask();
    peers = ['n2'];
    ask(100);
    lost.expire(100 + LIMITS.replyAskMs - 1);
    assert.deepEqual(told, [undefined, undefined]);
    lost.expire(100 + LIMITS.replyAskMs);
    assert.deepEqual(told, [undefined, undefined, undefined]);
  });

  it('are asked for only so many at a time', () => {
    for (let i = 0; i <= LIMITS.replyQuestions; i++) ask();
    assert.deepEqual(told, [undefined]);
  });
});
