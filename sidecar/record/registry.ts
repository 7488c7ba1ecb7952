/**
 * A registry of metrics that are collected when somebody scrapes: gauges and counters are told their values then.
 *
 * MUST: cost the hot path nothing; take one sample per scrape, so that all values are of one moment.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export type Row = [labels: Record<string, string>, value: number];

const LOOP_RESOLUTION_MS = 20;

export class SampledRegistry<Sample> {
  readonly registry = new Registry();
  readonly #takeSample: () => Sample;
  #now: Sample;
  readonly #loopDelay: ReturnType<typeof monitorEventLoopDelay>;

  constructor(sample: () => Sample) {
    this.#takeSample = sample;
    this.#now = sample();
    this.#loopDelay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.#loopDelay.enable();
  }

  /** Everything as Prometheus text, from one sample. */
  async scrape(): Promise<{ contentType: string; text: string }> {
    this.#now = this.#takeSample();
    return { contentType: this.registry.contentType, text: await this.registry.metrics() };
  }

  /** Stops measuring the event loop. */
  close(): void {
    this.#loopDelay.disable();
  }

  gauge(name: string, help: string, value: (now: Sample) => number): void {
    this.rows(name, help, [], (now) => [[{}, value(now)]]);
  }

  /** A gauge that is 1 for one of `all` and 0 for the others. */
  oneOf<V extends string>(
    name: string,
    help: string,
    label: string,
    all: readonly V[],
    value: (now: Sample) => V,
  ): void {
    this.rows(name, help, [label], (now) => all.map((one) => [{ [label]: one }, one === value(now) ? 1 : 0]));
  }

  rows(name: string, help: string, labelNames: string[], rows: (now: Sample) => Row[]): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect: () => {
        gauge.reset();
        for (const [labels, value] of rows(this.#now)) gauge.set(labels, value);
      },
    });
  }

  /** A counter that is told its whole value at each scrape. */
  totals(name: string, help: string, labelNames: string[], rows: (now: Sample) => Row[]): void {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect: () => {
        counter.reset();
        for (const [labels, value] of rows(this.#now)) counter.inc(labels, value);
      },
    });
  }

  /**
   * How the process itself does: its event loop, CPU and memory. `few` leaves out what takes long to collect where there are
   * thousands of connections: the list of open files and handles.
   */
  process(few = false): void {
    const delay = this.#loopDelay;
    // The monitor times its own timer, so an idle loop shows the resolution; only what is above it is lag.
    const lag = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - LOOP_RESOLUTION_MS / 1000) || 0;
    this.rows(
      'outrigger_event_loop_lag_seconds',
      'How late the event loop ran since the last scrape (median, 99th percentile, worst). Near an election timeout it costs leadership.',
      ['quantile'],
      () => {
        const rows: Row[] = [
          [{ quantile: '0.5' }, lag(delay.percentile(50))],
          [{ quantile: '0.99' }, lag(delay.percentile(99))],
          [{ quantile: '1' }, lag(delay.max)],
        ];
        delay.reset();
        return rows;
      },
    );
    if (few) this.#fewOfProcess();
    else collectDefaultMetrics({ register: this.registry });
  }

  /** Some of the default metrics, by the same names. */
  #fewOfProcess(): void {
    const startedAt = Math.round(Date.now() / 1000 - process.uptime());
    this.gauge('process_start_time_seconds', 'Start time of the process since the epoch.', () => startedAt);
    this.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
    this.gauge('nodejs_heap_size_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed);
    this.totals('process_cpu_seconds_total', 'CPU time used.', [], () => {
      const { user, system } = process.cpuUsage();
      return [[{}, (user + system) / 1e6]];
    });
  }
}
