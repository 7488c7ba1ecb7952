/**
 * Chosen edits of a stopped node's files, with real daemons under load: nothing wrong is served, no vote is given by a node that has
 * forgotten, and it is repaired from its peers or refuses to start. The long one is `npm run disks:edits`.
 */
import assert from 'node:assert/strict';
import { Prng } from '../../simulation/prng.ts';
import { TEST_MS } from '../../support/patience.ts';
import type { Kind } from './files.ts';
import { type Outcome, Round } from './round.ts';
import { Stage } from './stage.ts';

interface Case {
  readonly kind: Kind;
  readonly file?: string;
  /** Its vote is needed: it must withhold it when it has forgotten. */
  readonly alone?: boolean;
  readonly outcomes: readonly Outcome[];
}

const CASES: readonly Case[] = [
  { kind: 'missing', file: 'log.sqlite', alone: true, outcomes: ['REPAIRED', 'REFUSED'] },
  // Where a snapshot has just been taken, it has everything that is not in the log any more.
  { kind: 'missing', file: '-wal', alone: true, outcomes: ['REPAIRED', 'UNHARMED'] },
  { kind: 'missing', file: 'guard', outcomes: ['REPAIRED'] },
  { kind: 'truncate', file: '-wal', alone: true, outcomes: ['REPAIRED', 'UNHARMED'] },
  { kind: 'zero page', file: 'log.sqlite', outcomes: ['REPAIRED', 'REFUSED', 'UNHARMED'] },
  { kind: 'flip', file: '.snap', outcomes: ['REPAIRED', 'UNHARMED'] },
  { kind: 'missing', file: '.snap', outcomes: ['REPAIRED', 'UNHARMED'] },
  { kind: 'older', file: 'guard', alone: true, outcomes: ['UNHARMED'] },
  { kind: 'foreign', file: 'guard', outcomes: ['REFUSED'] },
  { kind: 'foreign', file: 'log.sqlite', outcomes: ['REFUSED'] },
  { kind: 'garbage', file: 'guard', outcomes: ['UNHARMED'] },
  { kind: 'older several', alone: true, outcomes: ['REPAIRED', 'REFUSED', 'UNHARMED'] },
  { kind: 'half fetched', outcomes: ['REPAIRED'] },
];

describe("edits of a stopped node's files", function () {
  this.timeout(TEST_MS);
  let stage: Stage | undefined;
  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return;
    await stage?.end();
    stage = undefined;
  });
  after(() => stage?.end());

  for (const [at, { kind, file, alone = false, outcomes }] of CASES.entries()) {
    const what = `${kind}${file === undefined ? '' : ` ${file}`}`;
    it(`${what}: ${outcomes.join(' or ').toLowerCase()}${alone ? ', and its vote is needed' : ''}`, async () => {
      stage ??= await Stage.begin();
      const id = stage.ids[at % stage.ids.length] as string;
      const wanted = { kind, alone, hard: true, ...(file === undefined ? {} : { file }) };
      const verdict = await new Round(stage, id, wanted, new Prng(3, at)).run();
      assert.ok(verdict, `${id} has no such file`);
      if (verdict.spent) {
        await stage.end();
        stage = undefined;
      }
      assert.deepEqual(verdict.problems, [], verdict.edit.what);
      assert.ok(
        outcomes.includes(verdict.outcome),
        `${verdict.edit.what}: ${verdict.outcome} ${verdict.said}`,
      );
      if (alone && verdict.outcome === 'REPAIRED') assert.ok(verdict.withheld);
    });
  }
});
