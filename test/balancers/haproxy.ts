/**
 * A real HAProxy with the configuration of `examples/load-balancers`, on addresses of the test's own.
 *
 * MUST: change nothing of the example but addresses, ports and the path of the runtime socket; fail with one line when
 * there is no HAProxy, unless OUTRIGGER_SKIP_HAPROXY says to skip.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { findHaproxy } from '../../scripts/balancers/haproxy.mjs';
import type { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { PATIENCE_MS, pause } from '../support/patience.ts';
import { startHeld } from './held.ts';

/** The ways of the example, in its order, each on a port of its own. */
export const WAYS = ['any', 'leader', 'leader_by_agent', 'leader_by_news', 'app'] as const;
export type Way = (typeof WAYS)[number];

/** What stands in the example in place of it. */
const EXAMPLE = {
  http: 8001,
  agent: 8101,
  agentReady: 8102,
  front: 8080,
  app: 9001,
  socket: '/run/haproxy/admin.sock',
};

export interface Addresses {
  /** The HTTP port of all nodes, which are 127.0.0.1, .2 and .3. */
  readonly http: number;
  readonly agent: number;
  readonly agentReady: number;
  /** The ports of the apps, one each. */
  readonly apps: readonly number[];
  /** Where HAProxy listens, one for each way. */
  readonly fronts: readonly number[];
}

/** The path of HAProxy. Undefined only where skipping was asked for. */
export function haproxyProgram(): string | undefined {
  if (process.env['OUTRIGGER_SKIP_HAPROXY']) return undefined;
  const program = findHaproxy();
  if (program === undefined) {
    throw new Error(
      'no HAProxy found: install it (apt-get install haproxy), name one in HAPROXY, or set OUTRIGGER_SKIP_HAPROXY=1',
    );
  }
  return program;
}

export interface ServerState {
  readonly name: string;
  /** As on the stats page: `UP`, `DOWN`, `DRAIN`, `UP 1/2`, … */
  readonly status: string;
  /** What the agent makes of the weight in the configuration. */
  readonly weight: number;
  /** Requests it was sent so far. */
  readonly requests: number;
}

export class Haproxy {
  readonly #child: ManagedProcess;
  readonly #fronts: readonly number[];
  /** The path of its runtime socket. */
  readonly socket: string;
  /** What it said, newest last. */
  readonly said: string[];

  private constructor(child: ManagedProcess, fronts: readonly number[], socket: string, said: string[]) {
    this.#child = child;
    this.#fronts = fronts;
    this.socket = socket;
    this.said = said;
  }

  /** Starts it; resolves when its runtime socket answers. `folder` keeps its configuration. */
  static async start(program: string, folder: string, at: Addresses): Promise<Haproxy> {
    const socket = join(folder, 'haproxy.sock');
    const file = join(folder, 'haproxy.cfg');
    await writeFile(file, configuration(at, socket));
    const said: string[] = [];
    // In the foreground.
    const words = [program, '-db', '-f', file];
    const child = await startHeld(words, process.env, (text) => said.push(text));
    const haproxy = new Haproxy(child, at.fronts, socket, said);
    const end = performance.now() + PATIENCE_MS;
    while (!(await haproxy.#answers())) {
      if (!child.running || performance.now() > end) {
        await child.kill();
        assert.fail(`HAProxy did not start:\n${said.join('\n')}`);
      }
      await pause();
    }
    return haproxy;
  }

  /** Where the clients of this way go. */
  url(way: Way): string {
    return `http://127.0.0.1:${this.#fronts[WAYS.indexOf(way)]}`;
  }

  async #answers(): Promise<boolean> {
    try {
      return (await this.ask('show info')).includes('Version');
    } catch {
      // Not there yet.
      return false;
    }
  }

  /** One runtime command and its answer. */
  async ask(command: string): Promise<string> {
    const socket = connect(this.socket);
    let answer = '';
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text;
    });
    socket.end(`${command}\n`);
    await once(socket, 'close');
    return answer;
  }

  /** The servers behind this way as HAProxy sees them. */
  async servers(way: Way): Promise<ServerState[]> {
    const csv = await this.ask(`show stat ${way} 4 -1`);
    const [head = '', ...rows] = csv.replace(/^# /, '').trim().split('\n');
    const names = head.split(',');
    const at = (row: string, name: string): string => row.split(',')[names.indexOf(name)] ?? '';
    return rows.map((row) => ({
      name: at(row, 'svname'),
      status: at(row, 'status'),
      weight: Number(at(row, 'weight')),
      requests: Number(at(row, 'stot')),
    }));
  }

  async stop(): Promise<void> {
    await this.#child.kill();
  }
}

function configuration(at: Addresses, socket: string): string {
  const example = readFileSync('examples/load-balancers/haproxy.cfg', 'utf8');
  const to = new Map<string, number>([
    [`:${EXAMPLE.http}`, at.http],
    [`port ${EXAMPLE.http}`, at.http],
    [`:${EXAMPLE.agent}`, at.agent],
    [`agent-port ${EXAMPLE.agent}`, at.agent],
    [`:${EXAMPLE.agentReady}`, at.agentReady],
    [`agent-port ${EXAMPLE.agentReady}`, at.agentReady],
    ...WAYS.map((_, n): [string, number] => [`:${EXAMPLE.front + n}`, at.fronts[n] ?? 0]),
    ...at.apps.map((port, n): [string, number] => [`:${EXAMPLE.app + n}`, port]),
  ]);
  return example.replaceAll(EXAMPLE.socket, socket).replaceAll(/(?:agent-port |port |:)\d{4}\b/g, (found) => {
    const port = to.get(found);
    assert.ok(port, `the example has ${found}, which this test does not know`);
    return found.replace(/\d+/, String(port));
  });
}
