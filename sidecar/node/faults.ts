/** Faults that may be planted in this node, told of in its log and its events. */
import type { Logger } from 'pino';
import { Faults, standStill } from '../faults/faults.ts';
import type { Recorder } from './recorder.ts';

/** `recorder`: asked when there is something to tell. */
export function openFaults(log: Logger, recorder: () => Recorder): Faults {
  return new Faults({
    random: Math.random,
    pause: standStill,
    began: (fault) => {
      log.warn({ fault }, 'a fault was planted in this node');
      recorder().fault(fault, 'BEGAN');
    },
    ended: (fault, cause) => {
      log.warn({ fault }, 'a planted fault is over');
      recorder().fault(fault, cause);
    },
  });
}
