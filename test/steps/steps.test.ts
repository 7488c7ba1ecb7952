/**
 * kill -9 at the steps of taking, sending and installing a snapshot. All of them are `npm run steps`; here each scenario runs
 * once, which shows that every step of the source is reached, and then those whose order matters most.
 */
import { TEST_MS } from '../support/patience.ts';
import { Campaign, type Case } from './campaign.ts';

const CASES: readonly Case[] = [
  { role: 'TAKING', step: 'snapshot chunk written', nth: 2 },
  { role: 'TAKING', step: 'snapshot synced', nth: 1 },
  { role: 'TAKING', step: 'snapshot renamed', nth: 2 },
  { role: 'TAKING', step: 'rows dropped', nth: 1 },
  { role: 'TAKING', step: 'snapshot to be stripped', nth: 1 },
  { role: 'GIVING_UP', step: 'abandoned snapshot closed', nth: 1 },
  { role: 'SENDING', step: 'piece read', nth: 2 },
  { role: 'RECEIVING', step: 'fetched snapshot chunk written', nth: 2 },
  { role: 'RECEIVING', step: 'fetched snapshot renamed', nth: 1 },
  { role: 'RECEIVING', step: 'guard lowered for a reset', nth: 1 },
  { role: 'RECEIVING', step: 'log reset, not committed', nth: 1 },
  { role: 'RECEIVING_DAMAGED', step: 'damaged fetch closed', nth: 1 },
  { role: 'RECOVERING', step: 'taken over', nth: 1 },
  { role: 'STARTING', step: 'start settled, not committed', nth: 1 },
];

describe('a node that is killed at a step of a snapshot', function () {
  this.timeout(TEST_MS);
  let campaign: Campaign;
  before(async () => {
    campaign = await Campaign.begin();
  });
  after(() => campaign.end());
  afterEach(() => campaign.reset());

  it('has scenarios that reach every step', async () => {
    await campaign.enumerate();
  });

  for (const one of CASES) {
    it(`${one.role.toLowerCase().replaceAll('_', ' ')}: ${one.step}, time ${one.nth}`, () =>
      campaign.run(one));
  }
});
