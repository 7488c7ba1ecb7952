/** The two tables of a node: decided for delivery, and applied by the app; and what clients are told. */
import assert from 'node:assert/strict';
import type { Entry } from '../../shared/entry.ts';
import { answerOf, type PlacedCommand } from '../../sidecar/machine/answer.ts';
import { SessionMachine } from '../../sidecar/machine/session-machine.ts';
import { SessionTable } from '../../sidecar/machine/session-table.ts';
import { LogMaker, SMALL, shapeOf } from './machine-support.ts';

const text = (value: string): Uint8Array => Buffer.from(value);

describe('machine: one node', () => {
  let log: LogMaker;
  let machine: SessionMachine;

  beforeEach(() => {
    log = new LogMaker();
    machine = new SessionMachine(SMALL);
  });

  const decide = (...entries: Entry[]): number[] =>
    machine.decide(entries, entries.at(-1)?.index ?? 0).map(({ index }) => index);
  const answer = (entry: Entry, more: Partial<PlacedCommand> = {}) =>
    answerOf(machine, { ...entry, wait: 'APPLIED', ...more }, () => undefined);

  it('hands plain commands through as they are', () => {
    const entries = [log.plain(), log.plain()];
    assert.equal(machine.decide(entries, 2), entries);
    assert.equal(machine.ahead.position, 2);
    assert.equal(machine.table.position, 0);
    machine.applied(2, []);
    assert.equal(machine.table.position, 2);
  });

  it('delivers a command once, however often it stands in the log, also within one stretch', () => {
    const stretch = [log.noop(), log.open(), log.command(2, 1), log.command(2, 1), log.command(2, 2)];
    assert.deepEqual(decide(...stretch), [3, 5]);
    assert.deepEqual(decide(log.command(2, 2), log.plain()), [7]);
  });

  it('stands at the applied index with its table, and where it decided with the other', () => {
    decide(log.open(), log.command(1, 1), log.command(1, 2));
    assert.equal(machine.table.size, 0);
    machine.applied(2, [{ index: 2, result: text('r1') }]);
    assert.deepEqual([machine.table.position, machine.table.get(1)?.last], [2, 1]);
    assert.deepEqual([machine.ahead.position, machine.ahead.get(1)?.last], [3, 2]);
  });

  it('answers a retry as it answered the first, and says that it is one', () => {
    const [, first, retry] = [log.open(), log.command(1, 1), log.command(1, 1)];
    decide(...log.entries);
    machine.applied(3, [{ index: 2, result: text('r1') }]);
    assert.deepEqual(answer(first as Entry), { index: 2, term: 1, result: text('r1') });
    assert.deepEqual(answer(retry as Entry), { index: 2, term: 1, duplicate: true, result: text('r1') });
  });

  it('tells a result of nothing from a result that is gone', () => {
    decide(log.open(), log.command(1, 1), log.command(1, 1));
    assert.deepEqual(answer(log.entries[2] as Entry), {
      index: 2,
      term: 1,
      duplicate: true,
      resultLost: true,
    });
    machine.applied(3, [{ index: 2 }]);
    assert.deepEqual(answer(log.entries[2] as Entry), { index: 2, term: 1, duplicate: true });
  });

  it('keeps no result over the limit, and the oldest go first', () => {
    const sequences = [1, 2, 3, 4, 5];
    decide(log.open(), ...sequences.map((sequence) => log.command(1, sequence)));
    const results = sequences.map((n) => ({
      index: n + 1,
      result: text(n === 5 ? 'x'.repeat(101) : `r${n}`),
    }));
    machine.applied(6, results);
    const known = sequences.filter((sequence) => machine.replyOf(1, sequence) !== undefined);
    assert.deepEqual(known, [2, 3, 4]);
  });

  it('keeps results within its bytes over all sessions: those of the session that is silent longest go', () => {
    const limits = { ...SMALL, sessionReplies: 100, sessionReplyBytes: 1_000 };
    machine = new SessionMachine(limits);
    decide(log.open(), log.open(), log.command(1, 1), log.command(2, 1), log.command(2, 2));
    const result = new Uint8Array(400);
    machine.applied(
      5,
      [3, 4, 5].map((index) => ({ index, result })),
    );
    assert.equal(machine.replyOf(1, 1), undefined);
    assert.ok(machine.replyOf(2, 1) !== undefined && machine.replyOf(2, 2) !== undefined);
    assert.ok(machine.replyBytes <= limits.sessionRepliesBytes);
    decide(log.close(2));
    machine.applied(6, []);
    assert.equal(machine.replyBytes, 0);
  });

  it('refuses by the verdict: unknown session, gap, too many sessions', () => {
    decide(log.command(9, 1), log.open(), log.command(2, 3), log.open(), log.open(), log.open());
    const codes = [1, 3, 6].map((index) => {
      const told = answer(log.entries[index - 1] as Entry);
      return 'code' in told ? [told.code, told.definite] : told;
    });
    assert.deepEqual(codes, [
      ['SESSION_UNKNOWN', true],
      ['SEQUENCE_GAP', true],
      ['OVERLOADED', true],
    ]);
  });

  it('claims nothing of what it has forgotten: TIMEOUT, indefinite', () => {
    decide(log.open());
    for (let sequence = 1; sequence <= SMALL.sessionVerdicts; sequence++) decide(log.command(1, sequence));
    const told = answer(log.entries[0] as Entry);
    assert.deepEqual('code' in told ? [told.code, told.definite] : told, ['TIMEOUT', false]);
  });

  it('decides again after a resume, to the same end', () => {
    decide(log.open(), log.command(1, 1));
    machine.applied(2, []);
    const rest = [log.command(1, 2), log.command(1, 2), log.command(1, 3)];
    assert.deepEqual(decide(...rest), [3, 5]);
    machine.rewind();
    assert.equal(machine.ahead.position, 2);
    assert.deepEqual(decide(...rest), [3, 5]);
    machine.applied(5, []);
    assert.deepEqual(shapeOf(machine.table), shapeOf(machine.ahead));
  });

  it('begins where a new app stands', () => {
    decide(log.open(), log.command(1, 1), log.command(1, 2));
    machine.applied(3, []);
    const table = new SessionTable(SMALL);
    table.apply(log.entries[0] as Entry);
    machine.startAt(table);
    assert.deepEqual(decide(...log.entries.slice(1), log.command(1, 1)), [2, 3]);
  });

  it('tells once which sessions expired', () => {
    decide(log.open(1_000));
    log.time += 1_000;
    decide(log.expire(1));
    assert.deepEqual(machine.takeExpired(), [1]);
    assert.deepEqual(machine.takeExpired(), []);
  });
});
