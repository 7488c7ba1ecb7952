/**
 * `npm run steps`: kill -9 at every step of taking, sending and installing a snapshot.
 *
 *   npm run steps                     all of them
 *   npm run steps -- --only renamed   those whose name or role has this in it
 *   npm run steps -- --list           which there are
 *
 * Exit code 1 when a case failed, or a step of the source is reached by no scenario.
 */
import { parseArgs } from 'node:util';
import { Campaign, type Case } from './campaign.ts';

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, list: { type: 'boolean', default: false } },
});

const nameOf = ({ role, step, nth }: Case): string =>
  `${role.padEnd(17)}  ${nth === 1 ? '1st' : `${nth}nd`}  ${step}`;

async function main(): Promise<number> {
  const campaign = await Campaign.begin();
  const failed: string[] = [];
  try {
    const cases = (await campaign.enumerate()).filter((one) => nameOf(one).includes(values.only));
    for (const one of cases) {
      if (values.list) {
        process.stdout.write(`${nameOf(one)}\n`);
        continue;
      }
      const began = performance.now();
      const why = await campaign.run(one).then(
        () => '',
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      await campaign.reset();
      if (why !== '') failed.push(nameOf(one));
      const seconds = ((performance.now() - began) / 1_000).toFixed(1).padStart(5);
      process.stdout.write(
        `${nameOf(one).padEnd(64)} ${seconds} s  ${why === '' ? 'ok' : `FAILED: ${why}`}\n`,
      );
    }
    process.stdout.write(`${cases.length - failed.length} of ${cases.length} survived\n`);
    return failed.length === 0 && cases.length > 0 ? 0 : 1;
  } finally {
    await campaign.end();
  }
}

process.exitCode = await main();
