/** The record of an entry: what `readHead` reads of it is what `decodeRecord` does. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { decodeRecord, readHead, recordOf } from '../../shared/wire/record.ts';

const number = fc.oneof(fc.nat(300), fc.maxSafeNat());
const entry: fc.Arbitrary<Entry> = fc.record({
  ...{ index: number, term: number, time: number, session: number, sequence: number, ackBelow: number },
  kind: fc.constantFrom(...Object.values(EntryKind)),
  command: fc.uint8Array({ maxLength: 300 }),
});

describe('the record of an entry', () => {
  it('says the same where only its head is read', () => {
    fc.assert(
      fc.property(entry, (made) => {
        const record = recordOf({ ...made });
        const { index, term, kind, session } = decodeRecord(record);
        assert.deepEqual(readHead(record), { index, term, kind, session });
      }),
    );
  });

  it('is refused where it is cut off, or no record', () => {
    const made = { index: 300, term: 2, kind: EntryKind.COMMAND, time: 1, session: 4, sequence: 1 };
    const record = recordOf({ ...made, command: Buffer.alloc(200, 1) });
    // Whole fields may be absent: a cut between two of them cannot be told from that.
    for (const at of [1, 2, 8, record.length - 1, record.length - 200])
      assert.throws(() => readHead(record.subarray(0, at)), /cut off/, String(at));
    assert.throws(() => readHead(Uint8Array.of(0x0f)), /wire type 7/);
    assert.throws(() => readHead(new Uint8Array(20).fill(0xff)), RangeError);
  });
});
