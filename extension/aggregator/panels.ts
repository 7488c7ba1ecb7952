/** The panels that are open, by the editor's number for them. */
import type { FromPage, ToPage } from '../../shared/panel-protocol.ts';
import { InspectError } from './contract.ts';
import { AGGREGATOR_LIMITS } from './limits.ts';
import { PanelFeed, type PanelOptions } from './panel-feed.ts';

export type PanelsOptions = Omit<PanelOptions, 'cluster' | 'send'> & {
  readonly send: (panel: number, message: ToPage) => void;
};

export class Panels {
  readonly #options: PanelsOptions;
  readonly #feeds = new Map<number, PanelFeed>();

  constructor(options: PanelsOptions) {
    this.#options = options;
  }

  /** A number that is open already begins anew. Throws InspectError. */
  open(panel: number, cluster: string): void {
    // Throws where nothing is attached under that name.
    this.#options.clusters.watched(cluster);
    this.close(panel);
    if (this.#feeds.size >= AGGREGATOR_LIMITS.panels) {
      throw new InspectError(`${this.#feeds.size} panels are open already: close one first`);
    }
    const send = (message: ToPage) => this.#options.send(panel, message);
    this.#feeds.set(panel, new PanelFeed({ ...this.#options, cluster, send }));
  }

  close(panel: number): void {
    this.#feeds.get(panel)?.dispose();
    this.#feeds.delete(panel);
  }

  /** What the page of a panel that was closed meanwhile still said is passed over. */
  receive(panel: number, message: FromPage): void {
    this.#feeds.get(panel)?.receive(message);
  }

  dispose(): void {
    for (const panel of [...this.#feeds.keys()]) this.close(panel);
  }
}
