/** What keeps a crowd on the app socket in bounds: connections told apart, those that ask too much, those that do not read. */
import assert from 'node:assert/strict';
import { refusal } from '../../shared/codes.ts';
import { FakeHost } from '../support/app-host.ts';
import { AppSocket } from '../support/app-socket.ts';

describe('app socket: a crowd', () => {
  let socket: AppSocket;
  afterEach(() => socket.stop());

  it('gives each connection a host of its own, and says when it is left', async () => {
    const hosts: FakeHost[] = [];
    const left: FakeHost[] = [];
    socket = new AppSocket({
      hostOf: () => {
        const host = Object.assign(new FakeHost(), { left: () => left.push(host) });
        hosts.push(host);
        return host;
      },
    });
    await socket.server.listen();
    const [one, two] = [await socket.greet('json'), await socket.greet('protobuf')];
    one.send({ type: 'propose', id: 1, command: Buffer.from('a') });
    two.send({ type: 'propose', id: 1, command: Buffer.from('b') });
    await hosts[0]?.until(() => hosts[0]?.proposals.length === 1);
    await hosts[1]?.until(() => hosts[1]?.proposals.length === 1);
    assert.equal(String(hosts[0]?.proposals[0]?.request.command), 'a');
    assert.equal(socket.host.proposals.length, 0);
    one.send({ type: 'goodbye' });
    await one.closed;
    assert.deepEqual(left, [hosts[0]]);
  });

  const ask = (id: number) => ({ type: 'propose', id, command: Buffer.from('a') }) as const;

  it('does not read on what asks too much, and serves the others', async () => {
    socket = await AppSocket.start({ requestsPerConnection: 2, overloadedRestMs: 60_000 });
    const [greedy, other] = [await socket.greet('json'), await socket.greet('json')];
    greedy.send(ask(1), ask(2), ask(3), ask(4), { type: 'ping', id: 9 });
    assert.equal((await greedy.next('error')).id, 3);
    await other.roundTrip();
    await other.roundTrip();
    assert.deepEqual(greedy.inbox, []);
  });

  it('reads on after a while', async () => {
    socket = await AppSocket.start({ requestsPerConnection: 2, overloadedRestMs: 5 });
    const greedy = await socket.greet('json');
    greedy.send(ask(1), ask(2), ask(3), ask(4), { type: 'ping', id: 9 });
    await greedy.next('pong');
    assert.deepEqual(
      greedy.inbox.map((frame) => frame.type === 'error' && [frame.id, frame.code]),
      [
        [3, 'OVERLOADED'],
        [4, 'OVERLOADED'],
      ],
    );
  });

  it('rests too when the node behind it refuses', async () => {
    socket = await AppSocket.start({ overloadedRestMs: 60_000 });
    socket.host.answer = () => refusal('OVERLOADED', 'full');
    const client = await socket.greet('protobuf');
    client.send(ask(1), { type: 'ping', id: 2 });
    assert.equal((await client.next('error')).code, 'OVERLOADED');
    const other = await socket.greet('protobuf');
    await other.roundTrip();
    assert.deepEqual(client.inbox, []);
  });

  it('tells everybody, some in each turn, in order', async () => {
    socket = await AppSocket.start({ appBroadcast: 2 });
    const clients = await Promise.all(Array.from({ length: 5 }, () => socket.greet('protobuf')));
    socket.server.roleChanged('FOLLOWER', 4, 'n2', 'LEADER_ELECTED');
    socket.server.setPressure('STOP');
    socket.server.roleChanged('FOLLOWER', 5, undefined, 'ELECTION_TIMEOUT');
    socket.server.roleChanged('FOLLOWER', 6, 'n3', 'LEADER_ELECTED');
    for (const client of clients) {
      await client.next('roleChanged', ({ term }) => term === 6);
      const told = client.inbox.map((frame) => (frame.type === 'roleChanged' ? frame.term : frame.type));
      // Term 5 was over before anybody was told.
      assert.deepEqual(told, [4, 'pressure']);
    }
  });

  it('cuts those that leave the most unread, when all together leave too much', async () => {
    socket = await AppSocket.start();
    const result = Buffer.alloc(1_000_000);
    socket.host.answer = () => ({ index: 1, term: 1, result });
    const [deaf, other] = [await socket.greet('protobuf'), await socket.greet('protobuf')];
    deaf.socket.pause();
    for (let id = 1; id <= 4; id++) deaf.send(ask(id));
    while (socket.server.stats().outputBytes < 3_000_000) await other.roundTrip();
    assert.equal(socket.server.shed(10_000_000), 0);
    assert.equal(socket.server.shed(1_000_000), 1);
    deaf.socket.resume();
    await deaf.closed;
    await other.roundTrip();
    assert.equal(socket.server.stats().connections, 1);
  });
});
