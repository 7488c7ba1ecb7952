/**
 * A real partition between real daemons: the leader is cut off from both others, which elect another one, while it goes on
 * writing what nobody else has. After the partition it gives up that tail; nothing that was acknowledged is lost.
 */
import assert from 'node:assert/strict';
import type { LogPage, NodeStatus } from '../../shared/inspect.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { TEST_MS } from '../support/patience.ts';
import type { NewConnections } from '../support/peer-proxy.ts';

const STRANDED = 5;
const PROPOSAL_MS = 60_000;
const LOG_LIMIT = 100;

describe('a leader that is cut off', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let all: Daemon[];

  beforeEach(async () => {
    daemons = await Daemons.begin();
    all = await daemons.cluster(3, { partitions: true });
  });

  afterEach(() => daemons.end());

  for (const newConnections of ['hang', 'refuse'] as const) {
    it(`(new connections ${newConnections}) is replaced, and gives up its own tail when it is back`, () =>
      replaced(newConnections));
  }

  it('from one other node only is noticed by nobody: all three go on', async () => {
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const [first, second] = all.filter((daemon) => daemon !== leader) as [Daemon, Daemon];
    const { term } = (await daemons.status(leader)) as NodeStatus;
    daemons.network.cut(first.id, second.id);
    const index = await acknowledged(first, 'past the cut');
    for (const daemon of all) await reaches(daemon, index);
    assert.equal((await daemons.status(leader))?.term, term);
  });

  async function replaced(newConnections: NewConnections): Promise<void> {
    const old = (await daemons.leaderOf(all)) as Daemon;
    const others = all.filter((daemon) => daemon !== old);
    const before = await acknowledged(old, 'before');
    const { term } = (await daemons.status(old)) as NodeStatus;

    const stranded = await AppClient.greet(old.socket, 'json');
    // It leads for an election timeout more, then it notices.
    daemons.network.cutOff(old.id, newConnections);
    stranded.send(...Array.from({ length: STRANDED }, (_, at) => proposal(at + 1, `stranded ${at}`)));
    await reaches(old, before + STRANDED, 'durableIndex');

    await daemons.until('the others have a leader of their own', async () => {
      const leader = await daemons.leaderOf(others);
      return leader !== undefined && ((await daemons.status(leader))?.term ?? 0) > term;
    });
    const kept: string[] = [];
    for (const text of ['kept 0', 'kept 1', 'kept 2']) {
      await acknowledged(others[0] as Daemon, text);
      kept.push(text);
    }
    // Its tail conflicts, and it knows of nothing that happened since.
    await daemons.until('it has stepped down', async () => (await daemons.status(old))?.role !== 'LEADER');
    const isolated = (await daemons.status(old)) as NodeStatus;
    assert.equal(isolated.commitIndex, before);
    assert.equal(isolated.term, term, 'an isolated node must not raise its term');
    const [mine, theirs] = [await logOf(old), await logOf(others[0] as Daemon)];
    assert.equal(firstDifference(mine, theirs), before + 1);

    daemons.network.heal();
    const last = await acknowledged(old, 'after');
    for (const daemon of all) await reaches(daemon, last);
    const logs = await Promise.all(all.map(logOf));
    for (const log of logs) assert.equal(firstDifference(log, logs[0] as LogPage), undefined);
    const commands = (logs[0] as LogPage).entries.map(textOf);
    for (const text of ['before', ...kept, 'after']) {
      assert.equal(commands.filter((command) => command === text).length, 1, `${text} is there once`);
    }
    await assertHonest(stranded, old);
  }

  /** Each stranded proposal was either refused, or is at the place that its answer named. */
  async function assertHonest(client: AppClient, daemon: Daemon): Promise<void> {
    for (let id = 1; id <= STRANDED; id++) {
      const [done] = await Promise.race([
        client.next('proposed', (frame) => frame.id === id).then((frame) => [frame] as const),
        client.next('error', (frame) => frame.id === id).then(() => [undefined] as const),
      ]);
      if (done === undefined) continue;
      // A new one: what was stranded may have been proposed again, by its node, after all of the above.
      const entry = (await logOf(daemon)).entries.find((candidate) => candidate.index === done.index);
      assert.equal(entry && textOf(entry), `stranded ${id - 1}`);
    }
    await client.close();
  }

  async function acknowledged(daemon: Daemon, text: string): Promise<number> {
    const client = await AppClient.greet(daemon.socket, 'json');
    client.send(proposal(1, text));
    const refused = client.next('error').then((frame): never => assert.fail(`${text}: ${frame.message}`));
    const { index } = await Promise.race([client.next('proposed'), refused]);
    refused.catch(() => undefined);
    await client.close();
    return index;
  }

  function reaches(
    daemon: Daemon,
    index: number,
    mark: 'commitIndex' | 'durableIndex' = 'commitIndex',
  ): Promise<void> {
    const reached = async (): Promise<boolean> => ((await daemons.status(daemon))?.[mark] ?? 0) >= index;
    return daemons.until(`the ${mark} of ${daemon.id} is ${index}`, reached);
  }

  function logOf(daemon: Daemon): Promise<LogPage> {
    return daemons.view(daemon, `/v1/log?from=1&limit=${LOG_LIMIT}`);
  }
});

function proposal(id: number, text: string) {
  const command = Buffer.from(text);
  return { type: 'propose', id, command, wait: 'COMMITTED', timeoutMs: PROPOSAL_MS } as const;
}

function textOf(entry: LogPage['entries'][number]): string {
  return Buffer.from(entry.command, 'base64').toString();
}

/** The first index where both have an entry and not the same one; undefined when there is none. */
function firstDifference(a: LogPage, b: LogPage): number | undefined {
  return a.entries.find((entry, at) => {
    const other = b.entries[at];
    return other !== undefined && (other.hash !== entry.hash || other.term !== entry.term);
  })?.index;
}
