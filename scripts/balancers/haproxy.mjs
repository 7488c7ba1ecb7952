/**
 * The HAProxy that the tests of load balancers run against: found, or installed.
 *
 * MUST: use only what comes with Node.js.
 */
import { findProgram, installPackages } from '../apt.mjs';

/** The path of HAProxy, or undefined. `HAPROXY` in the environment wins, and is not doubted. */
export function findHaproxy() {
  return process.env.HAPROXY || findProgram(['haproxy']);
}

/** Makes it ready where it can be. The tests say so themselves where it is missing. */
export async function prepareHaproxy(say) {
  if (process.platform === 'linux' && findHaproxy() === undefined) {
    await installPackages(['haproxy'], 'for the tests of load balancers', say);
  }
}
