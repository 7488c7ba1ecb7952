/**
 * Rounds of changes of one cluster that never stops: 3→5→3 with the leader removed, and then each of its three members replaced
 * by another one, while clients write at every node and something breaks at most steps.
 *
 * MUST: judge after every round, with all writers ended, that nothing acknowledged is lost and that all apps have one state.
 */
import { Prng } from '../simulation/prng.ts';
import { FAULTS, type Fault, GENTLE, inflict, planStrike, type Strike } from './faults.ts';
import { Fleet } from './fleet.ts';
import { judgeWrites } from './judge.ts';
import { Writers } from './writers.ts';

/** More than are members at a time: who left rests, and comes again with another disk. */
const IDS = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7'];
const WRITERS_PER_NODE = 3;

export interface StepTaken {
  readonly round: number;
  readonly what: string;
  readonly fault: Fault | undefined;
  readonly tookMs: number;
  readonly gapMs: number;
}

export interface RoundTaken {
  readonly judged: number;
  readonly problems: readonly string[];
  readonly steps: readonly StepTaken[];
}

export class MembershipCampaign {
  readonly #fleet: Fleet;
  readonly #writers = new Writers();
  readonly #random: Prng;
  readonly #faults: readonly Fault[];
  #voters: string[];
  /** Longest away first. */
  #away: string[];
  /** They have left, and do not know when to go. */
  #lingering: string[] = [];
  #steps: StepTaken[] = [];
  #round = 0;

  private constructor(fleet: Fleet, seed: number, faults: readonly Fault[]) {
    this.#fleet = fleet;
    this.#random = new Prng(seed, 0);
    this.#faults = faults;
    this.#voters = IDS.slice(0, 3);
    this.#away = IDS.slice(3);
  }

  static async start(seed: number, faults: readonly Fault[] = FAULTS): Promise<MembershipCampaign> {
    return new MembershipCampaign(await Fleet.start(IDS, 3), seed, faults);
  }

  async end(): Promise<void> {
    await Promise.all(this.#writers.nodes.map((id) => this.#writers.end(id)));
    await this.#fleet.end();
  }

  get acknowledged(): number {
    return this.#writers.acknowledged;
  }

  get terms(): number {
    return this.#fleet.leaders.terms;
  }

  async round(): Promise<RoundTaken> {
    this.#round++;
    this.#steps = [];
    for (const id of this.#voters) this.#write(id);
    await this.#add();
    await this.#add();
    await this.#remove('the leader', (await this.#fleet.leader()) ?? this.#random.pick(this.#voters));
    await this.#remove('a member', this.#random.pick(this.#voters));
    for (const id of [...this.#voters]) await this.#replace(id);
    return this.#judge();
  }

  async #judge(): Promise<RoundTaken> {
    await Promise.all(this.#writers.nodes.map((id) => this.#writers.end(id)));
    await this.#bury(this.#lingering.splice(0));
    const values = await this.#fleet.same(this.#voters);
    const { judged, lost } = judgeWrites(this.#writers.accounts, values);
    this.#fleet.judgeLeaders();
    const problems = [...lost, ...this.#fleet.problems.splice(0)];
    return { judged, problems, steps: this.#steps };
  }

  // ---------------------------------------------------------------- steps

  async #add(): Promise<void> {
    const id = this.#away.shift() ?? '';
    await this.#step(`add ${id}`, this.#faults, id, async () => {
      await this.#fleet.join(id);
      this.#write(id);
      this.#voters.push(id);
    });
  }

  async #remove(what: string, id: string): Promise<void> {
    await this.#step(`remove ${what} ${id}`, this.#faults, undefined, async () => {
      this.#voters = this.#voters.filter((other) => other !== id);
      await this.#fleet.remove(id);
    });
    await this.#leave(id);
  }

  async #replace(old: string): Promise<void> {
    const dead = this.#random.chance(0.5);
    const id = this.#away.shift() ?? '';
    const faults = dead ? this.#faults.filter((fault) => GENTLE.includes(fault)) : this.#faults;
    await this.#step(`replace ${dead ? 'dead ' : ''}${old} by ${id}`, faults, id, async () => {
      if (dead) await this.#fleet.kill(old);
      await this.#fleet.join(id, old);
      this.#write(id);
      this.#voters = [...this.#voters.filter((other) => other !== old), id];
    });
    await this.#leave(old);
  }

  /** Half of the time who has left goes on until the end of the next step: it must disturb nobody. */
  async #leave(id: string): Promise<void> {
    await this.#writers.end(id);
    if (this.#random.chance(0.5)) this.#lingering.push(id);
    else await this.#bury([id]);
  }

  async #bury(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.#fleet.bury(id);
      this.#away.push(id);
    }
  }

  async #step(
    what: string,
    faults: readonly Fault[],
    newcomer: string | undefined,
    act: () => Promise<void>,
  ): Promise<void> {
    const lingering = this.#lingering.splice(0);
    const strike: Strike = planStrike(this.#random, faults);
    const began = performance.now();
    this.#writers.resetGap();
    const [, fault] = await Promise.all([act(), inflict(this.#fleet, strike, newcomer, this.#random)]);
    await this.#fleet.votersAre(this.#voters);
    await this.#bury(lingering);
    const tookMs = performance.now() - began;
    const gapMs = this.#writers.takeGap();
    this.#steps.push({ round: this.#round, what, fault, tookMs, gapMs });
    this.#fleet.judgeLeaders();
  }

  #write(id: string): void {
    const { socket } = this.#fleet.node(id).daemon;
    this.#writers.begin(id, socket, WRITERS_PER_NODE);
  }
}
