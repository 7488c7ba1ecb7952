/** Ctrl-C and its relatives: the first one asks to stop, the second one means it. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface StopSignals {
  /** Resolves at the first signal (or `stop()`). */
  readonly first: Promise<void>;
  readonly received: boolean;
  /** As if a signal had come. */
  stop(): void;
  /** Gives the signals back. */
  release(): void;
}

/** Listens until released. At a second signal `onSecond` runs, and then the process ends with exit code 1. */
export function stopSignals(onSecond: () => Promise<void> | void = () => undefined): StopSignals {
  let received = false;
  let resolve: () => void = () => undefined;
  const first = new Promise<void>((done) => {
    resolve = done;
  });
  const stop = (): void => {
    received = true;
    resolve();
  };
  const listener = (): void => {
    if (!received) stop();
    else void Promise.resolve(onSecond()).finally(() => process.exit(1));
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return {
    first,
    get received() {
      return received;
    },
    stop,
    release: () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    },
  };
}
