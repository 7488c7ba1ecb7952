/** The transport over real sockets: order, refusals, broken peers, restarts, bounds. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { LIMITS } from '../../shared/limits.ts';
import type { SnapshotData } from '../../shared/messages.ts';
import { PeerEncoder } from '../../sidecar/peers/codec.ts';
import { Dialer } from '../../sidecar/peers/dialer.ts';
import { type FrameFault, frameOf } from '../../sidecar/peers/framing.ts';
import { encodeHello, encodeHelloReply, type HelloReply } from '../../sidecar/peers/hello-codec.ts';
import type { TransportOptions } from '../../sidecar/peers/transport.ts';
import {
  ACCEPT,
  everyMessage,
  HOST,
  helloOf,
  makeAppend,
  makeEntries,
  plain,
  RawListener,
  RawPeer,
  seeded,
  startCluster,
  TestNode,
} from './peers-support.ts';

const MEGABYTE = 1024 * 1024;

function chunkOf(from: string, to: string, offset: number): SnapshotData {
  const header = { type: 'SnapshotData', group: '', from, to, id: 1, index: 1, term: 1 } as const;
  const size = offset + MEGABYTE;
  return { ...header, offset, data: Buffer.alloc(MEGABYTE, offset), size, digest: Buffer.alloc(32) };
}

describe('peers: transport', () => {
  const open: { close(): Promise<void> }[] = [];

  function node(id: string, options: Partial<TransportOptions> = {}): TestNode {
    const created = new TestNode(id, options);
    open.push(created.transport);
    return created;
  }

  async function listener(...reply: ConstructorParameters<typeof RawListener>): Promise<RawListener> {
    const created = await new RawListener(...reply).listen();
    open.push(created);
    return created;
  }

  async function pair(): Promise<[TestNode, TestNode]> {
    const nodes: [TestNode, TestNode] = [node('a'), node('b')];
    await startCluster(nodes);
    return nodes;
  }

  afterEach(async () => {
    await Promise.all(open.splice(0).map((closable) => closable.close()));
  });

  it('delivers every message type in order, in both directions', async () => {
    const [a, b] = await pair();
    const there = everyMessage('a', 'b');
    const back = everyMessage('b', 'a').reverse();
    for (const message of there) a.transport.send(message);
    for (const message of back) b.transport.send(message);
    await b.until(() => b.messages.length === there.length);
    await a.until(() => a.messages.length === back.length);
    assert.deepEqual(b.messages.map(plain), there.map(plain));
    assert.deepEqual(a.messages.map(plain), back.map(plain));
  });

  it('streams 100,000 entries to two followers in order, and encodes each batch once', async () => {
    const nodes = [node('a'), node('b'), node('c')] as const;
    await startCluster(nodes);
    const [a, ...followers] = nodes;
    const last = new Map<string, number>();
    for (let first = 1; first <= 100_000; first += 250) {
      const entries = makeEntries(first, 250);
      for (const { id } of followers) a.transport.send(makeAppend('a', id, entries));
      if (first % 10_000 === 1) await new Promise(setImmediate);
    }
    for (const follower of followers) {
      await follower.until(() => follower.messages.length === 400);
      for (const message of follower.messages) {
        assert.ok(message.type === 'Append' && message.from === 'a' && message.to === follower.id);
        for (const entry of message.entries) {
          assert.equal(entry.index, (last.get(follower.id) ?? 0) + 1);
          assert.equal(entry.command[0], entry.index & 0xff);
          last.set(follower.id, entry.index);
        }
      }
      assert.equal(last.get(follower.id), 100_000);
    }
    assert.equal(a.transport.counters().encodes, 400);
  });

  it('tells HTTP addresses in both directions', async () => {
    const [a, b] = [node('a'), node('b')];
    a.transport.announceHttp('http://127.0.0.1:8001');
    b.transport.announceHttp('http://127.0.0.1:8002');
    await startCluster([a, b]);
    assert.equal(a.link('b').http, 'http://127.0.0.1:8002');
    assert.equal(b.link('a').http, 'http://127.0.0.1:8001');
    // b is told although it cannot reach c.
    const raw = new RawPeer(b.port);
    b.transport.setMembers([a.address, { id: 'c', host: HOST, port: 1 }]);
    assert.equal((await raw.greet(helloOf('c', 'b', { http: 'http://[::1]:9' }))).ok, true);
    assert.equal(b.link('c').http, 'http://[::1]:9');
    raw.socket.destroy();
  });

  const refusals: [string, Partial<TransportOptions>, string, RegExp][] = [
    ['another cluster', { cluster: 'c2' }, 'b', /^WRONG_CLUSTER: b belongs to cluster "c1", not "c2"$/],
    ['a name that is not its own', {}, 'x', /^WRONG_NODE: this is node b, not "x"$/],
  ];
  for (const [what, options, called, reason] of refusals) {
    it(`refuses ${what}, with the reason on the link`, async () => {
      const b = await node('b', { members: [{ id: 'a', host: HOST, port: 1 }] }).start();
      const a = await node('a', { ...options, members: [{ id: called, host: HOST, port: b.port }] }).start();
      await a.until(() => a.logs.some((line) => line.startsWith('peer refused us')));
      assert.equal(a.link(called).state, 'REFUSED');
      assert.match(a.link(called).reason, reason);
      a.transport.send({ type: 'TimeoutNow', group: '', from: 'a', to: called, term: 1 });
      assert.equal(a.link(called).droppedMessages, 1);
      assert.deepEqual(b.links, []);
    });
  }

  it('answers nodes that its log does not name, so many at a time, if they say where', async () => {
    const b = await node('b', { members: [] }).start();
    const raws: RawPeer[] = [];
    const greet = (from: string, peer: string): Promise<HelloReply> => {
      const raw = new RawPeer(b.port);
      raws.push(raw);
      return raw.greet(helloOf(from, 'b', { peer }));
    };
    const nowhere = await greet('stranger', '');
    assert.deepEqual(
      [nowhere.ok, nowhere.code, nowhere.message],
      [false, 'UNKNOWN_NODE', 'b knows no other member called "stranger"'],
    );
    for (let at = 0; at < LIMITS.peerGuests; at++) assert.ok((await greet(`guest-${at}`, `${HOST}:1`)).ok);
    assert.equal((await greet('one-more', `${HOST}:1`)).code, 'UNKNOWN_NODE');
    assert.equal(b.transport.links().length, LIMITS.peerGuests);
    raws[1]?.socket.destroy();
    await b.until(() => b.transport.links().every(({ id }) => id !== 'guest-0'));
    assert.ok((await greet('one-more', `${HOST}:1`)).ok);
    for (const { socket } of raws) socket.destroy();
  });

  it('refuses another protocol and a wrong HTTP address', async () => {
    const b = await node('b', { members: [{ id: 'a', host: HOST, port: 1 }] }).start();
    for (const [change, words] of [
      [{ protocol: 2 }, /b speaks peer protocol 1, not 2/],
      [{ http: 'javascript:alert(1)' }, /HTTP address/],
    ] as const) {
      const raw = new RawPeer(b.port);
      const reply = await raw.greet(helloOf('a', 'b', change));
      assert.equal(reply.code, 'PROTOCOL');
      assert.match(reply.message, words);
      await raw.closed;
    }
  });

  it('closes only the connection that broke the protocol, and counts why', async () => {
    const [a, b] = await pair();
    b.transport.setMembers([a.address, { id: 'x', host: HOST, port: 1 }]);
    const corrupt = frameOf(Buffer.from([0x10, 0x01]));
    corrupt.writeUInt32LE(1, 4);
    const tooLong = Buffer.alloc(8);
    tooLong.writeUInt32LE(LIMITS.peerFrameBytes + 1);
    const [one, , three] = makeEntries(1, 3);
    assert.ok(one !== undefined && three !== undefined);
    const gap = new PeerEncoder().encode(makeAppend('x', 'b', [one, three]));
    const cases: [FrameFault, Buffer][] = [
      ['BAD_CRC', corrupt],
      ['TOO_LONG', tooLong],
      ['UNDECODABLE', frameOf(Buffer.from('ffffffff', 'hex'))],
      ['UNDECODABLE', gap],
      ['NOT_ALLOWED', encodeHello(helloOf('x', 'b'))],
      ['NOT_ALLOWED', encodeHelloReply(ACCEPT)],
    ];
    for (const [fault, bytes] of cases) {
      const raw = new RawPeer(b.port);
      assert.equal((await raw.greet(helloOf('x', 'b'))).ok, true);
      const before = b.transport.counters()[fault];
      raw.socket.write(bytes);
      await raw.closed;
      assert.equal(b.transport.counters()[fault], before + 1);
    }
    a.transport.send({ type: 'TimeoutNow', group: '', from: 'a', to: 'b', term: 1 });
    await b.until(() => b.messages.length > 0);
    assert.deepEqual(
      b.messages.map(({ from }) => from),
      ['a'],
    );
    assert.ok(!a.links.includes('b OUT down') && !b.links.includes('a IN down'));
  });

  it('closes a connection whose first bytes are not a hello', async () => {
    const b = await node('b', { members: [{ id: 'a', host: HOST, port: 1 }] }).start();
    const early = new PeerEncoder().encode({ type: 'TimeoutNow', group: '', from: 'a', to: 'b', term: 1 });
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), early, frameOf(Buffer.alloc(0))]) {
      const raw = new RawPeer(b.port);
      raw.socket.write(bytes);
      await raw.closed;
      assert.deepEqual(raw.replies, []);
    }
    assert.equal(b.transport.counters().TOO_LONG, 1);
    assert.equal(b.transport.counters().NOT_ALLOWED, 2);
    assert.deepEqual(b.messages, []);
  });

  it('takes frames that come byte by byte', async () => {
    const b = await node('b', { members: [{ id: 'a', host: HOST, port: 1 }] }).start();
    const raw = new RawPeer(b.port);
    const messages = everyMessage('a', 'b');
    const encoder = new PeerEncoder();
    const bytes = Buffer.concat([
      encodeHello(helloOf('a', 'b')),
      ...messages.map((one) => encoder.encode(one)),
    ]);
    for (const byte of bytes) {
      raw.socket.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    await b.until(() => b.messages.length === messages.length);
    assert.deepEqual(b.messages.map(plain), messages.map(plain));
    raw.socket.destroy();
    await b.until(() => b.links.includes('a IN down'));
  });

  it('survives 300 connections that send noise', async () => {
    const [a, b] = await pair();
    b.transport.setMembers([a.address, { id: 'x', host: HOST, port: 1 }]);
    const random = seeded(7);
    for (let round = 0; round < 300; round++) {
      const raw = new RawPeer(b.port);
      if (round % 2 === 0) raw.socket.write(encodeHello(helloOf('x', 'b')));
      const noise = Buffer.from(Array.from({ length: 40 }, () => Math.floor(random() * 256)));
      raw.socket.end(round % 3 === 0 ? noise : frameOf(noise));
      await raw.closed;
    }
    a.transport.send({ type: 'TimeoutNow', group: '', from: 'a', to: 'b', term: 1 });
    await b.until(() => b.messages.some(({ from }) => from === 'a'));
  });

  it('reconnects after a peer restarted', async () => {
    const [a, b] = await pair();
    await b.transport.close();
    await a.until(() => a.links.includes('b OUT down'));
    assert.notEqual(a.link('b').reason, '');
    const again = node('b', { listen: { host: HOST, port: b.port }, members: [a.address] });
    await again.start();
    await a.untilLink('b', 'CONNECTED');
    a.transport.send({ type: 'TimeoutNow', group: '', from: 'a', to: 'b', term: 1 });
    await again.until(() => again.messages.length === 1);
    await again.untilLink('a', 'CONNECTED');
  });

  it('dials again by itself, each time after a longer pause', async () => {
    const peer = await listener(ACCEPT, (socket) => socket.end());
    await node('a', { members: [{ id: 'p', host: HOST, port: peer.port }], random: () => 1 }).start();
    await peer.untilHellos(5);
    for (let at = 1; at < 5; at++) {
      const pause = (peer.hellos[at] ?? 0) - (peer.hellos[at - 1] ?? 0);
      // Timers may fire up to 1 ms early by our clock.
      assert.ok(pause >= LIMITS.peerRedialMinMs * 2 ** (at - 1) - 2, `pause ${at} was ${pause} ms`);
    }
  });

  it('asks a peer that refused it again, slowly', async () => {
    const peer = await listener({
      ok: false,
      code: 'UNKNOWN_NODE',
      message: 'not yet',
      http: '',
      features: 0,
      incarnation: '',
    });
    const members = [{ id: 'p', host: HOST, port: peer.port }];
    const a = await node('a', { members, random: () => 0 }).start();
    await peer.untilHellos(2);
    assert.ok((peer.hellos[1] ?? 0) - (peer.hellos[0] ?? 0) >= LIMITS.peerRefusedMs / 2 - 2);
    while (a.link('p').state !== 'REFUSED') await new Promise(setImmediate);
    assert.equal(a.logs.filter((line) => line.startsWith('peer refused us')).length, 1, 'logged once');
  });

  it('dials at once when a peer it waits for says hello', async () => {
    const code = 'UNKNOWN_NODE';
    const peer = await listener({
      ok: false,
      code,
      message: 'not yet',
      http: '',
      features: 0,
      incarnation: '',
    });
    const members = [{ id: 'p', host: HOST, port: peer.port }];
    // Its timer stands so far in the future that this test would not live to see it.
    const a = await node('a', { members, random: () => 1_000 }).start();
    await a.untilLink('p', 'REFUSED');
    const raw = new RawPeer(a.port);
    await raw.greet(helloOf('p', 'a'));
    await peer.untilHellos(2);
    raw.socket.destroy();
  });

  it('lets a newer connection of a peer take the place of the older', async () => {
    const b = await node('b', { members: [{ id: 'a', host: HOST, port: 1 }] }).start();
    const older = new RawPeer(b.port);
    await older.greet(helloOf('a', 'b'));
    const newer = new RawPeer(b.port);
    await newer.greet(helloOf('a', 'b'));
    await older.closed;
    newer.socket.write(
      new PeerEncoder().encode({ type: 'TimeoutNow', group: '', from: 'a', to: 'b', term: 1 }),
    );
    await b.until(() => b.messages.length === 1);
    assert.deepEqual(b.links, ['a IN up', 'a IN down', 'a IN up']);
    newer.socket.destroy();
  });

  it('drops and counts what does not fit in the queue of a peer that does not read', async () => {
    const stuck: Socket[] = [];
    const peer = await listener(ACCEPT, (socket) => stuck.push(socket.pause()));
    const other = await node('b').start();
    const members = [{ id: 'p', host: HOST, port: peer.port }, other.address];
    const a = await node('a', { members }).start();
    other.transport.setMembers([a.address]);
    await Promise.all([a.untilLink('p', 'CONNECTED'), a.untilLink('b', 'CONNECTED')]);
    const fit = Math.floor(LIMITS.peerQueueBytes / (MEGABYTE + 1));
    for (let offset = 0; offset < 40; offset++) a.transport.send(chunkOf('a', 'p', offset));
    assert.equal(a.link('p').droppedMessages, 40 - fit);
    assert.ok(a.link('p').queuedBytes <= LIMITS.peerQueueBytes);
    assert.ok(a.link('p').queuedBytes > LIMITS.peerQueueBytes - 2 * MEGABYTE);
    a.transport.send({ type: 'TimeoutNow', group: '', from: 'a', to: 'b', term: 1 });
    await other.until(() => other.messages.length === 1);
    assert.equal(a.link('b').droppedMessages, 0);
    assert.equal(stuck.length, 1);
  });

  it('drops what is for nobody, for nobody yet, and over the frame limit', async () => {
    const [a, b] = await pair();
    a.transport.send(chunkOf('a', 'nobody', 0));
    assert.equal(a.transport.counters().noSuchPeer, 1);
    a.transport.send({ ...chunkOf('a', 'b', 0), data: Buffer.alloc(LIMITS.peerFrameBytes) });
    assert.equal(a.transport.counters().tooLarge, 1);
    a.transport.setMembers([{ id: 'c', host: HOST, port: 1 }]);
    a.transport.send(chunkOf('a', 'c', 0));
    assert.equal(a.link('c').droppedMessages, 1);
    await a.until(() => a.links.includes('b OUT down') && a.links.includes('b IN down'));
    await b.until(() => b.links.includes('a IN down'));
    assert.deepEqual(b.messages, []);
  });

  it('refuses addresses off this machine, and an address in use', async () => {
    assert.throws(
      () => node('a', { listen: { host: '0.0.0.0', port: 0 } }),
      /peer listen address "0.0.0.0" .* TLS/,
    );
    const member = { id: 'b', host: '10.0.0.2', port: 1 };
    assert.throws(() => node('a', { members: [member] }), /address of b "10.0.0.2" is not a loopback/);
    const a = await node('a').start();
    assert.throws(() => a.transport.setMembers([member]), /not a loopback/);
    await assert.rejects(
      node('b', { listen: { host: HOST, port: a.port } }).start(),
      /^Error: cannot listen for peers on 127.0.0.1 port \d+: the address is in use$/,
    );
  });

  it('delivers what was sent before close, and may be closed twice', async () => {
    const [a, b] = await pair();
    for (const message of everyMessage('a', 'b')) a.transport.send(message);
    await Promise.all([a.transport.close(), a.transport.close()]);
    await b.until(() => b.links.includes('a IN down'));
    assert.equal(b.messages.length, everyMessage('a', 'b').length);
    a.transport.send({ type: 'TimeoutNow', group: '', from: 'a', to: 'b', term: 1 });
    await a.transport.close();
  });
});

describe('peers: dialer', () => {
  it('gives up a link on which waiting bytes stand still', async () => {
    const peer = await new RawListener(ACCEPT, (socket) => socket.pause()).listen();
    let dialer: Dialer | undefined;
    const reason = await new Promise<string>((resolve) => {
      const frame = frameOf(Buffer.alloc(15 * MEGABYTE));
      dialer = new Dialer({
        address: { id: 'p', host: HOST, port: peer.port },
        hello: () => helloOf('a', 'p'),
        random: () => 1,
        log: () => undefined,
        stallMs: 100,
        up: () => dialer?.send(frame),
        down: resolve,
        told: () => undefined,
        fault: () => undefined,
      });
      dialer.dialNow();
    });
    assert.equal(reason, 'nothing could be sent for 100 ms');
    assert.equal(dialer?.status().state, 'WAITING');
    dialer?.close('the test is over');
    await peer.close();
  });

  it('closes a link on which the peer sends more than its reply', async () => {
    const peer = await new RawListener(ACCEPT, (socket) => socket.write(encodeHelloReply(ACCEPT))).listen();
    const faults: FrameFault[] = [];
    const reason = await new Promise<string>((resolve) => {
      const dialer = new Dialer({
        address: { id: 'p', host: HOST, port: peer.port },
        hello: () => helloOf('a', 'p'),
        random: () => 1,
        log: () => undefined,
        up: () => undefined,
        down: (why) => {
          dialer.close('the test is over');
          resolve(why);
        },
        told: () => undefined,
        fault: (fault) => faults.push(fault),
      });
      dialer.dialNow();
    });
    assert.match(reason, /ours to send on/);
    assert.deepEqual(faults, ['NOT_ALLOWED']);
    await peer.close();
  });
});
