/**
 * Counts the requests that were let in and have no answer yet, in all and by connection.
 *
 * MUST: forget a request when its response is done or its connection is gone, whichever comes first.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export class Traffic {
  #open = 0;
  readonly #bySocket = new WeakMap<object, number>();

  /** Requests let in and not yet answered. */
  get open(): number {
    return this.#open;
  }

  begin(socket: Socket, response: ServerResponse): void {
    this.#open++;
    this.#bySocket.set(socket, this.openOn(socket) + 1);
    response.once('close', () => {
      this.#open--;
      this.#bySocket.set(socket, this.openOn(socket) - 1);
    });
  }

  openOn(socket: object): number {
    return this.#bySocket.get(socket) ?? 0;
  }
}
