/** The sessions as a function of the log: what takes effect, what is a duplicate, and when a session ends. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { EntryKind } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { SessionTable } from '../../sidecar/machine/session-table.ts';
import { kinds, LogMaker, SMALL, shapeOf } from './machine-support.ts';

describe('machine: the session table', () => {
  let log: LogMaker;
  let table: SessionTable;

  beforeEach(() => {
    log = new LogMaker();
    table = new SessionTable(SMALL);
  });

  it('names a session by the index of its entry, and lets commands take effect once and in order', () => {
    log.noop();
    table.passTo(1);
    assert.deepEqual(table.apply(log.open()), { kind: 'OPENED', session: 2 });
    assert.deepEqual(
      kinds([
        table.apply(log.command(2, 1)),
        table.apply(log.command(2, 2)),
        table.apply(log.command(2, 1)),
        table.apply(log.command(2, 3)),
      ]),
      ['APPLY', 'APPLY', 'DUPLICATE', 'APPLY'],
    );
    assert.deepEqual(table.apply(log.command(2, 2)), { kind: 'DUPLICATE', place: { index: 4, term: 1 } });
  });

  it('holds the version of the commands, which only rises, and which a copy has too', () => {
    assert.equal(table.appVersion, 0);
    assert.deepEqual(table.apply(log.appVersion(2)), { kind: 'VERSION' });
    table.apply(log.appVersion(1));
    table.apply({ ...log.appVersion(9), command: Buffer.from([0xff, 0xff]) });
    assert.deepEqual([table.appVersion, table.clone().appVersion], [2, 2]);
  });

  it('gives a gap no effect, for good: the number is still the next one', () => {
    const { index: session } = log.open();
    table.apply(log.entries[0] as never);
    assert.deepEqual(table.apply(log.command(session, 2)), { kind: 'GAP', expected: 1 });
    assert.deepEqual(
      kinds([
        table.apply(log.command(session, 1)),
        table.apply(log.command(session, 3)),
        table.apply(log.command(session, 2)),
      ]),
      ['APPLY', 'GAP', 'APPLY'],
    );
  });

  it('knows no session that was not opened, or is closed', () => {
    assert.equal(table.apply(log.command(7, 1)).kind, 'UNKNOWN');
    const opened = log.open();
    table.apply(opened);
    assert.equal(table.apply(log.close(opened.index)).kind, 'CLOSED');
    assert.deepEqual(
      kinds([
        table.apply(log.close(opened.index)),
        table.apply(log.keep(opened.index)),
        table.apply(log.command(opened.index, 1)),
      ]),
      ['UNKNOWN', 'UNKNOWN', 'UNKNOWN'],
    );
  });

  it('opens no more sessions than it may, and ends nobody for it', () => {
    const opened = Array.from({ length: SMALL.sessions }, () => table.apply(log.open()).kind);
    assert.deepEqual(opened, ['OPENED', 'OPENED', 'OPENED']);
    assert.equal(table.apply(log.open()).kind, 'FULL');
    table.apply(log.close(1));
    assert.equal(table.apply(log.open()).kind, 'OPENED');
    assert.equal(table.size, SMALL.sessions);
  });

  it('forgets where old commands took effect, never that they did', () => {
    table.apply(log.open());
    for (let sequence = 1; sequence <= 6; sequence++) table.apply(log.command(1, sequence));
    assert.deepEqual(table.apply(log.command(1, 1)), { kind: 'DUPLICATE', place: undefined });
    assert.deepEqual(table.apply(log.command(1, 3)), { kind: 'DUPLICATE', place: { index: 4, term: 1 } });
    table.apply(log.command(1, 7, 7));
    assert.equal(table.get(1)?.places.size, 1);
    assert.deepEqual(table.apply(log.command(1, 3)), { kind: 'DUPLICATE', place: undefined });
  });

  it('believes no acknowledgement of what did not happen', () => {
    table.apply(log.open());
    table.apply(log.command(1, 1, 2 ** 40));
    assert.equal(table.get(1)?.ackBelow, 1);
    assert.equal(table.apply(log.command(1, 2)).kind, 'APPLY');
  });

  it('ends a session only at an entry that says so, and only when cluster time agrees', () => {
    const ttlMs = LIMITS.sessionTtlMsMin;
    for (let i = 0; i < 3; i++) table.apply(log.open(ttlMs));
    log.time += ttlMs;
    table.apply(log.keep(1));
    table.apply(log.command(2, 1));
    log.time += ttlMs - 1;
    assert.deepEqual(table.apply(log.expire(1, 2, 3, 99)), { kind: 'EXPIRED', sessions: [3] });
    log.time += 10 * ttlMs;
    assert.equal(table.apply(log.command(1, 1)).kind, 'APPLY');
    assert.deepEqual(table.apply(log.expire(1, 2)), { kind: 'EXPIRED', sessions: [2] });
    assert.equal(table.apply(log.command(2, 2)).kind, 'UNKNOWN');
  });

  it('clips the time to live', () => {
    for (const asked of [0, 1, 2 ** 52]) table.apply(log.open(asked));
    assert.deepEqual(
      [...table.all()].map(({ ttlMs }) => ttlMs),
      [LIMITS.sessionTtlMs, LIMITS.sessionTtlMsMin, LIMITS.sessionTtlMsMax],
    );
  });

  it('reads bytes that are none of ours the same way everywhere', () => {
    const bytes = Buffer.from([0xff, 0xff, 0xff]);
    const opened = table.apply({ ...log.open(), command: bytes });
    assert.equal(opened.kind, 'OPENED');
    assert.deepEqual(table.apply({ ...log.expire(), command: bytes }), { kind: 'EXPIRED', sessions: [] });
  });

  it('takes no entry twice', () => {
    table.apply(log.open());
    assert.throws(() => table.apply(log.entries[0] as never), /comes again/);
  });

  /** Sequences of each session as they took effect, by a reading of the rule that keeps everything. */
  it('agrees with a naive reading of any log, also when it is cloned on the way', () => {
    const step = fc.record({
      act: fc.integer({ min: 0, max: 9 }),
      session: fc.integer({ min: 1, max: 12 }),
      sequence: fc.integer({ min: 1, max: 6 }),
      wait: fc.integer({ min: 0, max: 700 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 0, max: 80 }), (steps, cloneAt) => {
        const maker = new LogMaker();
        let one = new SessionTable(SMALL);
        const two = new SessionTable(SMALL);
        const effects = new Map<number, number[]>();
        steps.forEach(({ act, session, sequence, wait }, at) => {
          maker.time += wait;
          const entry =
            act === 0
              ? maker.open(LIMITS.sessionTtlMsMin)
              : act === 1
                ? maker.close(session)
                : act === 2
                  ? maker.expire(session, session + 1)
                  : act === 3
                    ? maker.keep(session)
                    : maker.command(session, sequence);
          if (at === cloneAt) one = one.clone();
          const verdict = one.apply(entry);
          assert.deepEqual(two.apply(entry), verdict);
          if (entry.kind !== EntryKind.COMMAND || verdict.kind !== 'APPLY') return;
          effects.set(session, [...(effects.get(session) ?? []), sequence]);
        });
        for (const sequences of effects.values())
          assert.deepEqual(
            sequences,
            sequences.map((_, i) => i + 1),
          );
        assert.deepEqual(shapeOf(one), shapeOf(two));
      }),
      { seed: 4, numRuns: 300 },
    );
  });
});
