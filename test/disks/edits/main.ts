/**
 * `npm run disks:edits`: edits the files of stopped nodes at random, and judges what becomes of them.
 *
 *   npm run disks:edits -- --edits 200            200 edits
 *   npm run disks:edits -- --edits 20 --seed 7    other luck
 *   npm run disks:edits -- --json                 the tally as JSON, one verdict a line before it
 *
 * Exit code 1 when anything wrong was served or a vote given by a node that had forgotten, and when too little was shown.
 */
import { parseArgs } from 'node:util';
import { campaign } from './campaign.ts';
import { describeTally, floorsMissed } from './tally.ts';

const { values } = parseArgs({
  options: {
    edits: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const [edits, seed] = [Number(values.edits), Number(values.seed)];
if (!Number.isSafeInteger(edits) || edits < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  process.stderr.write('disks:edits: --edits must be a number from 1 on, --seed one from 0 on\n');
  process.exitCode = 2;
} else {
  const tally = await campaign({
    ...{ edits, seed },
    tell: (line, verdict) =>
      values.json ? process.stdout.write(`${JSON.stringify(verdict)}\n`) : process.stderr.write(`${line}\n`),
  });
  const missed = floorsMissed(tally, edits);
  if (values.json) process.stdout.write(`${JSON.stringify({ seed, ...tally, missed })}\n`);
  else process.stdout.write(`${describeTally(tally)}\n`);
  for (const one of [...tally.problems, ...missed]) process.stderr.write(`WRONG: ${one}\n`);
  process.exitCode = tally.problems.length === 0 && missed.length === 0 ? 0 : 1;
}
