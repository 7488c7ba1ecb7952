/** News of leadership from real sidecars: to a URL, and to receivers that do not do their part. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { LeaderNews } from '../../shared/leader-news.ts';
import { type Daemon, Daemons, exitOf } from '../support/daemons.ts';
import { TEST_MS } from '../support/patience.ts';

describe('news of leadership from sidecars', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let receiver: Server;
  let url: string;
  let handle: RequestListener;

  beforeEach(async () => {
    daemons = await Daemons.begin();
    receiver = createServer((request, response) => handle(request, response));
    receiver.listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/leader`;
  });

  afterEach(async () => {
    await daemons.end();
    receiver.closeAllConnections();
    receiver.close();
  });

  it('comes from each node at each change, with the term that makes late news harmless', async () => {
    const got: LeaderNews[] = [];
    handle = async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      got.push(JSON.parse(body) as LeaderNews);
      response.writeHead(204).end();
    };
    const newestOf = (node: string) => got.findLast((news) => news.node === node);
    const all = await daemons.cluster(3, { flags: ['--leader-news-url', url] });
    const agree = (nodes: readonly Daemon[], more: (news: LeaderNews) => boolean) =>
      daemons.until('every node told it', async () =>
        nodes.every(({ id }) => {
          const news = newestOf(id);
          return news !== undefined && news.leader !== null && news.leaderHttp !== null && more(news);
        }),
      );
    await agree(all, () => true);
    const first = newestOf('n1') as LeaderNews;
    const leader = all.find(({ id }) => id === first.leader) as Daemon;
    const others = all.filter((daemon) => daemon !== leader);
    await leader.child.kill();
    await agree(others, ({ term }) => term > first.term);
    const again = await daemons.launch(leader, leader.members, {}, ['--leader-news-url', url]);
    await agree([again], ({ term }) => term > first.term);

    for (const news of got) {
      assert.deepEqual(Object.keys(news), [
        ...['cluster', 'node', 'leader', 'leaderHttp', 'term', 'isLeader', 'at', 'sequence'],
      ]);
      assert.equal(news.cluster, 'daemons');
      if (news.isLeader) assert.equal(news.leader, news.node);
      const named = all.find(({ id }) => id === news.leader);
      if (news.leaderHttp !== null) assert.equal(news.leaderHttp, `http://${named?.http}`);
    }
    // One term, one leader: so whoever heard of a term may ignore all news of a lower one.
    const leaders = new Map<number, string>();
    for (const { term, leader: named } of got) {
      if (named === null) continue;
      assert.equal(leaders.get(term) ?? named, named, `two leaders of term ${term}`);
      leaders.set(term, named);
    }
    const numbers = got.filter(({ node }) => node === others[0]?.id).map(({ sequence }) => sequence);
    for (const [at, number] of numbers.entries()) assert.ok(number > (numbers[at - 1] ?? 0), numbers.join());
    // Each run of a process counts from one.
    assert.equal(got.filter(({ node, sequence }) => node === again.id && sequence === 1).length, 2);
    const metrics = await (await fetch(`http://${again.http}/metrics`)).text();
    assert.match(metrics, /^outrigger_leader_news_total\{way="url",outcome="DELIVERED"\} [1-9]/m);
  });

  it('holds nothing up when its receivers hang', async () => {
    let asked = 0;
    handle = () => {
      asked++;
    };
    const config = join(daemons.root, 'hangs.json');
    // Longer than it may run, and not for ever: whoever kills a sidecar leaves its command behind.
    await writeFile(config, JSON.stringify({ leaderNewsUrl: url, leaderNewsCommand: ['/bin/sleep', '15'] }));
    const all = await daemons.cluster(3, { flags: ['--config', config] });
    await daemons.until('the receiver was asked', async () => asked > 0);
    let leader: Daemon | undefined;
    await daemons.until('a leader', async () => {
      leader = await daemons.leaderOf(all);
      return leader !== undefined;
    });
    const others = all.filter((daemon) => daemon !== leader);
    await leader?.child.kill();
    await daemons.until('another leader', async () => (await daemons.leaderOf(others)) !== undefined);
    for (const { child } of others) process.kill(child.pid, 'SIGTERM');
    const exits = await Promise.all(others.map((daemon) => exitOf(daemon)));
    assert.deepEqual(
      exits.map(({ code }) => code),
      [0, 0],
    );
  });
});
