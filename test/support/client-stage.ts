/** What a scenario about clients plays on: two scripted nodes and one client, which tries them in this order. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../../clients/typescript/outrigger.ts';
import {
  CallFailed,
  type ClientDriver,
  type Done,
  DRIVERS,
  type Facts,
  type Failure,
  type Limits,
} from './client-driver.ts';
import { type Asked, ScriptedSidecar } from './scripted-sidecar.ts';

/** Long enough never to matter: a scenario that hangs is told by mocha. */
export const NEVER_MS = 3_600_000;
/** What a call may take that is to run out of time: long enough to be sent first, on any machine. */
export const SHORT_MS = 300;

export class Stage {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'outrigger-client-'));
  readonly client: ClientDriver;
  readonly #nodes: ScriptedSidecar[] = [];

  constructor(client: ClientDriver) {
    this.client = client;
  }

  async end(): Promise<void> {
    await this.client.reset();
    for (const node of this.#nodes) await node.die();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async node(name: string, options?: Parameters<typeof ScriptedSidecar.start>[2]): Promise<ScriptedSidecar> {
    const node = await ScriptedSidecar.start(this.folder, name, options);
    this.#nodes.push(node);
    return node;
  }

  /** Two nodes, the client connected to the first. */
  async pair(limits: Limits = {}): Promise<[ScriptedSidecar, ScriptedSidecar]> {
    const nodes: [ScriptedSidecar, ScriptedSidecar] = [await this.node('n1'), await this.node('n2')];
    await this.connect(nodes, limits);
    return nodes;
  }

  connect(nodes: readonly ScriptedSidecar[], limits: Limits = {}): Promise<null> {
    return this.connectTo(
      nodes.map(({ address }) => address),
      limits,
    );
  }

  /** Short pauses and long patience, unless a scenario is about them. */
  connectTo(addresses: readonly Address[], limits: Limits = {}, timeoutMs = NEVER_MS): Promise<null> {
    const patient = { callMs: NEVER_MS, tryMs: NEVER_MS, dialMs: NEVER_MS, silentMs: NEVER_MS };
    const ours = { ...patient, backoffMinMs: 1, backoffMaxMs: 10, ...limits };
    return this.client.call('connect', { addresses, limits: ours, timeoutMs });
  }

  /** What the client says of itself, as soon as that holds. */
  async untilFacts(holds: (facts: Facts) => boolean): Promise<void> {
    while (!holds(await this.client.call('facts', {}))) await new Promise((next) => setImmediate(next));
  }

  /** A read there and back: what was said and sent before it has come by now. */
  async readThrough(node: ScriptedSidecar): Promise<void> {
    const read = this.client.call('read', {});
    (await node.next('read')).answer({ type: 'readReady', index: 1 });
    await read;
  }

  propose(command: string, timeoutMs?: number): Promise<Done> {
    return held(this.client.call('propose', { command, ...(timeoutMs && { timeoutMs }) }));
  }

  /** Opens session 7 at this node. */
  async open(
    node: ScriptedSidecar,
    ttlMs = NEVER_MS,
  ): Promise<(command: string, timeoutMs?: number) => Promise<Done>> {
    const opened = this.client.call('openSession', { ttlMs });
    (await node.next('openSession')).answer({ type: 'sessionOpened', session: 7 });
    const { session } = await opened;
    return (command, timeoutMs) =>
      held(this.client.call('proposeInSession', { session, command, ...(timeoutMs && { timeoutMs }) }));
  }
}

/** It may fail before the scenario looks at it. */
function held<T>(call: Promise<T>): Promise<T> {
  call.catch(() => undefined);
  return call;
}

/** Answers a proposal as applied at `index`. */
export function applied(
  asked: Asked<'propose'>,
  index: number,
  more: { duplicate?: boolean; result?: string } = {},
): void {
  const { duplicate, result } = more;
  asked.answer({
    type: 'proposed',
    index,
    term: 3,
    ...(duplicate === undefined ? {} : { duplicate }),
    ...(result === undefined ? {} : { result: Buffer.from(result) }),
  });
}

export function commandOf({ frame }: Asked<'propose'>): string {
  return Buffer.from(frame.command).toString();
}

/** What a proposal in a session says, in short: `command sequence<ackBelow`. */
export function inShort({ frame }: Asked<'propose'>): string {
  return `${Buffer.from(frame.command)} ${frame.sequence}<${frame.ackBelow}`;
}

export async function failure(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CallFailed) return error.failure;
    throw error;
  }
  return assert.fail('the call should have failed');
}

export async function failsWith(
  call: Promise<unknown>,
  kind: Failure['kind'],
  code: string,
): Promise<Failure> {
  const found = await failure(call);
  assert.equal(`${found.kind} ${found.code}`, `${kind} ${code}`, found.message);
  return found;
}

/** The next so many proposals, in the order of their arrival. */
export async function take(node: ScriptedSidecar, count: number): Promise<Asked<'propose'>[]> {
  const asked: Asked<'propose'>[] = [];
  while (asked.length < count) asked.push(await node.next('propose'));
  return asked;
}

/** Each client must pass all of them. */
export function playAll(
  title: string,
  scenarios: Readonly<Record<string, (stage: Stage) => Promise<void>>>,
): void {
  for (const [language, driver] of Object.entries(DRIVERS)) {
    describe(`${language} client: ${title}`, () => {
      let client: ClientDriver;
      let stage: Stage;
      before(() => {
        client = driver();
      });
      beforeEach(() => {
        stage = new Stage(client);
      });
      afterEach(() => stage.end());
      after(() => client.end());
      for (const [name, scenario] of Object.entries(scenarios)) it(name, () => scenario(stage));
    });
  }
}
