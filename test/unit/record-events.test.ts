/** The ring of events: numbered without a gap, bounded, and it wakes those who watch. */
import assert from 'node:assert/strict';
import { EventLog } from '../../sidecar/record/events.ts';

function record(log: EventLog, count: number): void {
  for (let i = 0; i < count; i++) log.record({ at: 0, kind: 'COMMIT', term: 1, cause: 'QUORUM' });
}

const seqs = (log: EventLog, since: number, max?: number) => log.since(since, max).map(({ seq }) => seq);

describe('the ring of events', () => {
  it('numbers from 1 and gives what comes after a number', () => {
    const log = new EventLog(4);
    assert.deepEqual([log.first, log.last], [1, 0]);
    record(log, 3);
    assert.deepEqual([log.first, log.last], [1, 3]);
    assert.deepEqual(seqs(log, 0), [1, 2, 3]);
    assert.deepEqual(seqs(log, 2), [3]);
    assert.deepEqual(seqs(log, 3), []);
    assert.deepEqual(seqs(log, 0, 2), [1, 2]);
  });

  it('forgets the oldest and says so', () => {
    const log = new EventLog(4);
    record(log, 11);
    assert.deepEqual([log.first, log.last], [8, 11]);
    assert.deepEqual(seqs(log, 0), [8, 9, 10, 11]);
    assert.deepEqual(seqs(log, 9), [10, 11]);
  });

  it('wakes those who listen, until they stop', () => {
    const log = new EventLog(4);
    let woken = 0;
    const stop = log.listen(() => woken++);
    assert.equal(log.watched, true);
    record(log, 2);
    stop();
    record(log, 1);
    assert.equal(woken, 2);
    assert.equal(log.watched, false);
  });

  it('has another generation in each process', () => {
    assert.notEqual(new EventLog().generation, new EventLog().generation);
  });
});
