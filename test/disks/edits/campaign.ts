/** Many edits, one after the other, each at the luck of its own number: any one can be looked at again. */
import { Prng } from '../../simulation/prng.ts';
import { KINDS } from './files.ts';
import { Round, type Verdict, type Wanted } from './round.ts';
import { Stage } from './stage.ts';
import { count, emptyTally, type Tally } from './tally.ts';

export interface CampaignOptions {
  readonly edits: number;
  readonly seed: number;
  readonly tell: (line: string, verdict: Verdict) => void;
}

/** Edits in one cluster: its history grows, and with it what a round costs. */
const EDITS_PER_CLUSTER = 20;
/** A stopped node's present files become the earlier ones after so many rounds. */
const AGE_EVERY = 3;

export async function campaign({ edits, seed, tell }: CampaignOptions): Promise<Tally> {
  const tally = emptyTally();
  let stage: Stage | undefined;
  let inCluster = 0;
  try {
    for (let at = 0, luck = 0; at < edits; luck++) {
      stage ??= await Stage.begin();
      const random = new Prng(seed, luck);
      const id = random.pick(stage.ids);
      const wanted: Wanted = {
        kind: KINDS[luck % KINDS.length] as Wanted['kind'],
        alone: random.chance(0.5),
        hard: random.chance(0.75),
      };
      const verdict = await judged(stage, id, wanted, random);
      if (verdict === undefined) continue;
      at++;
      count(tally, verdict);
      tell(`${String(at).padStart(4)}  ${describe(id, wanted, verdict)}`, verdict);
      if (luck % AGE_EVERY === 0 && !verdict.spent) stage.age(id);
      if (verdict.spent || verdict.problems.length > 0 || ++inCluster >= EDITS_PER_CLUSTER) {
        await stage.end();
        stage = undefined;
        inCluster = 0;
      }
    }
  } finally {
    await stage?.end();
  }
  return tally;
}

/** A round that does not come to its end is wrong as well. */
async function judged(stage: Stage, id: string, wanted: Wanted, random: Prng): Promise<Verdict | undefined> {
  const round = new Round(stage, id, wanted, random);
  try {
    return await round.run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const last = stage.node(id).stderr.slice(-3).join(' | ');
    return round.broken(`${error.message.split('\n')[0]} (${id}: ${last})`);
  }
}

function describe(id: string, { alone, hard }: Wanted, verdict: Verdict): string {
  const how = `${id} ${hard ? 'killed' : 'stopped'}${alone ? ', its vote needed' : ''}`;
  const end = verdict.problems.length > 0 ? `WRONG: ${verdict.problems.join('; ')}` : verdict.said;
  return `${verdict.outcome.padEnd(8)}  ${how.padEnd(29)}  ${verdict.edit.kind.padEnd(13)}  ${verdict.edit.what}  ${end}`.trimEnd();
}
