/**
 * Histories that are not linearizable.
 *
 * MINIMAL: without any one of its operations each of them is (or empty).
 * WITH_CONTEXT: the well-known anomalies. Some of their operations only make the others possible: without the write that
 * wrote it, a value that was read is wrong for another reason. Those are named in `context`; without any other one they
 * are linearizable.
 */
import type { Example } from './notation.ts';

export interface ExampleWithContext extends Example {
  /** Lines whose removal leaves a history that is wrong for another reason. */
  readonly context: readonly number[];
}

export const MINIMAL: readonly Example[] = [
  { name: 'phantom value', why: 'nobody wrote it', lines: ['a 0-1 get → =ghost'] },
  { name: 'phantom version', why: 'nothing changed the key', lines: ['a 0-1 get → v1 none'] },
  {
    name: 'first write numbered 2',
    why: 'it was applied twice, or the key was not empty at the start',
    lines: ['a 0-1 put red → v2'],
  },
  { name: 'write that did not count', why: 'a write raises the version', lines: ['a 0-1 put red → v0'] },
  { name: 'add applied twice', why: '5 and 5 is 10', lines: ['a 0-1 add 5 → =10'] },
  { name: 'append applied twice', why: 'its value is there twice', lines: ['a 0-1 append x; → =x;x;'] },
  {
    name: 'compare-and-set on a version that never was',
    why: 'it must have been refused',
    lines: ['a 0-1 cas @1 red → done'],
  },
  {
    name: 'compare-and-set refused for nothing',
    why: 'the key was at that very version',
    lines: ['a 0-1 cas @0 red → not-done'],
  },
  { name: 'delete of something in an empty store', why: 'there was nothing', lines: ['a 0-1 delete → old'] },
  {
    name: 'lost write',
    why: 'it was acknowledged before the read was called',
    lines: ['a 0-1 put red', 'b 2-3 get → none'],
  },
  {
    name: 'read one nanosecond after a write',
    why: 'the smallest distance that is an order',
    lines: ['a 0-5 put red', 'b 6-7 get → v0'],
  },
  {
    name: 'stale read by one version',
    why: 'two writes were acknowledged before it',
    lines: ['a 0-1 put red', 'a 2-3 put blue', 'b 4-5 get → v1'],
  },
  {
    name: 'stale read after concurrent writes',
    why: 'in whichever order they came, both had returned',
    lines: ['a 0-9 put red', 'b 0-9 put blue', 'c 10-11 get → v1'],
  },
  {
    name: 'stale read after a chain of overlaps',
    why: 'the last of three had returned too',
    lines: ['a 0-10 put red', 'b 5-15 put blue', 'c 12-20 put green', 'd 21-22 get → v2'],
  },
  {
    name: 'lost update',
    why: 'two increments at once, and both saw 1',
    lines: ['a 0-9 add 1 → =1', 'b 0-9 add 1 → =1'],
  },
  {
    name: 'lost update seen by a read',
    why: 'two acknowledged increments make 2',
    lines: ['a 0-9 add 1', 'b 0-9 add 1', 'c 10-11 get → =1'],
  },
  {
    name: 'increment that forgot the one before',
    why: '2 and 3 is 5',
    lines: ['a 0-1 add 2', 'b 2-3 add 3 → =3'],
  },
  {
    name: 'two winners',
    why: 'only one of them can have found version 0',
    lines: ['a 0-9 cas @0 red → done', 'b 0-9 cas @0 blue → done'],
  },
  {
    name: 'a winner after a winner',
    why: 'the second one should have been refused',
    lines: ['a 0-1 cas @0 red → done', 'b 5-6 cas @0 blue → done'],
  },
  {
    name: 'compare-and-set on a version that is gone',
    why: 'two writes had returned, and it won against version 1',
    lines: ['a 0-1 put red', 'a 2-3 put blue', 'b 4-5 cas @1 green → done'],
  },
  {
    name: 'compare-and-set refused by a lost write',
    why: 'the key was at 2 when it asked for 2',
    lines: ['a 0-1 put red', 'b 0-1 put blue', 'c 4-5 cas @2 green → not-done'],
  },
  {
    name: 'compare-and-set that did not see an increment',
    why: 'the version was 1 already',
    lines: ['a 0-1 add 1', 'b 2-3 cas @0 red → done'],
  },
  {
    name: 'one version for two writes',
    why: 'each write has a version of its own',
    lines: ['a 0-9 put red → v1', 'b 0-9 put blue → v1'],
  },
  {
    name: 'write numbered as if the one before had not been',
    why: 'it was called after that returned',
    lines: ['a 0-1 put red', 'b 2-3 put blue → v1'],
  },
  {
    name: 'third write numbered 2',
    why: 'one of three was lost',
    lines: ['a 0-1 put red', 'a 2-3 put blue', 'b 4-5 put green → v2'],
  },
  {
    name: 'two first writes',
    why: 'one of them must have found the other',
    lines: ['a 0-9 put red → new', 'b 0-9 put blue → new'],
  },
  {
    name: 'write that did not find the one before',
    why: 'what an app that lost its state answers',
    lines: ['a 0-1 put red', 'b 2-3 put blue → new'],
  },
  {
    name: 'delete that found nothing',
    why: 'the write had returned',
    lines: ['a 0-1 put red', 'b 2-3 delete → new'],
  },
  {
    name: 'delete that did nothing',
    why: 'the same, seen by what it did',
    lines: ['a 0-1 append x;', 'b 2-3 delete → not-done'],
  },
  {
    name: 'lost append',
    why: 'the second one does not contain the first',
    lines: ['a 0-1 append x;', 'a 2-3 append y; → =y;'],
  },
  {
    name: 'lost increment of three',
    why: 'three had returned',
    lines: ['a 0-5 add 1', 'b 2-7 add 1', 'c 6-9 add 1', 'd 10-11 get → =2'],
  },
  {
    name: 'stale read among other machines',
    why: 'put, append and delete each raise the version',
    lines: ['a 0-1 put red', 'a 2-3 append x;', 'a 4-5 append y;', 'b 6-7 get → v2'],
  },
  {
    name: 'compare-and-set, then nothing',
    why: 'the winner was lost',
    lines: ['a 0-1 cas @0 red → done', 'b 2-3 get → none'],
  },
];

export const WITH_CONTEXT: readonly ExampleWithContext[] = [
  {
    name: 'back in time',
    why: 'once a read has seen the write, all later ones must',
    lines: ['a 0-9 put red', 'b 1-2 get → =red', 'c 3-4 get → none'],
    context: [0],
  },
  {
    name: 'back in time during an unknown write',
    why: 'not knowing whether it happened does not let it happen and unhappen',
    lines: ['a 0-? put red', 'b 1-2 get → =red', 'c 3-4 get → none'],
    context: [0],
  },
  {
    name: 'seen before it was called',
    why: 'an unknown write takes effect after its call',
    lines: ['a 0-1 get → =red', 'b 2-? put red'],
    context: [1],
  },
  {
    name: 'stale value',
    why: 'the second write had returned before the read was called',
    lines: ['a 0-1 put red', 'a 2-3 put blue', 'b 4-5 get → =red'],
    context: [0],
  },
  {
    name: 'refused write that happened',
    why: 'failed means never',
    lines: ['a 0-1 put red → failed', 'b 2-3 get → =red'],
    context: [0],
  },
  {
    name: 'unknown write seen twice',
    why: 'it happened before the delete, so it cannot happen again after it',
    lines: ['a 0-? put red', 'b 1-2 get → =red', 'c 3-4 delete', 'd 5-6 get → =red'],
    context: [0],
  },
  {
    name: 'session reordered',
    why: 'one client, one write after the other, applied the other way round',
    lines: ['a 0-1 append x;', 'a 2-3 append y;', 'b 4-5 get → =y;x;'],
    context: [0, 1],
  },
  {
    name: 'two observers that disagree',
    why: 'red came before blue, or blue before red, but not both',
    lines: ['a 0-9 append red;', 'b 0-9 append blue;', 'c 1-2 get → =red;', 'd 1-2 get → =blue;'],
    context: [0, 1],
  },
  {
    name: 'value after its delete',
    why: 'a read of a node that has not applied the delete yet',
    lines: ['a 0-1 put red', 'a 2-3 delete', 'b 4-5 get → =red'],
    context: [0],
  },
  {
    name: 'deleted twice',
    why: 'there was one value',
    lines: ['a 0-1 put red', 'b 2-9 delete → done', 'c 2-9 delete → done'],
    context: [0],
  },
  {
    name: 'increment applied twice',
    why: 'two of 1 make 2',
    lines: ['a 0-1 add 1 → =1', 'b 2-3 add 1', 'c 4-5 get → =3'],
    context: [0, 1],
  },
  {
    name: 'one bad key of two',
    why: 'the good one does not help',
    lines: ['a 0-1 x:put red', 'a 2-3 y:put blue', 'b 4-5 x:get → =red', 'b 6-7 y:get → none'],
    context: [0, 2],
  },
];
