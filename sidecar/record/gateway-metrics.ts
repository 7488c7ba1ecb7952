/**
 * The metrics of a gateway (`/metrics`). The names and labels are public, as those of a sidecar (`metrics.ts`).
 *
 * MUST: take a bounded number of labels: kinds of requests, codes, replicas and their states; never one per client.
 */
import { Histogram } from 'prom-client';
import { OUTCOMES, type Outcome } from './metrics.ts';
import { type Row, SampledRegistry } from './registry.ts';

export interface ReplicaSample {
  readonly id: string;
  readonly state: string;
  readonly inFlight: number;
  readonly window: number;
  readonly backlogBytes: number;
}

export interface GatewaySample {
  readonly clients: number;
  readonly open: number;
  readonly waiting: number;
  readonly commandBytes: number;
  readonly outputBytes: number;
  readonly pressure: string;
  readonly term: number;
  /** '' while none is known. */
  readonly leader: string;
  readonly retries: number;
  readonly detours: number;
  /** Clients cut because they did not read their answers. */
  readonly shed: number;
  readonly replicas: readonly ReplicaSample[];
}

export interface GatewayMetricsOptions {
  readonly sample: () => GatewaySample;
  /** Every value these labels take. */
  readonly kinds: readonly string[];
  readonly states: readonly string[];
}

const PRESSURES = ['OK', 'SLOW_DOWN', 'STOP'] as const;
/** From a read on an idle cluster (1 ms) to the longest default time of a request (10 s). */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class GatewayMetrics {
  readonly #sampled: SampledRegistry<GatewaySample>;
  readonly #ended: ReadonlyMap<string, Map<Outcome, number>>;
  readonly #latency: Histogram;

  constructor({ sample, kinds, states }: GatewayMetricsOptions) {
    this.#sampled = new SampledRegistry(sample);
    this.#ended = new Map(kinds.map((kind) => [kind, new Map<Outcome, number>([['OK', 0]])]));
    this.#latency = new Histogram({
      name: 'outrigger_gateway_request_seconds',
      help: 'From a request of a client to its good answer, the wait for its turn included.',
      buckets: LATENCY_BUCKETS,
      registers: [this.#sampled.registry],
    });
    this.#registerClients();
    this.#registerReplicas(states);
    this.#sampled.process(true);
  }

  /** A request of this kind ended so; `ms` after it came. */
  ended(kind: string, outcome: Outcome, ms: number): void {
    const counts = this.#ended.get(kind);
    counts?.set(outcome, (counts.get(outcome) ?? 0) + 1);
    if (outcome === 'OK') this.#latency.observe(ms / 1_000);
  }

  scrape(): Promise<{ contentType: string; text: string }> {
    return this.#sampled.scrape();
  }

  close(): void {
    this.#sampled.close();
  }

  #registerClients(): void {
    const all = this.#sampled;
    all.gauge('outrigger_gateway_clients', 'Connections of clients.', (now) => now.clients);
    all.gauge(
      'outrigger_gateway_open_requests',
      'Requests of all clients that have no answer yet. At its limit clients are refused (OVERLOADED).',
      (now) => now.open,
    );
    all.gauge(
      'outrigger_gateway_waiting_requests',
      'Those of them that wait for their turn. Growth means that clients ask more than the cluster takes.',
      (now) => now.waiting,
    );
    all.gauge(
      'outrigger_gateway_command_bytes',
      'Bytes of the commands of open requests.',
      (now) => now.commandBytes,
    );
    all.gauge(
      'outrigger_gateway_output_bytes',
      'Bytes that wait to be read by clients.',
      (now) => now.outputBytes,
    );
    all.oneOf(
      'outrigger_gateway_pressure',
      'What clients are asked to do: 1 for the level it is, 0 for the others.',
      'level',
      PRESSURES,
      (now) => PRESSURES.find((level) => level === now.pressure) ?? 'OK',
    );
    all.totals(
      'outrigger_gateway_requests_total',
      'Requests of clients, by kind and by how they ended (OK or an error code).',
      ['kind', 'outcome'],
      () => [...this.#ended].flatMap(([kind, counts]) => rowsOf(kind, counts)),
    );
    all.totals(
      'outrigger_gateway_retries_total',
      'Requests that were sent again. A burst at a change of the leader is as it should be.',
      [],
      (now) => [[{}, now.retries]],
    );
    all.totals(
      'outrigger_gateway_shed_clients_total',
      'Clients that were cut because they did not read their answers.',
      [],
      (now) => [[{}, now.shed]],
    );
  }

  #registerReplicas(states: readonly string[]): void {
    const all = this.#sampled;
    const each = (name: string, help: string, value: (replica: ReplicaSample) => number) =>
      all.rows(name, help, ['replica'], (now) =>
        now.replicas.map((one) => [{ replica: one.id }, value(one)]),
      );
    all.rows(
      'outrigger_gateway_replica_state',
      'State of the connection to each replica: 1 for the state it is in, 0 for the others. Only OPEN is good.',
      ['replica', 'state'],
      (now) =>
        now.replicas.flatMap(({ id, state }) =>
          states.map((one): Row => [{ replica: id, state: one }, one === state ? 1 : 0]),
        ),
    );
    each('outrigger_gateway_in_flight', 'Requests on their way to the replica.', (one) => one.inFlight);
    each(
      'outrigger_gateway_window',
      'How many there may be, so that the replica answers without a queue. Small for long means a slow replica.',
      (one) => one.window,
    );
    each(
      'outrigger_gateway_replica_backlog_bytes',
      'Bytes written to the replica that it has not taken.',
      (one) => one.backlogBytes,
    );
    all.rows(
      'outrigger_gateway_leader',
      '1 for the replica that leads, as far as the gateway knows.',
      ['replica'],
      (now) => now.replicas.map(({ id }) => [{ replica: id }, id === now.leader ? 1 : 0]),
    );
    all.gauge('outrigger_gateway_term', 'The term of that leader.', (now) => now.term);
    all.totals(
      'outrigger_gateway_detours_total',
      'Requests sent to a replica that does not lead. Growth means that the leader is out of reach of this gateway.',
      [],
      (now) => [[{}, now.detours]],
    );
  }
}

function rowsOf(kind: string, counts: ReadonlyMap<Outcome, number>): Row[] {
  return OUTCOMES.flatMap((outcome): Row[] => {
    const count = counts.get(outcome);
    return count === undefined ? [] : [[{ kind, outcome }, count]];
  });
}
