/** Histories that are linearizable, however odd some look. */
import type { Example } from './notation.ts';

export const GOOD: readonly Example[] = [
  {
    name: 'a write, then a read of it',
    why: 'nothing could be plainer',
    lines: ['a 0-1 put red → v1 new', 'b 2-3 get → v1 =red'],
  },
  {
    name: 'a read of nothing',
    why: 'a key begins without a value, at version 0',
    lines: ['a 0-1 get → v0 none'],
  },
  {
    name: 'a read during a write that sees the old state',
    why: 'the write may take effect at its very end',
    lines: ['a 0-9 put red → v1', 'b 3-4 get → v0 none'],
  },
  {
    name: 'a read during a write that sees the new state',
    why: 'the write may take effect at its very beginning',
    lines: ['a 0-9 put red → v1', 'b 3-4 get → v1 =red'],
  },
  {
    name: 'old, then new, during one write',
    why: 'it takes effect between the two reads',
    lines: ['a 0-9 put red', 'b 1-2 get → none', 'b 3-4 get → =red', 'c 5-6 get → =red'],
  },
  {
    name: 'a read that is called at the time a write returns',
    why: 'intervals are closed: at the same time means concurrent, or a coarse clock would raise false alarms',
    lines: ['a 0-5 put red', 'b 5-6 get → none'],
  },
  {
    name: 'two concurrent writes in the order that the reads show',
    why: 'the one that was called later may come first',
    lines: ['a 0-9 put red', 'b 1-9 put blue', 'c 10-11 get → =red v2'],
  },
  {
    name: 'a long write that comes last of three',
    why: 'it returns before none of them is called',
    lines: ['a 0-10 put red → v3', 'b 1-2 put blue → v1', 'c 4-5 put green → v2'],
  },
  {
    name: 'a chain of overlaps',
    why: 'each write overlaps the next one, and they took effect backwards as far as their times allow',
    lines: ['a 0-4 put red → v2', 'b 3-8 put blue → v1', 'c 5-6 get → v2 =red'],
  },
  {
    name: 'appends of two clients, interleaved',
    why: 'the value shows the whole order',
    lines: ['a 0-5 append x;', 'b 1-6 append y;', 'a 6-9 append z;', 'c 10-11 get → =y;x;z; v3'],
  },
  {
    name: 'adds of three clients at once',
    why: 'each sees the sum of those before it',
    lines: ['a 0-9 add 1 → =3', 'b 0-9 add 1 → =1', 'c 0-9 add 1 → =2', 'd 10-11 get → =3 v3'],
  },
  {
    name: 'add to text changes nothing',
    why: 'a command that makes no sense is answered and the version stays',
    lines: ['a 0-1 put red', 'a 2-3 add 1 → not-done v1 =red'],
  },
  {
    name: 'add may go below zero',
    why: 'the machine counts whole numbers',
    lines: ['a 0-1 add 1 → =1', 'a 2-3 add -3 → =-2', 'b 4-5 get → =-2'],
  },
  {
    name: 'one winner of two that compare',
    why: 'the other one finds the version changed',
    lines: ['a 0-5 cas @0 red → not-done', 'b 0-5 cas @0 blue → done', 'c 6-7 get → =blue v1'],
  },
  {
    name: 'compare-and-set on the version just read',
    why: 'what a careful client does',
    lines: ['a 0-1 put red → v1', 'b 2-3 get → v1', 'b 4-5 cas @1 blue → done v2', 'a 6-7 get → =blue v2'],
  },
  {
    name: 'a refused compare-and-set leaves all as it was',
    why: 'it is an operation that happened and changed nothing',
    lines: ['a 0-1 put red', 'b 2-3 cas @0 blue → not-done v1 =red', 'c 4-5 get → =red v1'],
  },
  {
    name: 'write, delete, read of nothing',
    why: 'the version goes on after a delete',
    lines: ['a 0-1 put red', 'a 2-3 delete → done v2 old', 'b 4-5 get → none v2'],
  },
  {
    name: 'delete of nothing',
    why: 'it changes nothing, so the version stays',
    lines: ['a 0-1 delete → not-done v0 new', 'b 2-3 get → none v0'],
  },
  {
    name: 'a value comes back after a delete',
    why: 'the second write is a new one',
    lines: ['a 0-1 put red', 'a 2-3 delete', 'a 4-5 put blue → new v3', 'b 6-7 get → =blue'],
  },
  {
    name: 'an unknown write that nobody saw',
    why: 'it may never have happened',
    lines: ['a 0-? put red', 'b 5-6 get → none v0', 'b 7-8 get → none v0'],
  },
  {
    name: 'an unknown write that was seen much later',
    why: 'it may take effect at any time after its call',
    lines: ['a 0-? put red', 'b 5-6 get → none', 'b 90-91 get → =red v1'],
  },
  {
    name: 'an unknown write between two known ones',
    why: 'the jump of the version proves it',
    lines: ['a 0-? put red', 'b 1-2 put blue → v1', 'b 5-6 put green → v3'],
  },
  {
    name: 'two unknown writes, one of which happened',
    why: 'the search has to find which',
    lines: ['a 0-? put red', 'b 0-? put blue', 'c 5-6 get → =blue v1', 'c 7-8 get → =blue v1'],
  },
  {
    name: 'an unknown compare-and-set that would fail',
    why: 'it may happen and change nothing',
    lines: ['a 0-1 put red', 'b 2-? cas @0 blue', 'c 3-4 get → =red v1'],
  },
  {
    name: 'an unknown delete',
    why: 'it explains a value that is gone',
    lines: ['a 0-1 put red', 'b 2-? delete', 'c 3-4 get → none'],
  },
  {
    name: 'an unknown read',
    why: 'it shows nothing',
    lines: ['a 0-1 put red', 'b 2-? get', 'c 3-4 get → =red'],
  },
  {
    name: 'a refused write',
    why: 'it surely did not happen',
    lines: ['a 0-1 put red', 'b 2-3 put blue → failed', 'c 4-5 get → =red v1'],
  },
  {
    name: 'a client with a new name after an unknown write',
    why: 'the old one may still take effect after what came next',
    lines: ['a 0-? put red', 'a.1 5-6 put blue → v1', 'b 7-8 get → =blue', 'b 9-10 get → =red v2'],
  },
  {
    name: 'two keys that do not know each other',
    why: 'each has a version of its own',
    lines: [
      'a 0-1 x:put red → v1',
      'a 2-3 y:put blue → v1',
      'b 4-5 x:get → v1 =red',
      'b 6-7 y:get → v1 =blue',
    ],
  },
  {
    name: 'reads of two keys during writes, one old and one new',
    why: 'keys have no common order that a client could see with one read each',
    lines: ['a 0-9 x:put red', 'b 0-9 y:put blue', 'c 1-2 x:get → =red', 'c 3-4 y:get → none'],
  },
  {
    name: 'a write in no time at all',
    why: 'call and return at one time are still an interval',
    lines: ['a 3-3 put red → v1', 'b 3-3 get → none', 'c 3-3 get → =red'],
  },
  {
    name: 'a write of which only an old-style answer is known',
    why: 'the plain app says only whether there was a value',
    lines: ['a 0-1 put red → new', 'b 2-3 put blue → old', 'c 4-5 get → =blue'],
  },
  {
    name: 'five concurrent writes seen backwards',
    why: 'everything that overlaps may come in any order',
    lines: [
      'a 0-9 put 1 → v5',
      'b 0-9 put 2 → v4',
      'c 0-9 put 3 → v3',
      'd 0-9 put 4 → v2',
      'e 0-9 put 5 → v1',
      'f 10-11 get → =1',
    ],
  },
];
