/**
 * A command that no app can apply: every app stops there, an operator skips it in the log, and every app goes on, also one
 * that starts from nothing.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { LogPage } from '../../shared/inspect.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { EchoMachine } from '../support/echo-machine.ts';
import { TEST_MS } from '../support/patience.ts';

/** Applies everything but `poison`, at which it says that it failed; says hello again where it is when it is dismissed. */
class PickyMachine {
  readonly commands: string[] = [];
  /** Why the sidecar said goodbye, each time. */
  readonly goodbyes: string[] = [];
  #applied = 0;
  readonly #socket: string;
  #client: AppClient | undefined;

  constructor(socket: string) {
    this.#socket = socket;
  }

  async run(): Promise<void> {
    for (;;) {
      const client = await AppClient.greet(this.#socket, 'json', { appliedIndex: this.#applied });
      this.#client = client;
      void this.#apply(client);
      const goodbye = await client.next('goodbye').catch(() => undefined);
      if (goodbye === undefined) return;
      this.goodbyes.push(goodbye.reason ?? '');
      await client.closed;
    }
  }

  async #apply(client: AppClient): Promise<void> {
    for (let failed = false; !failed; ) {
      const frame = await client.next('entries').catch(() => undefined);
      if (frame === undefined) return;
      const bad = frame.entries.find(({ command }) => Buffer.from(command).toString() === 'poison');
      failed = bad !== undefined;
      const through = bad === undefined ? frame.through : bad.index - 1;
      for (const { index, command } of frame.entries)
        if (index <= through) this.commands.push(Buffer.from(command).toString());
      this.#applied = through;
      client.send({ type: 'applied', through, results: [] });
      if (bad !== undefined)
        client.send({ type: 'applyFailed', index: bad.index, code: 'BOOM', message: 'no' });
    }
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}

describe('a command that no app can apply', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let all: Daemon[];

  beforeEach(async () => {
    daemons = await Daemons.begin();
    all = await daemons.cluster(3);
  });

  afterEach(() => daemons.end());

  const skip = async (daemon: Daemon, body: object) => {
    const tokens = await readTokenFile(join(daemon.dir, 'tokens.json'));
    return fetch(`http://${daemon.http}/v1/skip`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens?.admin}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  };
  const stuck = async (index: number): Promise<boolean> => {
    const states = await Promise.all(all.map((daemon) => daemons.status(daemon)));
    return states.every((s) => s?.app.state === 'STALLED' && s.appliedIndex === index - 1);
  };

  it('is passed over by every app once an operator says so, and who proposed it is told', async () => {
    const machines = all.map(({ socket }) => new PickyMachine(socket));
    const running = machines.map((machine) => machine.run());
    const [first, second] = all as [Daemon, Daemon];
    await daemons.until('the apps are there', async () =>
      (await Promise.all(all.map((d) => daemons.status(d)))).every((s) => s?.app.state === 'CONNECTED'),
    );
    const client = await AppClient.greet(first.socket, 'json');
    const propose = (id: number, text: string) =>
      client.send({ type: 'propose', id, command: Buffer.from(text), timeoutMs: 30_000 });
    propose(1, 'before');
    const { index } = await client.next('proposed', (frame) => frame.id === 1);
    propose(2, 'poison');
    propose(3, 'after');
    await daemons.until('every app stands at it', () => stuck(index + 1));

    const applied = await skip(second, { index, reason: 'no' });
    assert.equal(applied.status, 400, 'what is applied cannot be skipped');
    const answer = await skip(second, { index: index + 1, reason: 'it goes boom' });
    assert.equal(answer.status, 200, await answer.clone().text());

    const refused = await client.next('error', (frame) => frame.id === 2);
    assert.deepEqual([refused.code, refused.definite], ['SKIPPED', true]);
    assert.equal((await client.next('proposed', (frame) => frame.id === 3)).index, index + 2);
    await daemons.until('every app has applied the rest', async () => {
      const states = await Promise.all(all.map((daemon) => daemons.status(daemon)));
      return states.every((s) => s?.app.state === 'CONNECTED' && s.appliedIndex === s.commitIndex);
    });
    for (const machine of machines) {
      assert.deepEqual(machine.commands, ['before', 'after']);
      assert.deepEqual(machine.goodbyes, ['SKIPPED']);
    }
    const { entries } = await daemons.view<LogPage>(first, '/v1/log');
    assert.ok(entries.some(({ kind }) => kind === 'SKIP'));

    // An app that starts from nothing beside a sidecar that starts again is not given it either.
    await client.close();
    await Promise.all(machines.map((machine) => machine.close()));
    await Promise.all(running);
    await first.child.kill();
    const again = await daemons.launch(first, first.members);
    const fresh = await EchoMachine.attach(again.socket);
    await fresh.count(2);
    assert.deepEqual(fresh.commands, ['before', 'after']);
    await fresh.close();
  });
});
