/** Replies that a node has lost and asks the others for. */
import assert from 'node:assert/strict';
import { LIMITS } from '../../shared/limits.ts';
import type { AskReply, TellReply } from '../../shared/messages.ts';
import type { Reply } from '../../sidecar/machine/replies.ts';
import { LostReplies } from '../../sidecar/node/lost-replies.ts';
import type { Node } from '../../sidecar/node/node.ts';
import { PeerRequests } from '../../sidecar/node/peer-requests.ts';

describe('lost replies', () => {
  let others: string[];
  let sent: AskReply[];
  let told: (Reply | undefined)[];
  let lost: LostReplies;

  beforeEach(() => {
    others = ['n2', 'n3'];
    sent = [];
    told = [];
    const send = (message: AskReply): void => void sent.push(message);
    lost = new LostReplies({ id: 'n1', group: '', firstRequestId: 5, others: () => others, send });
  });

  const LATER = 60_000;
  const ask = (now = 0, until = LATER): void => lost.ask(7, 3, now, until, (reply) => told.push(reply));
  const asked = (): string[] => sent.splice(0).map(({ to }) => to);
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

  it('are asked for again of who did not answer: there may be no link to it yet', () => {
    ask();
    assert.deepEqual(asked(), ['n2', 'n3']);
    lost.turn(LIMITS.replyAskAgainMs - 1);
    assert.deepEqual(asked(), []);
    tell('n2', false);
    lost.turn(LIMITS.replyAskAgainMs);
    assert.deepEqual(asked(), ['n3']);
    lost.turn(LIMITS.replyAskAgainMs + 1);
    assert.deepEqual(asked(), []);
    lost.turn(2 * LIMITS.replyAskAgainMs);
    assert.deepEqual(asked(), ['n3']);
    tell('n3', true);
    assert.deepEqual(told, [{ result: undefined }]);
    lost.turn(3 * LIMITS.replyAskAgainMs);
    assert.deepEqual(asked(), []);
  });

  it('stay lost when nobody knows, or nobody else is there', () => {
    ask();
    tell('n2', false);
    tell('n2', false);
    assert.deepEqual(told, []);
    tell('n3', false);
    assert.deepEqual(told, [undefined]);
    others = [];
    ask();
    assert.deepEqual(told, [undefined, undefined]);
  });

  it('stay lost when nobody answers in time, or while the client waits', () => {
    ask(100);
    ask(100, 110);
    lost.turn(109);
    assert.deepEqual(told, []);
    lost.turn(110);
    assert.deepEqual(told, [undefined]);
    lost.turn(100 + LIMITS.replyAskMs - 1);
    assert.deepEqual(told, [undefined]);
    lost.turn(100 + LIMITS.replyAskMs);
    assert.deepEqual(told, [undefined, undefined]);
  });

  it('are asked for only so many at a time', () => {
    for (let i = 0; i <= LIMITS.replyQuestions; i++) ask();
    assert.deepEqual(told, [undefined]);
  });
});

describe('a node that is asked for a lost reply', () => {
  it('says nothing while its app has not applied all that might have it', () => {
    const told: TellReply[] = [];
    const app = { connected: true, applied: 4 };
    const node = {
      ...{ id: 'n2', group: '', app },
      sessions: { machine: { replyOf: () => undefined } },
      driver: { raft: { log: { lastIndex: 5 } } },
      options: { transport: { send: (message: TellReply) => told.push(message) } },
    };
    const requests = new PeerRequests(node as unknown as Node);
    const ask = {
      type: 'AskReply',
      group: '',
      from: 'n1',
      to: 'n2',
      id: 7,
      session: 3,
      sequence: 1,
    } as const;
    requests.tellReply(ask);
    assert.deepEqual(told, []);
    app.applied = 5;
    requests.tellReply(ask);
    assert.deepEqual(
      told.splice(0).map(({ known }) => known),
      [false],
    );
    Object.assign(app, { applied: 4, connected: false });
    requests.tellReply(ask);
    assert.deepEqual(
      told.map(({ known }) => known),
      [false],
      'without an app it will never have it',
    );
  });
});
