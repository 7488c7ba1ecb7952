/** `outrigger bench` against a real cluster: what it counts is what was applied, and what it refuses it says. */
import assert from 'node:assert/strict';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { outrigger } from '../support/outrigger-command.ts';
import { TEST_MS } from '../support/patience.ts';
import { SnapshotApp } from '../support/snapshot-app.ts';

interface Result {
  readonly nodes: readonly string[];
  readonly clients: number;
  readonly completed: number;
  readonly perSecond: number;
  readonly latencyMs: Readonly<Record<'p50' | 'p90' | 'p99' | 'max', number>>;
  readonly errors: Readonly<Record<string, number>>;
}

describe('outrigger bench', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let all: Daemon[];
  const apps: SnapshotApp[] = [];
  const bench = (...args: string[]) =>
    outrigger(daemons.runtimeDir, ['bench', '--seconds', '0.5', '--warmup', '0', ...args]);

  before(async () => {
    daemons = await Daemons.begin();
    all = await daemons.cluster(3);
  });
  after(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await daemons.end();
  });

  it('fails where no command is acknowledged, and says by which code', async () => {
    const { code, stdout, stderr } = await bench('k{n}=v', '--clients', '2');
    assert.equal(code, 1, stderr);
    assert.match(stdout, /^APP_ABSENT: \d+$/m);
    assert.match(stderr, /no command was acknowledged/);
  });

  it('counts what was applied, over all nodes or one', async () => {
    apps.push(...all.map(({ socket }) => new SnapshotApp(socket)));
    await daemons.until('every app is there', async () => {
      const states = await Promise.all(all.map((daemon) => daemons.status(daemon)));
      return states.every((status) => status?.app.state === 'CONNECTED');
    });
    const spread = await run('k{n}=v', '--clients', '7');
    assert.deepEqual([spread.nodes, spread.clients, spread.errors], [all.map(({ id }) => id), 7, {}]);
    const { p50, p90, p99, max } = spread.latencyMs;
    assert.ok(0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= max);
    const one = await run('{n}{n}=v', '--node', all[1]?.id ?? '', '--clients', '1');
    assert.deepEqual([one.nodes, one.clients], [[all[1]?.id], 1]);
    await daemons.until('all is applied everywhere', async () => {
      const states = await Promise.all(all.map((daemon) => daemons.status(daemon)));
      const committed = Math.max(...states.map((status) => status?.commitIndex ?? 0));
      return states.every((status) => status?.appliedIndex === committed);
    });
    // Each was applied before it was counted; at its end one more of each client may have been on its way.
    for (const [prefix, { completed, clients }] of [
      ['k', spread],
      ['', one],
    ] as const) {
      const mine = [...(apps[1]?.state.values.keys() ?? [])].filter(
        (key) => key.startsWith('k') === (prefix === 'k'),
      );
      assert.ok(
        completed > 0 && completed <= mine.length && mine.length <= completed + clients,
        `${completed} of ${mine.length}`,
      );
    }
    assert.ok(apps[1]?.state.values.has('11'));
    const plain = await bench('k{n}=v', '--clients', '2');
    assert.match(
      plain.stdout,
      /^n1, n2, n3, for \d[^\n]*\nCLIENTS +PER SECOND +P50 +P90 +P99 +WORST +ACKNOWLEDGED +FAILED\n/,
    );
  });

  it('ends at once when the last node is gone, however long it was to take', async () => {
    const long = bench('gone{n}=v', '--node', 'n2', '--seconds', '3600');
    await daemons.until('it has begun', async () =>
      [...(apps[1]?.state.values.keys() ?? [])].some((key) => key.startsWith('gone')),
    );
    await all[1]?.child.kill();
    const { code, stderr } = await long;
    assert.equal(code, 1);
    assert.match(stderr, /n2: the (replica closed the connection|connection )/);
  });

  it('refuses what makes no sense in one sentence', async () => {
    for (const [args, complaint] of [
      [['x', '--clients', '0'], '--clients must be a whole number from 1 to 4096.'],
      [['x', '--seconds', 'long'], '--seconds must be a number over 0, up to 3600.'],
      [
        ['x', '--http', 'http://127.0.0.1:1'],
        'bench speaks to the app sockets of this machine: leave out --http.',
      ],
    ] as const) {
      const { code, stderr } = await bench(...args);
      assert.deepEqual([code, stderr.includes(complaint)], [2, true], stderr);
    }
  });

  async function run(...args: string[]): Promise<Result> {
    const { code, stdout, stderr } = await bench(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Result;
  }
});
