/** What real daemons record and stream: elections, pauses, apps, stops; with stage times and the reasons in the status. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { LogPage, NodeStatus } from '../../shared/inspect.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons, ELECTION_MS, exitOf } from '../support/daemons.ts';
import { EventReader } from '../support/event-reader.ts';
import { PATIENCE_MS, TEST_MS } from '../support/patience.ts';

/** What a machine that does other things does to a node that is well. */
const SLOW_MACHINE = ['COMMIT', 'LOOP_SLOW', 'DISK_SLOW', 'DISK_OK'];

describe('the events of real daemons', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let readers: EventReader[];
  let clients: AppClient[];

  beforeEach(async () => {
    daemons = await Daemons.begin();
    readers = [];
    clients = [];
  });

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(readers.map((reader) => reader.cut()));
    await daemons.end();
  });

  async function view(daemon: Daemon): Promise<string> {
    return (await readTokenFile(join(daemon.dir, 'tokens.json')))?.view ?? '';
  }

  async function watch(daemon: Daemon, lastEventId?: string): Promise<EventReader> {
    const more = lastEventId === undefined ? {} : { lastEventId };
    const reader = await EventReader.open(`http://${daemon.http}`, { token: await view(daemon), ...more });
    readers.push(reader);
    return reader;
  }

  async function attach(daemon: Daemon): Promise<AppClient> {
    const client = await AppClient.greet(daemon.socket, 'json', {});
    clients.push(client);
    return client;
  }

  async function followersOf(all: readonly Daemon[], leader: Daemon): Promise<Daemon[]> {
    const others = all.filter((daemon) => daemon !== leader);
    await daemons.until('they follow', async () =>
      (await Promise.all(others.map((d) => daemons.status(d)))).every((s) => s?.leader === leader.id),
    );
    return others;
  }

  it('resume without a gap after the connection was cut, and tell of the app', async () => {
    const [daemon] = (await daemons.cluster(1)) as [Daemon];
    const first = await watch(daemon);
    assert.equal((await first.find(({ kind }) => kind === 'STARTED')).seq, 1);
    const app = await attach(daemon);
    const attached = await first.find(({ kind, state }) => kind === 'APP' && state === 'CONNECTED');
    assert.equal(attached.cause, 'APP_CONNECTED');
    await first.cut();
    await app.close();
    await daemons.until(
      'the app is missed',
      async () => (await daemons.status(daemon))?.app.state === 'ABSENT',
    );

    const second = await watch(daemon, first.lastId);
    const detached = await second.find(({ kind, state }) => kind === 'APP' && state === 'ABSENT');
    assert.equal(detached.cause, 'APP_ABSENT');
    assert.ok(detached.reason);
    const all = [...first.events, ...second.events];
    assert.deepEqual(
      all.map(({ seq }) => seq),
      all.map((_, at) => at + 1),
    );
    const status = (await daemons.status(daemon)) as NodeStatus;
    assert.equal(second.header('outrigger-generation'), status.generation);
    assert.ok(Math.abs(status.now - detached.at) < PATIENCE_MS);
  });

  it('show how the next leader was elected when one is killed', async () => {
    const all = await daemons.cluster(3);
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const before = (await daemons.status(leader))?.term ?? 0;
    const others = await followersOf(all, leader);
    const watched = await Promise.all(others.map((daemon) => watch(daemon)));
    await daemons.until('the leader is heard', async () => {
      const contact = (await daemons.status(others[0] as Daemon))?.leaderContactMs ?? Number.NaN;
      return contact >= 0 && contact < ELECTION_MS.max;
    });
    await leader.child.kill();

    const won = await Promise.any(
      watched.map(async (reader) => ({
        reader,
        role: await reader.find(
          ({ kind, role, term }) => kind === 'ROLE' && role === 'LEADER' && term > before,
        ),
      })),
    );
    const { role, reader } = won;
    assert.equal(role.cause, 'VOTE_WON');
    assert.equal(role.was, 'CANDIDATE');
    assert.ok((role.ms ?? 0) >= ELECTION_MS.min, `the leader was silent for ${role.ms} ms`);
    const earlier = reader.events.filter(({ seq }) => seq < role.seq);
    const timeout = earlier.findLast(({ kind, cause }) => kind === 'ROLE' && cause === 'ELECTION_TIMEOUT');
    assert.equal(timeout?.role, 'CANDIDATE');
    const vote = earlier.find(
      ({ kind, granted, preVote, term }) =>
        kind === 'VOTE_RECEIVED' && granted === true && preVote === false && term === role.term,
    );
    assert.ok(vote, JSON.stringify(earlier));
    assert.equal(vote.cause, 'GRANTED');

    const voter = watched.find((other) => other !== reader) as EventReader;
    const given = await voter.find(
      ({ kind, granted, preVote, term }) =>
        kind === 'VOTE_GIVEN' && granted === true && preVote === false && term === role.term,
    );
    assert.notEqual(given.peer, vote.peer);
    const down = await reader.find(({ kind, peer }) => kind === 'PEER_DOWN' && peer === leader.id);
    assert.equal(down.cause, 'LOST');
    const lost = await reader.find(({ kind, peer }) => kind === 'CONTACT_LOST' && peer === leader.id);
    assert.ok((lost.ms ?? 0) >= ELECTION_MS.max);
  });

  it('tell a paused follower from both sides, and the status says why it is behind', async () => {
    const all = await daemons.cluster(3);
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const [paused] = (await followersOf(all, leader)) as [Daemon];
    const [ofLeader, ofPaused] = [await watch(leader), await watch(paused)];
    await ofPaused.find(({ kind }) => kind === 'STARTED');
    const client = await AppClient.greet(leader.socket, 'json');
    clients.push(client);
    const last = ofPaused.events.at(-1)?.seq ?? 0;
    const isAbout = (kind: string) => (event: { kind: string; peer?: string }) =>
      event.kind === kind && event.peer === paused.id;

    process.kill(paused.child.pid, 'SIGSTOP');
    try {
      client.send({ type: 'propose', id: 1, command: Buffer.from('x'), wait: 'COMMITTED' } as never);
      await client.next('proposed');
      const lost = await ofLeader.find(isAbout('CONTACT_LOST'));
      assert.equal(lost.cause, 'NO_REPLY');
      const progress = (await daemons.status(leader))?.progress.find(({ id }) => id === paused.id);
      assert.equal(progress?.behind, 'NO_CONTACT');
      assert.ok((progress?.lagEntries ?? 0) > 0 && (progress?.lagMs ?? 0) > 0, JSON.stringify(progress));
    } finally {
      process.kill(paused.child.pid, 'SIGCONT');
    }
    const regained = await ofLeader.find(isAbout('CONTACT_REGAINED'));
    assert.ok((regained.ms ?? 0) >= ELECTION_MS.max);
    const slow = await ofPaused.find(
      ({ kind, cause, seq, ms = 0 }) =>
        kind === 'LOOP_SLOW' && cause === 'PAUSED' && seq > last && ms >= ELECTION_MS.min,
    );
    // Whatever followed from the pause stands after it.
    const earlier = ofPaused.events.filter(({ seq }) => seq > last && seq < slow.seq);
    assert.deepEqual(
      earlier.filter(({ kind }) => !SLOW_MACHINE.includes(kind)),
      [],
    );
    await daemons.until('nothing is behind', async () => {
      const { progress } = (await daemons.status(leader)) as NodeStatus;
      return progress.length === 2 && progress.every(({ behind, lagMs }) => behind === 'NONE' && lagMs === 0);
    });
    await daemons.until('it said what it has committed', async () => {
      const status = (await daemons.status(leader)) as NodeStatus;
      return status.progress.every(({ commitIndex }) => commitIndex === status.commitIndex);
    });
  });

  it('end with a stop in order, after the transfer of leadership', async () => {
    const all = await daemons.cluster(3);
    const leader = (await daemons.leaderOf(all)) as Daemon;
    await followersOf(all, leader);
    const reader = await watch(leader);
    process.kill(leader.child.pid, 'SIGTERM');
    assert.equal((await exitOf(leader)).code, 0);
    await reader.closed;
    assert.equal(reader.response.complete, true, 'the stream was cut');
    const stopping = reader.events.find(({ kind }) => kind === 'STOPPING');
    assert.equal(stopping?.cause, 'SHUTTING_DOWN');
    const transfer = reader.events.find(({ kind }) => kind === 'TRANSFER_STARTED');
    assert.ok((transfer?.seq ?? 0) > (stopping?.seq ?? 0), 'no transfer');
    assert.ok(reader.events.some(({ kind, cause }) => kind === 'ROLE' && cause === 'TRANSFERRED'));
  });

  it('come with stage times of entries, in their order', async () => {
    const all = await daemons.cluster(3);
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const [follower] = (await followersOf(all, leader)) as [Daemon];
    await checkStages(follower, 'LEADER_SAID');
    await checkStages(leader, 'QUORUM');
  });

  async function checkStages(daemon: Daemon, cause: string): Promise<void> {
    const reader = await watch(daemon);
    const app = await attach(daemon);
    app.send({ type: 'propose', id: 1, command: Buffer.from('timed'), wait: 'COMMITTED' } as never);
    const { index } = await app.next('proposed');
    const entries = await app.next('entries', (frame) => frame.through >= index);
    app.send({ type: 'applied', through: entries.through, results: [] } as never);
    await app.roundTrip();

    const headers = { authorization: `Bearer ${await view(daemon)}` };
    const path = `/v1/log?from=${index}&to=${index}&stages=true`;
    const page = (await (await fetch(`http://${daemon.http}${path}`, { headers })).json()) as LogPage;
    const stages = page.entries[0]?.stages ?? {};
    const time = (name: keyof typeof stages): number => stages[name] ?? Number.NaN;
    assert.ok(time('proposed') <= time('appended'), JSON.stringify(stages));
    assert.ok(time('appended') <= time('durable'), JSON.stringify(stages));
    assert.ok(time('appended') <= time('committed'), JSON.stringify(stages));
    assert.ok(time('committed') <= time('delivered'), JSON.stringify(stages));
    assert.ok(time('delivered') <= time('applied'), JSON.stringify(stages));
    assert.ok(Math.abs(time('proposed') - Date.now()) < PATIENCE_MS);
    // As somebody watches, the commit is told soon.
    const commit = await reader.find(({ kind, index: to }) => kind === 'COMMIT' && (to ?? 0) >= index);
    assert.equal(commit.cause, cause);
    const status = (await daemons.status(daemon)) as NodeStatus;
    assert.deepEqual(status.applyLag, { entries: 0, ms: 0 });
  }
});
