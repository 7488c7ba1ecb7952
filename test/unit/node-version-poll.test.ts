/** What the apps of other members know, asked of all of them. */
import assert from 'node:assert/strict';
import { LIMITS } from '../../shared/limits.ts';
import type { AskVersion } from '../../shared/messages.ts';
import { VersionPoll, type VersionsTold } from '../../sidecar/node/version-poll.ts';

describe('the poll of versions', () => {
  let others: string[];
  let sent: AskVersion[];
  let told: VersionsTold[];
  let poll: VersionPoll;

  beforeEach(() => {
    others = ['n2', 'n3'];
    sent = [];
    told = [];
    const send = (message: AskVersion): void => void sent.push(message);
    poll = new VersionPoll({ id: 'n1', group: '', firstRequestId: 5, others: () => others, send });
  });

  const ask = (now = 0): void => poll.ask(now, (answers) => told.push(answers));
  const tell = (from: string, version: number, id = 5): void =>
    poll.receive({ type: 'TellVersion', group: '', from, to: 'n1', id, attached: true, version });

  it('ends when all have answered', () => {
    ask();
    assert.deepEqual(
      sent.map(({ to, id }) => [to, id]),
      [
        ['n2', 5],
        ['n3', 5],
      ],
    );
    tell('n2', 1);
    tell('n2', 7);
    tell('n9', 7);
    tell('n3', 7, 6);
    assert.equal(told.length, 0);
    tell('n3', 2);
    tell('n3', 3);
    assert.deepEqual(
      [...(told[0] ?? [])],
      [
        ['n2', { attached: true, version: 1 }],
        ['n3', { attached: true, version: 2 }],
      ],
    );
    assert.equal(told.length, 1);
  });

  it('ends in time, and says who did not answer', () => {
    ask(100);
    tell('n3', 2);
    poll.turn(100 + LIMITS.versionAskMs - 1);
    assert.equal(told.length, 0);
    poll.turn(100 + LIMITS.versionAskMs);
    assert.deepEqual(
      [...(told[0] ?? [])],
      [
        ['n2', undefined],
        ['n3', { attached: true, version: 2 }],
      ],
    );
  });

  it('asks nobody where nobody else is, and holds only so many questions', () => {
    others = [];
    ask();
    assert.deepEqual(told, [new Map()]);
    others = ['n2'];
    for (let i = 0; i <= LIMITS.versionQuestions; i++) ask();
    assert.equal(sent.length, LIMITS.versionQuestions);
    assert.deepEqual(told[1], new Map([['n2', undefined]]));
  });
});
