/**
 * The seam between the page and whoever holds it: VS Code, the browser, or a test.
 *
 * MUST: carry messages as they are; whoever receives them checks them.
 */
import type { FromPage } from '../../../shared/panel-protocol.ts';

export interface Host {
  /** `browser`: there is no editor to open a log in. */
  readonly kind: 'vscode' | 'browser' | 'memory';
  post(message: FromPage): void;
  /** Everything that comes from outside, unchecked. One listener. */
  listen(listener: (message: unknown) => void): void;
  /** What was kept by `setState`, unchecked; undefined for nothing. */
  getState(): unknown;
  /** Keeps where the reader was (zoom, cursor, tab): never data of the cluster. */
  setState(state: object): void;
  /** Only where the page itself must be let in (the browser). */
  readonly login?: Login;
}

export interface Login {
  /** Is a token wanted now? `reason`: one sentence, '' when not. */
  readonly wanted: boolean;
  readonly reason: string;
  enter(token: string): void;
  onChange(listener: () => void): void;
}
