/**
 * Three sidecars with an app each, one of which never acknowledges, reads nothing or is away, while commands are proposed on
 * and on: what that costs the memory of each, and whether anybody else notices.
 */
import { readFileSync } from 'node:fs';
import type { NodeStatus } from '../../shared/inspect.ts';
import { AppClient } from '../support/app-client.ts';
import { AppStage } from '../support/app-stage.ts';
import type { Daemon } from '../support/daemons.ts';

export const MOODS = ['stall', 'deaf', 'absent'] as const;
export type Mood = (typeof MOODS)[number];

export interface SoakOptions {
  readonly seconds: number;
  /** Commands a second, and bytes of each. */
  readonly rate: number;
  readonly bytes: number;
  /** What is wrong with the app of one follower. */
  readonly mood: Mood;
  /** Between two samples. */
  readonly sampleMs: number;
  readonly progress: (sample: Sample) => void;
}

export interface NodeSample {
  readonly id: string;
  readonly part: 'LEADER' | 'SICK' | 'HEALTHY';
  readonly rssMb: number;
  readonly condition: string;
  readonly commit: number;
  /** Committed and not applied. */
  readonly lag: number;
  /** Delivered and not applied. */
  readonly window: number;
}

export interface Sample {
  readonly seconds: number;
  readonly nodes: readonly NodeSample[];
}

export interface Verdict {
  readonly samples: readonly Sample[];
  readonly commands: number;
  readonly elections: number;
  /** One sentence each; empty when all is well. */
  readonly problems: readonly string[];
}

/** Commands that may be on their way at a time. */
const IN_FLIGHT = 1_024;
/** A heap grows for minutes before it settles: a shorter run says nothing of memory. */
export const SETTLED_S = 180;
/** Memory settles in this share of the time. */
const WARM_UP = 0.3;
/** Allowed between the first half after that and the second: so much, or so large a share. */
const GROWTH_MB = 24;
const GROWTH = 0.15;
const TURN_MS = 20;
/** A client at the node of the sick app waits for it, in vain. */
const VAIN = { every: 5, timeoutMs: 2_000 } as const;

export async function soak(options: SoakOptions): Promise<Verdict> {
  const stage = await AppStage.begin();
  try {
    return await new Soak(stage, options).run();
  } finally {
    await stage.end();
  }
}

class Soak {
  readonly #stage: AppStage;
  readonly #options: SoakOptions;
  #parts = new Map<Daemon, NodeSample['part']>();
  #sent = 0;
  #answered = 0;
  #refused = 0;

  constructor(stage: AppStage, options: SoakOptions) {
    this.#stage = stage;
    this.#options = options;
  }

  async run(): Promise<Verdict> {
    const { leader, sick, term } = await this.#begin();
    const electionsBefore = await this.#elections();
    const through = await AppClient.open(leader.socket, 'protobuf', { keepBytes: false });
    through.hello();
    const vain = await AppClient.open(sick.socket, 'protobuf', { keepBytes: false });
    vain.hello();
    const samples = await this.#propose(through, vain);
    await Promise.all([through.close(), vain.close()]);
    const elections = (await this.#elections()) - electionsBefore;
    const problems = await this.#problems(samples, { leader, sick, term, elections });
    return { samples, commands: this.#answered, elections, problems };
  }

  async #begin(): Promise<{ leader: Daemon; sick: Daemon; term: number }> {
    const all = await this.#stage.cluster(3);
    const apps = new Map(
      await Promise.all(all.map(async (one) => [one, await this.#stage.attach(one)] as const)),
    );
    for (const daemon of all) await this.#stage.isWell(daemon, 0);
    const leader = (await this.#stage.daemons.leaderOf(all)) as Daemon;
    const [sick, healthy] = all.filter((daemon) => daemon !== leader) as [Daemon, Daemon];
    this.#parts = new Map([
      [leader, 'LEADER'],
      [sick, 'SICK'],
      [healthy, 'HEALTHY'],
    ]);
    const { mood } = this.#options;
    if (mood === 'absent') await apps.get(sick)?.kill();
    else apps.get(sick)?.be(mood);
    const { term } = await this.#stage.statusOf(leader);
    return { leader, sick, term };
  }

  async #elections(): Promise<number> {
    let sum = 0;
    for (const daemon of this.#parts.keys()) {
      sum += await this.#stage.metric(daemon, 'outrigger_elections_started_total');
    }
    return sum;
  }

  /** Paced, and sampled, until the time is over. */
  async #propose(through: AppClient, vain: AppClient): Promise<Sample[]> {
    const { seconds, sampleMs } = this.#options;
    const began = performance.now();
    const samples: Sample[] = [];
    let sampleDue = began + sampleMs;
    for (let turn = 0; performance.now() < began + seconds * 1_000; turn++) {
      this.#sendDue(through, performance.now() - began);
      if (turn % VAIN.every === 0) this.#sendInVain(vain);
      this.#drain(through, vain);
      if (performance.now() >= sampleDue) {
        sampleDue += sampleMs;
        samples.push(await this.#sample((performance.now() - began) / 1_000));
      }
      await new Promise((done) => setTimeout(done, TURN_MS));
    }
    return samples;
  }

  #sendDue(through: AppClient, elapsedMs: number): void {
    const { rate, bytes } = this.#options;
    const due = Math.floor((elapsedMs / 1_000) * rate);
    const open = this.#sent - this.#answered - this.#refused;
    const count = Math.min(due - this.#sent, IN_FLIGHT - open);
    for (let i = 0; i < count; i++) {
      const command = Buffer.alloc(bytes, `${++this.#sent} `);
      through.send({ type: 'propose', id: this.#sent, command });
    }
  }

  #sendInVain(vain: AppClient): void {
    const command = Buffer.alloc(this.#options.bytes, 'in vain');
    vain.send({ type: 'propose', id: this.#stage.nextId(), command, timeoutMs: VAIN.timeoutMs });
  }

  #drain(through: AppClient, vain: AppClient): void {
    for (const frame of through.inbox.splice(0)) {
      if (frame.type === 'proposed') this.#answered++;
      if (frame.type === 'error') this.#refused++;
    }
    vain.inbox.length = 0;
  }

  async #sample(seconds: number): Promise<Sample> {
    const nodes = await Promise.all(
      [...this.#parts].map(async ([daemon, part]) =>
        sampleOf(daemon, part, await this.#stage.statusOf(daemon)),
      ),
    );
    const sample = { seconds, nodes };
    this.#options.progress(sample);
    return sample;
  }

  async #problems(
    samples: readonly Sample[],
    { leader, sick, term, elections }: { leader: Daemon; sick: Daemon; term: number; elections: number },
  ): Promise<string[]> {
    const problems: string[] = [];
    if (elections !== 0) problems.push(`${elections} elections were started`);
    const now = await this.#stage.statusOf(leader);
    if (now.role !== 'LEADER' || now.term !== term)
      problems.push(`${leader.id} does not lead term ${term} any more`);
    for (const [daemon, part] of this.#parts) {
      if (this.#options.seconds >= SETTLED_S) problems.push(...growth(samples, daemon.id));
      if (part !== 'SICK') problems.push(...unwell(samples, daemon.id));
    }
    const worst = Math.max(...samples.flatMap(({ nodes }) => nodes.map(({ window }) => window)));
    if (worst > 4_096) problems.push(`${worst} entries were given to an app that had not acknowledged them`);
    const last = samples.at(-1)?.nodes.find(({ id }) => id === sick.id);
    if (last === undefined || last.lag < this.#answered / 2) {
      problems.push(`the sick app of ${sick.id} is only ${last?.lag} behind: this run proves nothing`);
    }
    return problems;
  }
}

function sampleOf(daemon: Daemon, part: NodeSample['part'], status: NodeStatus): NodeSample {
  const { app, commitIndex, appliedIndex, deliveredIndex } = status;
  return {
    id: daemon.id,
    part,
    rssMb: rssMb(daemon.child.pid),
    condition: app.condition ?? app.state,
    commit: commitIndex,
    lag: Math.max(0, commitIndex - appliedIndex),
    window: Math.max(0, deliveredIndex - appliedIndex),
  };
}

/** Resident memory of a process, from the kernel. */
function rssMb(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? Number.NaN) / 1_024;
}

/**
 * Is the memory of that node flat once it has settled? Peaks are compared: what is not collected yet is no leak. A heap grows
 * slowly towards what the work needs; so a node is also flat as long as it needs no more than the one that has no sick app.
 */
function growth(samples: readonly Sample[], id: string): string[] {
  const settled = samples.slice(Math.floor(samples.length * WARM_UP));
  const half = Math.floor(settled.length / 2);
  const peak = (some: readonly Sample[], of: (node: NodeSample) => boolean): number =>
    Math.max(...some.map(({ nodes }) => nodes.find(of)?.rssMb ?? 0));
  const own = (node: NodeSample): boolean => node.id === id;
  const [first, second] = [peak(settled.slice(0, half), own), peak(settled.slice(half), own)];
  const usual = peak(settled, ({ part }) => part === 'HEALTHY');
  if (second <= Math.max(first, usual) + Math.max(GROWTH_MB, GROWTH * first)) return [];
  return [`the memory of ${id} grew from ${first.toFixed(0)} to ${second.toFixed(0)} MB`];
}

/** Was its app ever not well? */
function unwell(samples: readonly Sample[], id: string): string[] {
  for (const { seconds, nodes } of samples) {
    const node = nodes.find((one) => one.id === id);
    if (node !== undefined && node.condition !== 'HEALTHY') {
      return [
        `after ${seconds.toFixed(0)} s the app of ${id}, which is not the sick one, was ${node.condition}`,
      ];
    }
  }
  return [];
}
