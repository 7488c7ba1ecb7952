/**
 * What a `hello` must say to be let in, and what it is told.
 *
 * MUST: look at the token before anything else, and compare it in constant time.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { HelloFrame, StateMachineHello, WelcomeFrame } from '../../shared/app-frames.ts';
import { type Refusal, refusal } from '../../shared/codes.ts';
import { HASH_BYTES } from '../../shared/entry.ts';
import { hashFromBytes } from '../../shared/wire/record.ts';
import type { AppLimits } from './context.ts';
import type { Window } from './delivery.ts';
import type { AppPosition, NodeFacts, Plan } from './host.ts';

export const PROTOCOL = 1;

/** Why this hello is not accepted, or undefined. */
export function refuseHello(
  hello: HelloFrame,
  facts: NodeFacts,
  token: string | undefined,
  limits: AppLimits,
): Refusal | undefined {
  if (token !== undefined && (hello.token === undefined || !sameSecret(hello.token, token))) {
    return refusal('UNAUTHORIZED', 'hello.token is missing or wrong');
  }
  if (hello.protocol !== PROTOCOL) {
    return refusal(
      'UNSUPPORTED',
      `protocol ${hello.protocol} is not spoken here; this sidecar speaks ${PROTOCOL}`,
    );
  }
  if (hello.group !== facts.group) {
    return refusal('BAD_REQUEST', `there is no group ${JSON.stringify(hello.group.slice(0, 60))} here`);
  }
  if (hello.app.length > limits.appNameChars) {
    return refusal('BAD_REQUEST', `hello.app has more than ${limits.appNameChars} characters`);
  }
  const hash = hello.stateMachine?.appliedHash;
  if (hash !== undefined && hash.length !== 0 && hash.length !== HASH_BYTES) {
    return refusal(
      'BAD_REQUEST',
      `hello.stateMachine.appliedHash has ${hash.length} bytes instead of ${HASH_BYTES}`,
    );
  }
  return undefined;
}

/** Takes as long for a wrong secret as for the right one, whatever its length. */
function sameSecret(given: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest();
  return timingSafeEqual(digest(given), digest(secret));
}

export function positionOf(hello: HelloFrame, machine: StateMachineHello): AppPosition {
  const { appliedIndex, appliedHash, snapshots, version = 0 } = machine;
  return {
    app: hello.app,
    appliedIndex,
    appliedHash:
      appliedHash === undefined || appliedHash.length === 0 ? undefined : hashFromBytes(appliedHash),
    snapshots,
    version,
  };
}

/** The window the app asked for, clipped; the default where it named none. */
export function windowOf(machine: StateMachineHello, limits: AppLimits): Window {
  const clip = (asked: number | undefined, fallback: number, max: number) =>
    Math.max(1, Math.min(asked ?? fallback, max));
  return {
    entries: clip(machine.windowEntries, limits.windowEntries, limits.windowEntriesMax),
    bytes: clip(machine.windowBytes, limits.windowBytes, limits.windowBytesMax),
  };
}

export function welcome(
  facts: NodeFacts,
  limits: AppLimits,
  epoch: number,
  plan: Plan | undefined,
): WelcomeFrame {
  return {
    type: 'welcome',
    protocol: PROTOCOL,
    cluster: facts.cluster,
    node: facts.node,
    group: facts.group,
    epoch,
    role: facts.role,
    term: facts.term,
    leader: facts.leader,
    commitIndex: facts.commitIndex,
    firstIndex: facts.firstIndex,
    limits: {
      frameBytes: limits.appFrameBytes,
      commandBytes: limits.commandBytes,
      inFlight: limits.requestsPerConnection,
    },
    plan: planField(plan),
  };
}

function planField(plan: Plan | undefined): WelcomeFrame['plan'] {
  if (plan === undefined) return undefined;
  return 'restore' in plan ? { snapshotIndex: plan.restore.index } : { replayFrom: plan.replayFrom };
}
