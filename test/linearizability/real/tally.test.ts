/** What a campaign counts, how it plans its faults, and that a kept history comes back as it was. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../simulation/prng.ts';
import { history } from '../histories/notation.ts';
import { BadHistory } from '../history.ts';
import { keep, readEvidence } from './evidence.ts';
import { FAULTS, planFaults } from './faults.ts';
import { readOptions } from './options.ts';
import { judge, type Taken } from './take-history.ts';
import { FEWEST_OK, mostAtOnce, Tally } from './tally.ts';

const LINES = ['a 0-5 put red; → v1', 'b 1-? append x;', 'c 5-9 get → =red; v1', 'd 2-3 y:get → none'];

function taken(lines: readonly string[], log: readonly string[], more: Partial<Taken> = {}): Taken {
  const operations = history(lines);
  const entries = log.map((id, at) => ({ id, index: at + 1 }));
  const judged = judge(operations, entries);
  return { history: operations, log: entries, faults: [], elections: 0, ...judged, ...more };
}

describe('linearizability campaign', () => {
  it('counts the most operations that one key had at once', () => {
    assert.equal(mostAtOnce(history(LINES)), 2);
    assert.equal(mostAtOnce(history(['a 0-1 get', 'b 2-3 get'])), 1);
  });

  it('adds up, and says when too little happened', () => {
    const tally = new Tally();
    assert.deepEqual(tally.tooLittle(0, FAULTS), []);
    tally.add(taken(LINES, ['o0']));
    assert.match(
      tally.line(),
      /^0 histories \(and 1 too thin to count\), 4 operations \(75\.00 % ok\); 1 unknown writes \(25\.00 %; by the log 1 did not happen, 0 did\); .*; 0 not linearizable, 0 undecided, 0 broken off$/,
    );
    assert.deepEqual(tally.tooLittle(2, FAULTS), [
      `only 0 of 2 histories had ${FEWEST_OK} successful operations or more`,
      'without faults only 3 of 4 operations succeeded',
    ]);
  });

  it('counts what is wrong, and what the log contradicts', () => {
    const tally = new Tally();
    tally.add(taken(['a 0-1 get → =ghost'], []));
    tally.add(taken(LINES, []));
    assert.equal(tally.illegal, 2);
    assert.deepEqual(taken(LINES, []).problems, ['o0 was acknowledged, and is not in the log']);
  });

  it('believes that an app is behind its sidecar only by what is no command', () => {
    const entries = [{ id: 'o0', index: 7 }];
    const problems = (applied: number) =>
      judge(history(['a 0-1 put red;']), entries, [{ node: 'n1', index: 8, applied }]).problems;
    assert.deepEqual(problems(7), []);
    assert.deepEqual(problems(6), ['n1 said that 8 is applied, and its app was at 6']);
  });

  it('plans every kind of fault, within the time', () => {
    const durationMs = 3_000;
    const planned = Array.from({ length: 300 }, (_, seed) => planFaults(new Prng(seed, 0), durationMs));
    assert.deepEqual(new Set(planned.flat().map(({ fault }) => fault)), new Set(FAULTS));
    for (const { fromMs, forMs } of planned.flat()) assert.ok(fromMs >= 500 && fromMs + forMs <= durationMs);
    assert.ok(
      planned.some(([first, second]) => (second?.fromMs ?? 0) < (first?.fromMs ?? 0) + (first?.forMs ?? 0)),
    );
  });

  it('reads its options, and refuses nonsense', () => {
    assert.equal(readOptions([]).histories, 200);
    assert.deepEqual(readOptions(['--sizes', '1,5', '--stale']).sizes, [1, 5]);
    for (const args of [['--histories', '0'], ['--faults', 'rain'], ['--sizes', '3,x'], ['--nonsense']]) {
      assert.throws(() => readOptions(args));
    }
  });

  describe('evidence', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'outrigger-evidence-'));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    it('comes back as it was kept', async () => {
      const file = join(folder, 'history.json');
      const evidence = { history: history(LINES), log: [{ index: 3, id: 'o0' }] };
      await keep(file, evidence);
      assert.deepEqual(await readEvidence(file), evidence);
    });

    for (const [what, text] of [
      ['no JSON', '{'],
      ['another thing', '{"history":[{}],"log":[]}'],
    ] as const) {
      it(`is refused when it is ${what}`, async () => {
        const file = join(folder, 'bad.json');
        await writeFile(file, text);
        await assert.rejects(
          readEvidence(file),
          (error) => error instanceof BadHistory && error.message.startsWith(file),
        );
      });
    }
  });
});
