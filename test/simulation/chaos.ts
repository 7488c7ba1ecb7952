/**
 * Makes the faults of a plan happen: crashes and restarts, power cuts, lost disks, partitions, pauses, wall clock jumps,
 * transfers and needless campaigns.
 *
 * MUST: never let more disks forget at a time than a minority (a majority of forgetting disks loses data in any
 * protocol); stop for good at `heal`.
 */
import type { Append } from '../../shared/messages.ts';
import { diskOf } from '../../sidecar/raft/own-disk.ts';
import { allMembers } from '../../sidecar/raft/quorum.ts';
import { ELECTION_MAX_MS, ELECTION_MIN_MS, HEARTBEAT_MS } from './faults.ts';
import { drawPartition } from './network.ts';
import type { SimNode, Surroundings } from './node.ts';
import type { Prng } from './prng.ts';

/** What chaos lets a client do. */
export interface ClientActs {
  /** Some writes at once. */
  burst(node: SimNode): void;
  readByLease(node: SimNode): void;
}

function links(from: readonly SimNode[], to: readonly SimNode[]): string[] {
  return from.flatMap((a) => to.filter((b) => b !== a).map((b) => `${a.id}>${b.id}`));
}

function linksBetween(some: readonly SimNode[], others: readonly SimNode[]): string[] {
  return [...links(some, others), ...links(others, some)];
}

export class Chaos {
  readonly #world: Surroundings;
  readonly #nodes: readonly SimNode[];
  readonly #random: Prng;
  readonly #client: ClientActs;

  constructor(world: Surroundings, nodes: readonly SimNode[], random: Prng, client: ClientActs) {
    this.#world = world;
    this.#client = client;
    this.#nodes = nodes;
    this.#random = random;
    for (const node of nodes) {
      node.onCrash = (): void => this.#crashed(node);
      node.onElected = (): void => this.#elected(node);
    }
  }

  start(): void {
    const { plan } = this.#world;
    const random = this.#random;
    const nodes = this.#nodes;
    this.#every(plan.crashEveryMs, () => this.#crash());
    this.#every(plan.partitionEveryMs, () => this.#partition());
    this.#every(plan.clogEveryMs, () => this.#clog());
    this.#every(plan.pauseEveryMs, () => this.#likelyLeader().pause(this.#pauseMs()));
    this.#every(plan.appSickEveryMs, () => random.pick(nodes).app.toggleHealth());
    this.#every(plan.appCrashEveryMs, () => random.pick(nodes).app.crash());
    this.#every(plan.wallJumpEveryMs, () => random.pick(nodes).jumpWallClock());
    this.#every(plan.suspendEveryMs, () =>
      this.#likelyLeader().suspend(random.between(0, 10 * ELECTION_MIN_MS)),
    );
    this.#every(plan.transferEveryMs, () => this.#transfer());
    this.#every(plan.trapEveryMs, () => this.#trap());
    this.#every(plan.leaseReadEveryMs, () => {
      for (const node of nodes) if (node.core?.role === 'LEADER') this.#client.readByLease(node);
    });
    this.#every(plan.strayAppendEveryMs, () => this.#strayAppend(random.pick(nodes), random.pick(nodes)));
    this.#every(plan.changeEveryMs, () => this.#changeMembership());
    this.#every(plan.replaceEveryMs, () => this.#replaceDisk());
    this.#every(plan.snapshotEveryMs, () => {
      const node = this.#likelyLeader();
      node.app.takeSnapshot();
      if (random.chance(0.7)) node.compact();
    });
    this.#every(plan.campaignEveryMs, () => random.pick(nodes).input({ type: 'campaign' }));
  }

  #every(meanMs: number, run: () => void): void {
    if (meanMs === 0) return;
    this.#world.schedule.after(this.#random.exponential(meanMs), () => {
      if (this.#world.healed) return;
      run();
      this.#every(meanMs, run);
    });
  }

  /** Too short for an election, or long enough for several. */
  #pauseMs(): number {
    return this.#random.between(0, this.#random.chance(0.3) ? 1 : 10) * ELECTION_MIN_MS;
  }

  #crash(): void {
    const random = this.#random;
    if (random.chance(this.#world.plan.powerCut)) {
      this.#world.trace.count('power cut');
      for (const node of this.#nodes) node.crash('power cut');
      return;
    }
    this.#likelyLeader().crash('killed');
  }

  /** The leader half of the time: its faults matter most. */
  #likelyLeader(): SimNode {
    const leader = this.#nodes.find((node) => node.core?.role === 'LEADER');
    return leader !== undefined && this.#random.chance(0.5) ? leader : this.#random.pick(this.#nodes);
  }

  #crashed(node: SimNode): void {
    const random = this.#random;
    this.#maybeForget(node);
    for (const other of this.#nodes) if (other !== node && random.chance(0.8)) other.linkLost(node.id);
    const down = random.chance(0.2) ? random.between(0, 20) : random.between(0.5, 2) * ELECTION_MAX_MS;
    this.#world.schedule.after(down, () => {
      if (node.up) return;
      node.start();
      if (node.core?.membership.voters.length === 1) node.input({ type: 'campaign' });
    });
  }

  #maybeForget(node: SimNode): void {
    const { plan, trace, schedule } = this.#world;
    const { disk } = node;
    if (disk.synced.length === 0 || !this.#random.chance(plan.amnesia)) return;
    const unproven = this.#nodes.filter((other) => other !== node && other.disk.mustReach !== undefined);
    if (unproven.length + 1 > Math.floor((this.#fewestVoters() - 1) / 2)) return;
    disk.forget(this.#random.int(disk.synced.length));
    trace.count('disk forgot');
    trace.say(
      schedule.now,
      () => `the disk of ${node.id} keeps ${disk.synced.length}, must reach ${disk.mustReach}`,
    );
  }

  #partition(): void {
    const { network, schedule, trace } = this.#world;
    const random = this.#random;
    const ids = this.#nodes.map((node) => node.id);
    const target = this.#likelyLeader();
    const cut = drawPartition(ids, target.id, random);
    if (cut.length === 0) return;
    trace.count('partition');
    trace.say(schedule.now, () => `PARTITION ${cut.join(' ')}`);
    network.cut(cut);
    if (random.chance(0.5))
      schedule.after(random.between(0, ELECTION_MAX_MS), () => this.#client.burst(target));
    if (random.chance(0.3)) {
      // Swizzle: the links come back one by one, in any order.
      for (const link of cut) this.#mendLater([link], random.between(0.5, 20) * ELECTION_MIN_MS);
    } else {
      this.#mendLater(cut, random.between(0.5, 20) * ELECTION_MIN_MS);
    }
  }

  #clog(): void {
    const { network, schedule, trace } = this.#world;
    const ids = this.#nodes.map((node) => node.id);
    const links = drawPartition(ids, this.#likelyLeader().id, this.#random);
    if (links.length === 0) return;
    trace.count('clog');
    trace.say(schedule.now, () => `CLOG ${links.join(' ')}`);
    network.clog(links);
    schedule.after(this.#random.between(0.5, 10) * ELECTION_MIN_MS, () => network.unclog(links));
  }

  #mendLater(links: readonly string[], ms: number): void {
    this.#world.schedule.after(ms, () => this.#world.network.mend(links));
  }

  /**
   * What a lease stands on goes away at once. A bare quorum, the leader in it, is kept from the others until those would
   * elect anybody. Then nobody hears the leader any more, something happens to it or to those who have promised, and
   * everybody else is asked to campaign.
   */
  #trap(): void {
    const { network, schedule, trace } = this.#world;
    const random = this.#random;
    const leader = this.#nodes.find((node) => node.core?.role === 'LEADER');
    if (leader === undefined || this.#nodes.length < 3) return;
    trace.count('trap');
    const rest = this.#nodes.filter((node) => node !== leader);
    random.shuffle(rest);
    const loyal = rest.splice(0, Math.floor(this.#nodes.length / 2));
    const apart = linksBetween([leader, ...loyal], rest);
    network.cut(apart);
    schedule.after(random.between(0.5, 1.5) * ELECTION_MAX_MS, () => {
      network.mend(apart);
      if (!this.#world.healed) this.#spring(leader, loyal, rest);
    });
  }

  #spring(leader: SimNode, loyal: readonly SimNode[], rest: readonly SimNode[]): void {
    const { network, schedule } = this.#world;
    const random = this.#random;
    const soon = (): number => random.between(0, 1) * ELECTION_MIN_MS;
    const others = [...loyal, ...rest];
    let alone = linksBetween([leader], others);
    let still = 0;
    switch (random.int(6)) {
      case 0:
        for (const node of loyal) {
          node.crash('killed');
          if (!node.up) node.start();
        }
        break;
      case 1:
        leader.pause(2 * soon());
        break;
      case 2:
        leader.suspend(2 * soon());
        break;
      case 3:
        // It is heard, and soon hears nothing of what follows from that.
        alone = links(others, [leader]);
        still = random.between(0, 40);
        leader.input({ type: 'transfer', to: random.pick(loyal).id });
        break;
      case 4: {
        // The last answers come late.
        const late = links(loyal, [leader]);
        alone = [...links([leader], others), ...links(rest, [leader])];
        network.clog(late);
        still = 2 * HEARTBEAT_MS;
        schedule.after(still + soon(), () => {
          network.unclog(late);
          if (!this.#world.healed) this.#cutFor(late, ELECTION_MAX_MS);
        });
        break;
      }
    }
    schedule.after(still, () => {
      if (this.#world.healed) return;
      this.#cutFor(alone, random.between(0.5, 2) * ELECTION_MAX_MS);
      for (const node of others) this.#campaignLater(node, 2 * soon());
    });
  }

  #cutFor(cut: readonly string[], ms: number): void {
    this.#world.network.cut(cut);
    this.#mendLater(cut, ms);
  }

  #campaignLater(node: SimNode, ms: number): void {
    this.#world.schedule.after(ms, () => {
      if (!this.#world.healed) node.input({ type: 'campaign' });
    });
  }

  /** Any set of voters to any other, some learners, and sometimes a voter that should lead. */
  #changeMembership(): void {
    const random = this.#random;
    // One that stands still would be asked later, when other disks may be in the place of those that this is planned with.
    const leader = this.#nodes.find((node) => node.core?.role === 'LEADER' && !node.paused);
    if (leader === undefined) return;
    const ids = this.#nodes.map(({ id }) => id);
    random.shuffle(ids);
    const wanted = ids.slice(0, 1 + random.int(ids.length));
    const voters = wanted.filter((id) => this.#mayVote(id, leader));
    const others = ids.filter((id) => !voters.includes(id));
    const learners = others.filter((id) => wanted.includes(id) || random.chance(0.3));
    if (voters.length === 0) return;
    // Who forgot does not vote yet: a minority at most, of any set that must agree.
    const forgot = this.#nodes.filter(({ id, disk }) => voters.includes(id) && disk.mustReach !== undefined);
    if (forgot.length > Math.floor((voters.length - 1) / 2)) return;
    this.#world.trace.count('membership change asked');
    const preferred = random.chance(0.3) ? [random.pick(voters)] : [];
    const book = this.#nodes
      .filter(({ id, disk }) => preferred.includes(id) || disk.generation > 1)
      .map(({ id, disk, diskName }) => ({
        ...{ id, peer: '127.0.0.1:1' },
        ...(preferred.includes(id) ? { priority: 1 + random.int(2) } : {}),
        ...(disk.generation > 1 ? { disk: diskName } : {}),
      }));
    leader.input({ type: 'changeMembership', ref: 0, membership: { voters, outgoing: [], learners, book } });
  }

  /** One that came again with another disk only once the log names that one, and it has that (raft/own-disk.ts). */
  #mayVote(id: string, leader: SimNode): boolean {
    const node = this.#nodes.find((one) => one.id === id);
    const core = leader.core;
    if (node === undefined || core === undefined || node.disk.generation === 1 || node === leader)
      return true;
    const { index, membership } = core.configAt(Number.MAX_SAFE_INTEGER);
    const match = core.progress().find((p) => p.id === id)?.match ?? 0;
    return diskOf(membership, id) === node.diskName && match >= index;
  }

  /** A node that has left, by a membership that nothing can take back, comes again with an empty disk. */
  #replaceDisk(): void {
    const leaders = this.#nodes.filter(({ core }) => core?.role === 'LEADER');
    const [leader] = leaders.sort((a, b) => (b.core?.term ?? 0) - (a.core?.term ?? 0));
    const core = leader?.core;
    if (core === undefined || core.changing || core.log.termAt(core.commitIndex) !== core.term) return;
    const members = allMembers(core.membership);
    const left = this.#nodes.filter(({ id, up }) => up && !members.includes(id));
    if (left.length > 0) this.#random.pick(left).replaceDisk();
  }

  /** Of all memberships that any node may count by. */
  #fewestVoters(): number {
    const sizes = this.#nodes.flatMap(({ disk }) =>
      disk.configs(this.#world.membership).map(({ membership }) => membership.voters.length),
    );
    return Math.min(...sizes);
  }

  #transfer(): void {
    const leader = this.#nodes.find((node) => node.core?.role === 'LEADER');
    if (leader === undefined) return;
    this.#world.trace.count('transfer asked');
    leader.input({ type: 'transfer', to: this.#random.chance(0.5) ? '' : this.#random.pick(this.#nodes).id });
  }

  /**
   * Our leaders look for the end of a follower's log in one exact way. Followers must be right with any leader that
   * keeps to the paper: it may begin anywhere in its log and send as little as it likes.
   */
  #strayAppend(leader: SimNode, follower: SimNode): void {
    const { trace, checker, network } = this.#world;
    const random = this.#random;
    const { core, disk } = leader;
    if (core?.role !== 'LEADER' || follower === leader) return;
    const back = random.chance(0.5) ? random.int(10) : random.int(disk.written.length + 1);
    const prevIndex = Math.max(0, disk.written.length - back);
    const entries = disk.written.slice(prevIndex, prevIndex + random.int(4));
    const append: Append = {
      type: 'Append',
      group: leader.group,
      from: leader.id,
      to: follower.id,
      term: core.term,
      prevIndex,
      prevTerm: disk.written[prevIndex - 1]?.term ?? 0,
      entries,
      commit: core.commitIndex,
      round: 0,
      lastHash: entries.at(-1)?.hash ?? '',
    };
    trace.count('stray append');
    checker.sent(append);
    network.send(append);
  }

  /** The first appends of a term are those that find out what the logs have in common. */
  #elected(leader: SimNode): void {
    const { plan, healed } = this.#world;
    if (healed || plan.strayAppendEveryMs === 0) return;
    for (const follower of this.#nodes) if (this.#random.chance(0.5)) this.#strayAppend(leader, follower);
  }

  /** No more faults; every node runs, the network carries everything. */
  heal(): void {
    this.#world.healed = true;
    this.#world.network.heal();
    for (const node of this.#nodes) {
      node.disk.unstick();
      if (node.up) node.resume();
      else node.start();
    }
  }
}
