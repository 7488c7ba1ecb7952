/** What a read costs on the leader, by consistency: closed loops over one connection, three real sidecars, nobody writing. */
import type { Consistency } from '../../shared/app-frames.ts';
import { cpuMicros } from '../bench/processes.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { EchoMachine } from '../support/echo-machine.ts';
import { type Answer, Connection } from './connection.ts';

const CONSISTENCIES: readonly Consistency[] = ['LINEARIZABLE', 'LEASE', 'STALE'];
const CLIENTS = [1, 64];
const WARMUP_MS = 2_000;
const MEASURE_MS = 4_000;
const ROUNDS = 3;
const READ_MS = 5_000;

interface Cell {
  readonly consistency: Consistency;
  readonly clients: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly refused: number;
  /** CPU time for one read, µs: of the leader, and of one follower. */
  readonly leader: number;
  readonly follower: number;
}

async function run(
  socket: string,
  consistency: Consistency,
  clients: number,
  ms: number,
): Promise<{ times: number[]; refused: number }> {
  const connection = await Connection.open(socket);
  const times: number[] = [];
  let refused = 0;
  const end = performance.now() + ms;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const began = performance.now();
      const answer = await new Promise<Answer>((done) => connection.read(consistency, READ_MS, done));
      if (typeof answer === 'number') times.push(performance.now() - began);
      else refused++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  await connection.close();
  return { times, refused };
}

async function measure(
  all: readonly Daemon[],
  leader: Daemon,
  consistency: Consistency,
  clients: number,
): Promise<Cell> {
  const follower = all.find((daemon) => daemon !== leader) as Daemon;
  const cpu = (): number[] => [leader, follower].map(({ child }) => cpuMicros(child.pid) ?? 0);
  const before = cpu();
  const { times, refused } = await run(leader.socket, consistency, clients, MEASURE_MS);
  const used = cpu().map((after, at) => after - (before[at] ?? 0));
  times.sort((a, b) => a - b);
  const at = (part: number): number => times[Math.floor(part * (times.length - 1))] ?? Number.NaN;
  return {
    consistency,
    clients,
    perSecond: (times.length / MEASURE_MS) * 1_000,
    p50: at(0.5),
    p99: at(0.99),
    refused,
    leader: (used[0] ?? 0) / times.length,
    follower: (used[1] ?? 0) / times.length,
  };
}

export async function bench(): Promise<string> {
  const daemons = await Daemons.begin();
  const cells: Cell[] = [];
  const apps: EchoMachine[] = [];
  try {
    const all = await daemons.cluster(3, { flags: ['--lease-reads'] });
    for (const { socket } of all) apps.push(await EchoMachine.attach(socket));
    const leader = (await daemons.leaderOf(all)) as Daemon;
    for (const consistency of CONSISTENCIES) await run(leader.socket, consistency, 64, WARMUP_MS);
    for (const clients of CLIENTS) {
      const turns = CONSISTENCIES.map((): Cell[] => []);
      for (let round = 0; round < ROUNDS; round++) {
        for (const [at, consistency] of CONSISTENCIES.entries())
          turns[at]?.push(await measure(all, leader, consistency, clients));
      }
      for (const turn of turns) {
        turn.sort((a, b) => a.perSecond - b.perSecond);
        cells.push(turn[Math.floor(turn.length / 2)] as Cell);
      }
    }
  } finally {
    for (const app of apps) await app.close();
    await daemons.end();
  }
  return [
    `median of ${ROUNDS} turns of ${MEASURE_MS / 1_000} s; one connection to the leader, three sidecars, nobody writes`,
  ]
    .concat(cells.map(line))
    .join('\n');
}

function line(cell: Cell): string {
  const { consistency, clients, perSecond, p50, p99, refused, leader, follower } = cell;
  return (
    `${consistency.padEnd(12)} ${String(clients).padStart(3)} clients: ${Math.round(perSecond).toLocaleString('en').padStart(7)} reads/s, ` +
    `p50 ${p50.toFixed(3)} ms, p99 ${p99.toFixed(3)} ms, CPU per read: leader ${leader.toFixed(0)} µs, a follower ${follower.toFixed(0)} µs` +
    `${refused > 0 ? `; ${refused} refused` : ''}`
  );
}
