/**
 * A host that is no more than memory: for tests.
 */
import type { FromPage } from '../../../shared/panel-protocol.ts';
import type { Host } from './host.ts';

export class MemoryHost implements Host {
  readonly kind = 'memory';
  /** Everything the page said, in order. */
  readonly posted: FromPage[] = [];
  state: object | undefined;
  #listener: (message: unknown) => void = () => undefined;

  post(message: FromPage): void {
    this.posted.push(message);
  }

  listen(listener: (message: unknown) => void): void {
    this.#listener = listener;
  }

  /** Says something to the page. */
  send(message: unknown): void {
    this.#listener(message);
  }

  getState(): unknown {
    return this.state;
  }

  setState(state: object): void {
    this.state = state;
  }
}
