/**
 * What the crowd may do to a gateway and its replicas, and whether it stayed within that.
 *
 * MUST: count what was not measured as missed.
 */
import { LIMITS } from '../../shared/limits.ts';
import { table } from '../bench/report.ts';
import type { CrowdResult } from './crowd.ts';
import type { ProbeResult } from './probe.ts';
import type { Most } from './watch.ts';

/** The 99th percentile of the well-behaved client may rise to so many times what it is without the crowd. */
const P99_TIMES = 5;
/** Resident memory of one replica, and of a gateway with all its clients. */
const REPLICA_BYTES = 512 * 1024 * 1024;
const GATEWAY_BYTES = 1024 * 1024 * 1024;
/** Fewer samples have no 99th percentile. */
const SAMPLES = 200;

export interface Line {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly unit: '' | 'ms' | 'MB' | '×';
  /** The measured value must reach it; else it must not pass it. */
  readonly atLeast?: boolean;
}

export interface Measured {
  readonly clients: number;
  readonly idle: ProbeResult;
  readonly crowded: ProbeResult;
  readonly crowd: CrowdResult;
  readonly most: Most;
  readonly elections: number;
  /** What a replica allows a connection to have open. */
  readonly inFlightMax: number;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function judge({ clients, idle, crowded, crowd, most, elections, inFlightMax }: Measured): Line[] {
  const enough = Math.min(idle.took.length, crowded.took.length) >= SAMPLES;
  const times = enough ? percentile(crowded.took, 0.99) / percentile(idle.took, 0.99) : Number.NaN;
  const bad = Object.values(crowded.codes).reduce((sum, count) => sum + count, 0);
  const codes = Object.entries(crowd.codes).filter(([code]) => code !== 'OVERLOADED');
  const unexpected = codes.reduce((sum, [, count]) => sum + count, 0);
  const mb = (bytes: number) => bytes / 1e6;
  return [
    {
      what: 'clients of the gateway at once',
      measured: most.clients,
      limit: clients + 1,
      unit: '',
      atLeast: true,
    },
    { what: 'p99 of the well-behaved client, crowded to idle', measured: times, limit: P99_TIMES, unit: '×' },
    { what: 'its requests that were refused', measured: bad, limit: 0, unit: '' },
    { what: 'elections', measured: elections, limit: 0, unit: '' },
    { what: 'requests at one replica', measured: most.inFlight, limit: inFlightMax, unit: '' },
    {
      what: "a replica's queue for its disk",
      measured: mb(most.storeQueueBytes),
      limit: mb(LIMITS.storeQueueBytes),
      unit: 'MB',
    },
    {
      what: "a replica's queue for a peer",
      measured: mb(most.peerQueueBytes),
      limit: mb(LIMITS.peerQueueBytes),
      unit: 'MB',
    },
    { what: "a replica's memory", measured: mb(most.replicaBytes), limit: mb(REPLICA_BYTES), unit: 'MB' },
    { what: 'requests open at the gateway', measured: most.open, limit: LIMITS.gatewayRequests, unit: '' },
    {
      what: 'commands in them',
      measured: mb(most.commandBytes),
      limit: mb(LIMITS.gatewayRequestBytes),
      unit: 'MB',
    },
    {
      what: 'answers not read',
      measured: mb(most.outputBytes),
      limit: mb(LIMITS.gatewayOutputBytesAll),
      unit: 'MB',
    },
    { what: "the gateway's memory", measured: mb(most.gatewayBytes), limit: mb(GATEWAY_BYTES), unit: 'MB' },
    { what: 'requests without an answer', measured: crowd.unanswered, limit: 0, unit: '' },
    { what: 'answers other than good or OVERLOADED', measured: unexpected, limit: 0, unit: '' },
    { what: 'connections lost', measured: crowd.lost, limit: 0, unit: '' },
  ];
}

export function isMet({ measured, limit, atLeast }: Line): boolean {
  return atLeast === true ? measured >= limit : measured <= limit;
}

export function verdictTable(lines: readonly Line[]): string {
  const rows = lines.map((line) => {
    const limit = `${line.atLeast === true ? '≥' : '≤'} ${amount(line.limit, line.unit)}`;
    return [line.what, amount(line.measured, line.unit), limit, isMet(line) ? 'met' : 'MISSED'];
  });
  return table([['under the crowd, at the worst moment seen', 'measured', 'limit', ''], ...rows]);
}

function amount(value: number, unit: Line['unit']): string {
  if (Number.isNaN(value)) return 'not measured';
  if (unit === '') return value.toLocaleString('en-US');
  return `${value.toFixed(1)} ${unit}`;
}

/** The last line of a run. */
export function closingLine(lines: readonly Line[]): string {
  const missed = lines.filter((line) => !isMet(line));
  if (missed.length === 0) return `gateway crowd: all ${lines.length} limits met`;
  return `gateway crowd: ${missed.length} of ${lines.length} limits MISSED: ${missed.map(({ what }) => what).join('; ')}`;
}
