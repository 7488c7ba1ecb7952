/** The leader's door for commands of sessions: what waits for what, and the batches that are answered in parts. */
import assert from 'node:assert/strict';
import { EntryKind } from '../../shared/entry.ts';
import type { Command } from '../../shared/messages.ts';
import { ExpiryWatch } from '../../sidecar/machine/expiry-watch.ts';
import { Sequencer } from '../../sidecar/machine/sequencer.ts';
import { SessionTable } from '../../sidecar/machine/session-table.ts';
import { Intake, type Part, type Waiting } from '../../sidecar/node/intake.ts';
import { LogMaker, SMALL } from './machine-support.ts';

const HOLD = { sessionHoldMs: 1_000, sessionHeld: 3, sessionHeldBytes: 1_000 };

const command = (session: number, sequence: number, bytes = 1): Command => ({
  command: new Uint8Array(bytes),
  session,
  sequence,
});

describe('the intake of a leader', () => {
  let log: LogMaker;
  let table: SessionTable;
  let sequencer: Sequencer<Waiting>;
  let intake: Intake;
  let appended: Command[];
  let answers: string[];
  let refuse: string | undefined;

  beforeEach(() => {
    log = new LogMaker();
    table = new SessionTable(SMALL);
    sequencer = new Sequencer<Waiting>(() => table, HOLD);
    appended = [];
    answers = [];
    refuse = undefined;
    intake = new Intake(
      {
        append: (commands) => {
          if (refuse !== undefined) return { refused: refuse };
          const firstIndex = 100 + appended.length;
          appended.push(...commands);
          return { firstIndex, term: 7 };
        },
        answer: (to, id, { offset, count, firstIndex, refused }: Part) =>
          answers.push(`${to}#${id} ${offset}+${count} ${refused === '' ? `at ${firstIndex}` : refused}`),
      },
      sequencer,
    );
    table.apply(log.open());
    table.apply(log.open());
    sequencer.elected([], 2);
  });

  const sequences = (): string[] => appended.map(({ session, sequence }) => `${session}.${sequence}`);

  it('lets a batch in order in at once', () => {
    intake.take('n2', 5, [command(1, 1), command(0, 0), command(1, 2), command(2, 1)], 0);
    assert.deepEqual(sequences(), ['1.1', '0.0', '1.2', '2.1']);
    assert.deepEqual(answers, ['n2#5 0+4 at 100']);
  });

  it('holds a command until the one before it came, from wherever, and answers each once', () => {
    intake.take('n2', 5, [command(1, 3), command(2, 1)], 0);
    intake.take('n3', 8, [command(1, 2)], 0);
    assert.deepEqual(sequences(), ['2.1']);
    assert.equal(sequencer.held, 2);
    intake.take('n1', 9, [command(1, 1)], 0);
    assert.deepEqual(sequences(), ['2.1', '1.1', '1.2', '1.3']);
    assert.deepEqual(answers, ['n2#5 1+1 at 100', 'n1#9 0+1 at 101', 'n3#8 0+1 at 102', 'n2#5 0+1 at 103']);
    assert.equal(sequencer.held, 0);
  });

  it('orders a batch that is out of order in itself', () => {
    intake.take('n2', 5, [command(1, 2), command(1, 1)], 0);
    assert.deepEqual(sequences(), ['1.1', '1.2']);
  });

  it('lets retries in: the log decides that they are duplicates', () => {
    intake.take('n2', 5, [command(1, 1)], 0);
    intake.take('n3', 6, [command(1, 1), command(1, 2)], 0);
    assert.deepEqual(sequences(), ['1.1', '1.1', '1.2']);
  });

  it('refuses a gap that nobody fills, definitely', () => {
    intake.take('n2', 5, [command(1, 2)], 0);
    intake.expire(999);
    assert.deepEqual(answers, []);
    intake.expire(1_000);
    assert.deepEqual(answers, ['n2#5 0+1 SEQUENCE_GAP']);
    intake.take('n2', 6, [command(1, 1)], 2_000);
    assert.deepEqual(sequences(), ['1.1']);
  });

  it('holds only so many commands and bytes', () => {
    intake.take('n2', 5, [command(1, 2), command(1, 3), command(1, 4), command(1, 5)], 0);
    assert.deepEqual(answers, ['n2#5 3+1 OVERLOADED']);
    intake.expire(1_000);
    intake.take('n2', 6, [command(1, 2, 600), command(1, 3, 600)], 2_000);
    assert.equal(answers.at(-1), 'n2#6 1+1 OVERLOADED');
  });

  it('says of everything it held that it was not taken when it leads no more', () => {
    intake.take('n2', 5, [command(1, 2), command(2, 1)], 0);
    intake.deposed();
    assert.deepEqual(answers, ['n2#5 1+1 at 100', 'n2#5 0+1 NOT_LEADER']);
    sequencer.elected([], 100);
    intake.take('n2', 6, [command(1, 1)], 0);
    assert.deepEqual(sequences(), ['2.1', '1.1']);
  });

  it('counts nothing as taken that the core refused', () => {
    refuse = 'OVERLOADED';
    intake.take('n2', 5, [command(1, 1)], 0);
    refuse = undefined;
    intake.take('n2', 6, [command(1, 2)], 0);
    assert.deepEqual(sequences(), []);
    assert.deepEqual(answers, ['n2#5 0+1 OVERLOADED']);
  });

  it('knows what its log holds after the table: a new leader goes on in order', () => {
    const tail = [log.command(1, 1), log.open(), log.command(4, 1)];
    sequencer.elected(tail, 5);
    intake.take('n2', 5, [command(1, 3), command(4, 3), command(4, 2)], 0);
    assert.deepEqual(sequences(), ['4.2', '4.3']);
  });

  it('lets everything through while it cannot know', () => {
    sequencer.elected(undefined, 5);
    intake.take('n2', 5, [command(1, 3)], 0);
    assert.deepEqual(sequences(), ['1.3']);
    intake.take('n2', 6, [command(2, 7)], 0);
    table.passTo(5);
    // What went in meanwhile is known, what did not is not.
    intake.take('n2', 7, [command(2, 8), command(1, 5)], 0);
    assert.deepEqual(sequences(), ['1.3', '2.7', '2.8']);
    assert.equal(sequencer.held, 1);
  });

  it('leaves sessions it does not know, and session keeping, to the log', () => {
    const keep: Command = { ...command(1, 0), kind: EntryKind.SESSION_KEEP };
    table.apply(log.close(2));
    intake.take('n2', 5, [command(2, 9), keep], 0);
    assert.equal(appended.length, 2);
  });
});

describe('the end of silent sessions', () => {
  it('is proposed only after a whole time to live without a sign, on both clocks', () => {
    const log = new LogMaker();
    const table = new SessionTable(SMALL);
    const watch = new ExpiryWatch();
    table.apply(log.open(1_000));
    table.apply(log.open(5_000));
    const due = (now: number, clusterTime: number) => watch.due(table, now, clusterTime, 10);
    const start = log.time;
    assert.deepEqual(due(0, start), []);
    // The wall clock jumps an hour: nothing ends for it.
    assert.deepEqual(due(999, start + 3_600_000), []);
    // The wall clock was set back: the entry would end nothing yet.
    assert.deepEqual(due(1_000, start - 50), []);
    assert.deepEqual(due(1_000, start + 1_000), [1]);
    log.time = start + 900;
    table.apply(log.keep(1));
    assert.deepEqual(due(1_100, start + 2_000), []);
    watch.reset();
    assert.deepEqual(due(9_000, start + 9_000), []);
    assert.deepEqual(due(14_000, start + 14_000), [1, 2]);
  });
});
