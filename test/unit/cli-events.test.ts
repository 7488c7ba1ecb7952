/** How the command reads event streams: to the end of the moment, or for good, with the gaps told. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeEvent } from '../../shared/events.ts';
import { Client } from '../../sidecar/cli/client.ts';
import { CliError } from '../../sidecar/cli/errors.ts';
import { followEvents, readEvents } from '../../sidecar/cli/event-stream.ts';
import { EventLog } from '../../sidecar/record/events.ts';
import { type Fixture, startFixture, TOKENS } from './http-support.ts';

const CAPACITY = 10;

describe('event streams of the command line', () => {
  let folder: string;
  let fixture: Fixture;
  let log: EventLog;
  let client: Client;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outrigger-cli-events-'));
    const tokenFile = join(folder, 'tokens.json');
    await writeFile(tokenFile, JSON.stringify(TOKENS), { mode: 0o600 });
    fixture = await startFixture();
    log = new EventLog(CAPACITY);
    fixture.host.events = () => log;
    client = new Client({ name: 'n1', http: fixture.server.url, tokenFile });
  });

  afterEach(async () => {
    await fixture.server.close();
    await rm(folder, { recursive: true });
  });

  function record(count: number): void {
    for (let i = 0; i < count; i++) log.record({ at: 5, kind: 'COMMIT', term: 1, cause: 'QUORUM' });
  }

  async function read(since?: string): Promise<{ events: NodeEvent[]; gaps: number[]; lastId: string }> {
    const events: NodeEvent[] = [];
    const gaps: number[] = [];
    const reader = {
      since,
      event: (event: NodeEvent) => events.push(event),
      gap: (to: number) => gaps.push(to),
    };
    return { events, gaps, ...(await readEvents(client, reader, false)) };
  }

  it('reads what is there and ends', async () => {
    assert.deepEqual((await read()).events, []);
    record(3);
    const { events, gaps, lastId } = await read();
    assert.deepEqual(
      events,
      log.since(0).map((event) => ({ ...event, node: 'n1', generation: log.generation })),
    );
    assert.deepEqual(gaps, []);
    assert.equal(lastId, `${log.generation}-3`);
    assert.deepEqual(
      (await read(`${log.generation}-2`)).events.map(({ seq }) => seq),
      [3],
    );
    assert.deepEqual((await read('3')).events, []);
  });

  it('tells of a gap', async () => {
    record(CAPACITY + 5);
    assert.deepEqual((await read('2')).gaps, [6]);
    assert.deepEqual((await read()).gaps, [], 'nothing was asked for that is gone');
  });

  it('comes back by itself where it was, also to another run of the process', async () => {
    record(2);
    const seen: NodeEvent[] = [];
    const lost: string[] = [];
    const wanted = 6;
    const stop = new AbortController();
    let following: Promise<void> | undefined;
    await new Promise<void>((done, fail) => {
      const reader = {
        event: (event: NodeEvent) => {
          seen.push(event);
          if (seen.length === 2) {
            // As a restart does: other numbers, from the beginning.
            log = new EventLog(CAPACITY);
            record(1);
            cut();
          } else if (seen.length === 3) {
            record(3);
          } else if (seen.length === wanted) done();
        },
        lost: (reason: string) => lost.push(reason),
      };
      following = followEvents(client, reader, stop.signal);
      following.catch(fail);
      const cut = (): void => {
        const { port } = fixture;
        void fixture.server.close().then(async () => {
          fixture = await startFixture({ listen: { host: '127.0.0.1', port } });
          fixture.host.events = () => log;
        }, fail);
      };
    });
    stop.abort();
    await following;
    assert.deepEqual(
      seen.map(({ seq }) => seq),
      [1, 2, 1, 2, 3, 4],
    );
    assert.equal(new Set(seen.slice(2).map(({ generation }) => generation)).size, 1);
    assert.equal(lost.length, 1);
    assert.match(lost[0] ?? '', /^n1 /);
  });

  it('says in one sentence why it cannot read', async () => {
    await fixture.server.close();
    await assert.rejects(
      read(),
      (error) => error instanceof CliError && /cannot be reached/.test(error.message),
    );
    fixture = await startFixture();
  });
});
