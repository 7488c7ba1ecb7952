/**
 * Faults that are planted in real daemons through their own HTTP, as the protocol names them: what becomes of replication, what the
 * cluster says of it, and that they end.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { RaftEvent } from '../../shared/events.ts';
import type { Explanation } from '../../shared/explain/types.ts';
import type { FaultStatus } from '../../shared/faults.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons, QUICK } from '../support/daemons.ts';
import { EventReader } from '../support/event-reader.ts';
import { outrigger } from '../support/outrigger-command.ts';
import { TEST_MS } from '../support/patience.ts';

const TTL_MS = 60_000;

describe('faults that are planted in a running cluster', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let all: Daemon[];

  beforeEach(async () => {
    daemons = await Daemons.begin();
    all = await daemons.cluster(3, { flags: [...QUICK, '--control'] });
  });
  afterEach(() => daemons.end());

  it('isolate the leader: another one leads, and it comes back by itself once the fault is over', async () => {
    const old = (await daemons.leaderOf(all)) as Daemon;
    const others = all.filter((daemon) => daemon !== old);
    const { term } = (await daemons.status(old)) as NodeStatus;
    const { status, body } = await ask(old, 'POST', '', { kind: 'isolate', ttlMs: TTL_MS });
    assert.equal(status, 200, JSON.stringify(body));
    const { id } = body as FaultStatus;
    await daemons.until('the others have a leader', async () => {
      const leader = await daemons.leaderOf(others);
      return leader !== undefined && ((await daemons.status(leader))?.term ?? 0) > term;
    });
    await daemons.until('it has stepped down', async () => (await daemons.status(old))?.role !== 'LEADER');
    const index = await proposed(others[0] as Daemon);

    const isolated = (await daemons.status(old)) as NodeStatus;
    assert.deepEqual(
      isolated.faults?.map(({ kind, direction }) => [kind, direction]),
      [['ISOLATE', 'BOTH']],
    );
    assert.ok((isolated.faults?.[0]?.messages ?? 0) > 0);
    const why = await daemons.view<Explanation>(old, '/v1/explain?about=leader');
    assert.match(why.answer, new RegExp(`Faults are planted in ${old.id}, and may be why`));
    assert.match(why.evidence[0]?.text ?? '', /loses all messages to and from all peers: fault f1/);
    assert.match(why.next, /^End the planted faults/);

    const ended = await ask(old, 'DELETE', `/${id}`);
    assert.deepEqual([ended.status, (ended.body as FaultStatus).id], [200, id]);
    await daemons.until(
      'it has caught up',
      async () => ((await daemons.status(old))?.commitIndex ?? 0) >= index,
    );
    assert.deepEqual((await ask(old, 'GET')).body, { faults: [] });
    const events = await eventsOf(old, 'FAULT_ENDED');
    assert.deepEqual(
      events
        .filter(({ kind }) => kind.startsWith('FAULT'))
        .map(({ kind, cause, state }) => [kind, cause, state]),
      [
        ['FAULT_BEGAN', 'OPERATOR', 'ISOLATE'],
        ['FAULT_ENDED', 'OPERATOR', 'ISOLATE'],
      ],
    );
  });

  it('stop a process as a whole, for as long as was said', async () => {
    const old = (await daemons.leaderOf(all)) as Daemon;
    const others = all.filter((daemon) => daemon !== old);
    const from = performance.now();
    const planted = await ask(old, 'POST', '', { kind: 'PAUSE', ttlMs: 1_500 });
    assert.equal(planted.status, 200);
    await daemons.until(
      'the others have a leader',
      async () => (await daemons.leaderOf(others)) !== undefined,
    );
    const index = await proposed(others[0] as Daemon);
    await daemons.until('it is back', async () => ((await daemons.status(old))?.commitIndex ?? 0) >= index);
    assert.ok(performance.now() - from >= 1_500, 'it answered while it stood still');
    const events = await eventsOf(old, 'FAULT_ENDED');
    assert.ok(events.some(({ kind, ms }) => kind === 'LOOP_SLOW' && (ms ?? 0) >= 1_000));
    assert.equal(events.find(({ kind }) => kind === 'FAULT_ENDED')?.cause, 'EXPIRED');
  });

  it('delay, lose and cut by the command line, which lists and ends them', async () => {
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const [first, second] = all.filter((daemon) => daemon !== leader) as [Daemon, Daemon];
    const run = (...args: string[]) => outrigger(daemons.runtimeDir, ['fault', ...args]);
    const none = await run();
    assert.deepEqual([none.code, none.stdout], [0, 'no faults are planted\n']);

    const delay = await run('delay', '30', '--jitter', '10', '--peer', first.id);
    assert.deepEqual(
      [delay.code, delay.stdout, delay.stderr],
      [0, `${leader.id} delays messages to and from ${first.id} by 30 to 40 ms for 30 s: fault f1\n`, ''],
    );
    assert.equal((await run('cut', leader.id, '--node', second.id, '--out', '--for', '60')).code, 0);
    assert.equal((await run('drop', '20%', '--node', first.id)).code, 0);
    // Two of three still make a quorum, slowly.
    await proposed(first);
    const listed = JSON.parse((await run('--json')).stdout) as (FaultStatus & { node: string })[];
    assert.deepEqual(
      listed.map(({ node, kind, peer }) => `${node} ${kind} ${peer}`).sort(),
      [`${first.id} DROP `, `${leader.id} DELAY ${first.id}`, `${second.id} CUT ${leader.id}`].sort(),
    );
    assert.match((await run()).stdout, /^NODE +ID +WHAT IT DOES +ENDS IN +MESSAGES\n/);
    const ended = await run('end');
    assert.equal(ended.code, 0);
    assert.equal(ended.stdout.trimEnd().split('\n').length, 3);
    const index = await proposed(leader);
    for (const daemon of all)
      await daemons.until(
        `${daemon.id} has it`,
        async () => ((await daemons.status(daemon))?.commitIndex ?? 0) >= index,
      );

    for (const [args, complaint] of [
      [['burn'], 'there is no fault "burn": give cut, isolate, delay, drop, pause, or end.'],
      [['cut'], 'cut needs the id of a peer, such as: outrigger fault cut n2'],
      [['pause', '5'], 'pause takes nothing more, not "5".'],
      [['drop', 'many'], 'drop needs a percentage, not "many".'],
      [['end', 'f9'], 'no node that answers has a fault f9.'],
      [['isolate', '--for', '0'], '--for must be a number of seconds over 0.'],
    ] as const) {
      const { code, stderr } = await run(...args);
      assert.deepEqual([code, stderr.includes(complaint)], [2, true], stderr);
    }
  });

  it('are refused in one sentence where they make no sense', async () => {
    const node = all[0] as Daemon;
    for (const [body, message] of [
      [{ kind: 'CUT', ttlMs: 1 }, 'the body is refused: a fault of the kind CUT needs a peer'],
      [{ kind: 'CUT', peer: 'n9', ttlMs: 1 }, 'n9 is not a peer of n1'],
      [{ kind: 'CUT', peer: 'n1', ttlMs: 1 }, 'n1 is not a peer of n1'],
      [{ kind: 'ISOLATE' }, 'ttlMs in the body is refused: give whole milliseconds'],
      [{ kind: 'ISOLATE', ttlMs: 600_001 }, 'ttlMs in the body is refused: at most 600000'],
      [
        { kind: 'ISOLATE', peer: 'n2', ttlMs: 1 },
        'the body is refused: a fault of the kind ISOLATE is not of one peer',
      ],
      [{ kind: 'PAUSE', ttlMs: 60_001 }, 'the body is refused: a fault of the kind PAUSE lasts at most 60 s'],
      [{ kind: 'DROP', share: 1.5, ttlMs: 1 }, 'share in the body is refused: at most 1'],
      [{ kind: 'MELT', ttlMs: 1 }, 'kind in the body is refused: give CUT, ISOLATE, DELAY, DROP, PAUSE'],
    ] as const) {
      const answer = await ask(node, 'POST', '', body);
      assert.deepEqual([answer.status, answer.body], [400, { code: 'BAD_REQUEST', definite: true, message }]);
    }
    const missing = await ask(node, 'DELETE', '/f9');
    assert.deepEqual([missing.status, (missing.body as { code: string }).code], [404, 'NOT_FOUND']);
  });

  async function ask(
    daemon: Daemon,
    method: string,
    path = '',
    body?: object,
  ): Promise<{ status: number; body: unknown }> {
    const token = (await readTokenFile(join(daemon.dir, 'tokens.json')))?.admin ?? '';
    const answer = await fetch(`http://${daemon.http}/v1/faults${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: await answer.json() };
  }

  /** Everything up to the first event of that kind. */
  async function eventsOf(daemon: Daemon, kind: RaftEvent['kind']): Promise<RaftEvent[]> {
    const token = (await readTokenFile(join(daemon.dir, 'tokens.json')))?.view ?? '';
    const reader = await EventReader.open(`http://${daemon.http}`, { token, since: '0' });
    await reader.find((event) => event.kind === kind);
    await reader.cut();
    return reader.events;
  }

  /** The index of a command that was committed. Messages are lost here: one whose outcome nobody knows is proposed again. */
  async function proposed(daemon: Daemon): Promise<number> {
    const client = await AppClient.greet(daemon.socket, 'json');
    for (let id = 1; ; id++) {
      client.send({ type: 'propose', id, command: Buffer.from('x'), wait: 'COMMITTED', timeoutMs: TTL_MS });
      const answers = [
        client.next('proposed', (done) => done.id === id),
        client.next('error', (no) => no.id === id),
      ];
      const answer = await Promise.race(answers);
      for (const other of answers) other.catch(() => undefined); // the one that never comes
      if (answer.type === 'error') continue;
      await client.close();
      return answer.index;
    }
  }
});

describe('a sidecar that was started without --control', function () {
  this.timeout(TEST_MS);

  it('has no faults, and takes none', async () => {
    const daemons = await Daemons.begin();
    try {
      const [only] = (await daemons.cluster(1)) as [Daemon];
      const { code, stderr } = await outrigger(daemons.runtimeDir, ['fault', 'pause']);
      assert.equal(code, 1);
      assert.match(stderr, /faults can be planted only in a sidecar that was started with --control/);
      const status = (await daemons.status(only)) as NodeStatus;
      assert.deepEqual([status.control, status.faults], [false, []]);
    } finally {
      await daemons.end();
    }
  });
});
