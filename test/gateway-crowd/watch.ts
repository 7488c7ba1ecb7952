/** Looks at the gateway and its replicas while the crowd is there, and keeps the most that was seen of each. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, residentBytes } from '../bench/processes.ts';

export interface Most {
  /** Requests on their way to one replica. */
  inFlight: number;
  /** Requests that all clients had open at the gateway. */
  open: number;
  commandBytes: number;
  outputBytes: number;
  clients: number;
  storeQueueBytes: number;
  peerQueueBytes: number;
  /** Resident. */
  replicaBytes: number;
  gatewayBytes: number;
  /** How late the gateway's event loop was, ms. */
  gatewayLagMs: number;
  term: number;
}

/** A process, and where it serves HTTP. */
interface Watched {
  readonly http: string;
  readonly child: Child;
}

const PAUSE_MS = 250;

export class Watch {
  readonly #gateway: Watched;
  readonly #replicas: readonly Watched[];
  readonly most: Most = {
    inFlight: 0,
    open: 0,
    commandBytes: 0,
    outputBytes: 0,
    clients: 0,
    storeQueueBytes: 0,
    peerQueueBytes: 0,
    replicaBytes: 0,
    gatewayBytes: 0,
    gatewayLagMs: 0,
    term: 0,
  };
  #firstTerm: number | undefined;
  #over = false;
  readonly #done: Promise<void>;

  constructor(gateway: Watched, replicas: readonly Watched[]) {
    this.#gateway = gateway;
    this.#replicas = replicas;
    this.#done = this.#run();
  }

  /** Terms that began while it looked; NaN when it never did. */
  get elections(): number {
    return this.#firstTerm === undefined ? Number.NaN : this.most.term - this.#firstTerm;
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      await this.#look();
      await delay(PAUSE_MS);
    }
  }

  async #look(): Promise<void> {
    const gateway = await seriesOf(this.#gateway.http);
    const most = (key: keyof Most, value: number): void => {
      this.most[key] = Math.max(this.most[key], value);
    };
    most('inFlight', gateway('outrigger_gateway_in_flight'));
    most('open', gateway('outrigger_gateway_open_requests'));
    most('commandBytes', gateway('outrigger_gateway_command_bytes'));
    most('outputBytes', gateway('outrigger_gateway_output_bytes'));
    most('term', gateway('outrigger_gateway_term'));
    this.#firstTerm ??= this.most.term;
    most('clients', gateway('outrigger_gateway_clients'));
    most('gatewayLagMs', gateway('outrigger_event_loop_lag_seconds{quantile="0.99"}') * 1000);
    most('gatewayBytes', residentBytes(this.#gateway.child.pid).now);
    for (const { http, child } of this.#replicas) {
      const replica = await seriesOf(http);
      most('storeQueueBytes', replica('outrigger_store_queue_bytes'));
      most('peerQueueBytes', replica('outrigger_peer_queue_bytes'));
      most('replicaBytes', residentBytes(child.pid).now);
    }
  }
}

/** The largest value of the series that begin so, in one scrape. Throws where there is none: then nothing was looked at. */
async function seriesOf(http: string): Promise<(name: string) => number> {
  const lines = (await (await fetch(`${http}/metrics`)).text()).split('\n');
  return (name) => {
    const values = lines
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
    if (values.length === 0) throw new Error(`${http}/metrics has no ${name}`);
    return Math.max(...values);
  };
}
