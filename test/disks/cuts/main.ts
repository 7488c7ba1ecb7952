/**
 * `npm run disks:cuts`: cuts the power of real daemons under load, with what was not synced dropped; then the same with builds that
 * sync too little, which must lose something.
 *
 *   npm run disks:cuts -- --cuts 100            half of them with one node, half with three
 *   npm run disks:cuts -- --cuts 20 --seed 7    other luck
 *   npm run disks:cuts -- --control NAME        only this build that syncs too little (test/mutants/disks.mjs)
 *   npm run disks:cuts -- --json
 *
 * Exit code 1 when an acknowledged write was lost, and when a build that syncs too little lost none: then nothing is shown.
 */
import { parseArgs } from 'node:util';
import { Prng } from '../../simulation/prng.ts';
import { type CutsTally, cutPower } from './campaign.ts';
import { buildControl, CONTROLS } from './controls.ts';
import { whyNot } from './image.ts';

/** A build that syncs too little must have lost something after so many cuts. */
const CONTROL_CUTS = 30;
const TELLING_CUTS = 20;

const { values } = parseArgs({
  options: {
    cuts: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    control: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [cuts, seed] = [Number(values.cuts), Number(values.seed)];
const tell = (line: string): void => void process.stderr.write(`${line}\n`);

interface Row extends CutsTally {
  readonly what: string;
  readonly nodes: number;
  readonly wrong: string[];
}

function judgeProduct(what: string, nodes: number, tally: CutsTally): Row {
  const wrong = [...tally.problems];
  if (tally.cuts >= TELLING_CUTS && tally.relied === 0)
    wrong.push('no cut hit a log that begins behind a snapshot');
  return { what, nodes, ...tally, wrong };
}

async function product(): Promise<Row[]> {
  const rows: Row[] = [];
  const half = Math.ceil(cuts / 2);
  for (const [nodes, count] of [
    [1, half],
    [3, cuts - half],
  ] as const) {
    if (count === 0) continue;
    const tally = await cutPower({ cuts: count, nodes, random: new Prng(seed, nodes), tell });
    rows.push(judgeProduct('as it is', nodes, tally));
  }
  return rows;
}

async function control(name: string): Promise<Row> {
  tell(`a build with ${name}: it must lose something`);
  const random = new Prng(seed, 100);
  const script = buildControl(name);
  const tally = await cutPower({ cuts: CONTROL_CUTS, nodes: 1, random, script, untilLoss: true, tell });
  const blind = `${name} lost nothing in ${tally.cuts} cuts: what was found of the others means nothing`;
  return { what: name, nodes: 1, ...tally, wrong: tally.losses > 0 ? [] : [blind] };
}

function table(rows: readonly Row[]): string {
  const line = (what: string, ...cells: (string | number)[]): string =>
    `${what.padEnd(24)}${cells.map((cell) => `${cell}`.padStart(14)).join('')}`;
  return [
    line('build', 'nodes', 'cuts', 'acknowledged', 'on snapshots', 'with losses', 'writes lost'),
    ...rows.map(({ what, nodes, cuts: count, acknowledged, relied, losses, lostWrites }) =>
      line(what, nodes, count, acknowledged, relied, losses, lostWrites),
    ),
  ].join('\n');
}

async function main(): Promise<number> {
  const chosen = CONTROLS.filter(({ name }) => values.control === undefined || values.control === name);
  if (!(Number.isSafeInteger(cuts) && cuts > 0 && Number.isSafeInteger(seed)) || chosen.length === 0) {
    tell(
      `disks:cuts: --cuts and --seed are whole numbers, --control one of ${CONTROLS.map(({ name }) => name).join(', ')}`,
    );
    return 2;
  }
  if (whyNot() !== '') {
    tell(`SKIPPED: a cut of the power ${whyNot()}`);
    return 0;
  }
  const rows = values.control === undefined ? await product() : [];
  for (const { name } of chosen) rows.push(await control(name));
  const wrong = rows.flatMap((row) => row.wrong.map((one) => `${row.what}, ${row.nodes}: ${one}`));
  process.stdout.write(`${values.json ? JSON.stringify({ seed, rows }) : table(rows)}\n`);
  for (const one of wrong) tell(`WRONG: ${one}`);
  return wrong.length === 0 ? 0 : 1;
}

process.exitCode = await main();
