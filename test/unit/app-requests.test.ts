/** Hello, requests, errors and the end of a connection, over a real socket, in both codecs. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { refusal } from '../../shared/codes.ts';
import { type CodecName, PROTOBUF_PREAMBLE } from '../../shared/wire/app-codec.ts';
import type { AppClient } from '../support/app-client.ts';
import { AppSocket } from '../support/app-socket.ts';

const CODECS: readonly CodecName[] = ['json', 'protobuf'];
const at = (index: number) => ({ index, term: 3 });

describe('app socket: requests', () => {
  let socket: AppSocket;
  const start = async (limits = {}) => {
    socket = await AppSocket.start(limits);
    return socket;
  };
  afterEach(() => socket.stop());

  const expectError = async (client: AppClient, code: string, message: RegExp, id?: number) => {
    const error = await client.next('error');
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.equal(error.id, id);
    assert.equal(error.definite, code !== 'SHUTTING_DOWN' && code !== 'TIMEOUT');
    return error;
  };

  it('says exactly this in JSON', async () => {
    const { host } = await start();
    const client = await socket.open('json');
    client.sendRaw(
      '{"hello":{"protocol":1,"app":"t"}}\n{"propose":{"id":1,"command":"YQ=="}}\n{"ping":{"id":2}}\n',
    );
    await host.until(() => host.proposals.length === 1);
    host.proposals[0]?.done({ index: 7, term: 3, result: Buffer.from('ok') });
    client.sendRaw('{"nothing":{"id":3}}\n');
    await client.next('error');
    assert.deepEqual(client.received.toString().trimEnd().split('\n'), [
      '{"welcome":{"protocol":1,"cluster":"orders","node":"n1","group":"","epoch":0,"role":"LEADER","term":3,"leader":"n1","commitIndex":0,"firstIndex":1,"limits":{"frameBytes":4194304,"commandBytes":1048576,"inFlight":4096}}}',
      '{"pong":{"id":2}}',
      '{"proposed":{"id":1,"index":7,"term":3,"result":"b2s="}}',
      '{"error":{"id":3,"code":"BAD_REQUEST","definite":true,"message":"there is no frame \\"nothing\\""}}',
    ]);
  });

  for (const name of CODECS) {
    describe(name, () => {
      it('answers out of order, each to its id', async () => {
        const { host } = await start();
        const client = await socket.greet(name);
        client.send(
          { type: 'propose', id: 11, command: Buffer.from('a') },
          {
            type: 'propose',
            id: 12,
            command: Buffer.from('b'),
            wait: 'COMMITTED',
            session: 5,
            sequence: 6,
            ackBelow: 2,
            expectedTerm: 3,
            timeoutMs: 99,
          },
          { type: 'read', id: 13 },
        );
        await host.until(() => host.reads.length === 1);
        const [first, second] = host.proposals;
        assert.deepEqual(
          { ...second?.request, command: String(second?.request.command) },
          {
            command: 'b',
            session: 5,
            sequence: 6,
            ackBelow: 2,
            expectedTerm: 3,
            wait: 'COMMITTED',
            timeoutMs: 99,
          },
        );
        assert.deepEqual(
          [first?.request.wait, first?.request.timeoutMs, first?.request.session],
          ['APPLIED', 10_000, 0],
        );
        host.reads[0]?.done({ index: 4 });
        second?.done({ ...at(5), duplicate: true, resultLost: true });
        first?.done(refusal('LEADER_LOST', 'who knows', { leader: 'n2', retryAfterMs: 5 }));
        assert.equal((await client.next('readReady')).index, 4);
        assert.deepEqual(await client.next('proposed'), {
          type: 'proposed',
          id: 12,
          index: 5,
          term: 3,
          duplicate: true,
          resultLost: true,
        });
        assert.deepEqual(await client.next('error'), {
          type: 'error',
          id: 11,
          code: 'LEADER_LOST',
          definite: false,
          message: 'who knows',
          leader: 'n2',
          retryAfterMs: 5,
        });
      });

      it('reads frames that arrive byte by byte', async () => {
        await start();
        const client = await socket.open(name, { bare: true });
        client.socket.setNoDelay(true);
        const hello = client.encode(
          { type: 'hello', protocol: 1, app: 't', group: '' },
          { type: 'ping', id: 9 },
        );
        const bytes = name === 'json' ? hello : Buffer.concat([PROTOBUF_PREAMBLE, hello]);
        for (const byte of bytes) await new Promise((sent) => client.socket.write(Buffer.of(byte), sent));
        await client.next('welcome');
        assert.equal((await client.next('pong')).id, 9);
      });

      it('refuses a duplicate id, and one request too many, and goes on', async () => {
        const { host } = await start({ requestsPerConnection: 2 });
        const client = await socket.greet(name);
        const command = Buffer.from('x');
        client.send({ type: 'propose', id: 1, command }, { type: 'propose', id: 1, command });
        await expectError(client, 'BAD_REQUEST', /request 1 is already open/, 1);
        client.send({ type: 'read', id: 2 }, { type: 'read', id: 3 });
        const error = await expectError(client, 'OVERLOADED', /2 open requests, which is the limit/, 3);
        assert.equal(error.retryAfterMs, 100);
        host.proposals[0]?.done(at(1));
        await client.next('proposed');
        client.send({ type: 'propose', id: 1, command });
        await host.until(() => host.proposals.length === 2);
      });

      it('refuses requests that cannot be, and goes on', async () => {
        await start({ commandBytes: 10 });
        const client = await socket.greet(name);
        client.send({ type: 'propose', id: 1, command: Buffer.alloc(11) });
        await expectError(client, 'TOO_LARGE', /11 bytes, over the limit of 10/, 1);
        client.send({ type: 'read', id: 2, consistency: 'AT_LEAST' });
        await expectError(client, 'BAD_REQUEST', /AT_LEAST needs an index/, 2);
        const command = Buffer.from('a');
        client.send(
          { type: 'propose', id: 3, command, session: 7 },
          { type: 'propose', id: 4, command, session: 7, sequence: 2, ackBelow: 3 },
          { type: 'keepSession', id: 5, session: 0 },
        );
        await expectError(client, 'BAD_REQUEST', /session and sequence come together/, 3);
        await expectError(client, 'BAD_REQUEST', /ackBelow is 3, but .* is 2/, 4);
        await expectError(client, 'BAD_REQUEST', /keepSession.session is missing/, 5);
        client.send({ type: 'snapshotBegin', index: 3, format: 'x' });
        await expectError(client, 'BAD_REQUEST', /said in hello that it has snapshots/);
        client.send({ type: 'applied', through: 1, results: [] });
        await expectError(client, 'BAD_REQUEST', /only for a connection that said hello as a state machine/);
        client.hello();
        await expectError(client, 'BAD_REQUEST', /said already/);
        await client.roundTrip();
      });

      it('opens, keeps and closes sessions, and tells those who used one that it expired', async () => {
        const { host } = await start();
        const client = await socket.greet(name);
        const other = await socket.greet(name);
        client.send({ type: 'openSession', id: 1, ttlMs: 5_000 }, { type: 'openSession', id: 2 });
        await host.until(() => host.sessions.length === 2);
        assert.deepEqual(
          host.sessions.map(({ request }) => request),
          [
            { act: 'OPEN', ttlMs: 5_000, timeoutMs: 10_000 },
            { act: 'OPEN', ttlMs: undefined, timeoutMs: 10_000 },
          ],
        );
        host.sessions[0]?.done({ session: 12 });
        host.sessions[1]?.done(refusal('OVERLOADED', 'too many', { retryAfterMs: 1_000 }));
        assert.deepEqual(await client.next('sessionOpened'), { type: 'sessionOpened', id: 1, session: 12 });
        await expectError(client, 'OVERLOADED', /too many/, 2);
        client.send(
          { type: 'keepSession', id: 3, session: 13 },
          { type: 'closeSession', id: 4, session: 12 },
        );
        await host.until(() => host.sessions.length === 4);
        for (const { request, done } of host.sessions.slice(2))
          done({ session: 'session' in request ? request.session : 0 });
        assert.deepEqual(await client.next('sessionKept'), { type: 'sessionKept', id: 3 });
        assert.deepEqual(await client.next('sessionClosed'), { type: 'sessionClosed', id: 4 });
        socket.server.sessionsExpired([12, 13, 14]);
        assert.deepEqual(await client.next('sessionExpired'), { type: 'sessionExpired', session: 13 });
        await client.roundTrip();
        await other.roundTrip();
      });

      it('clips timeouts', async () => {
        const { host } = await start();
        const client = await socket.greet(name);
        client.send({ type: 'read', id: 1, timeoutMs: 4_000_000_000 }, { type: 'read', id: 2, timeoutMs: 0 });
        await host.until(() => host.reads.length === 2);
        assert.deepEqual(
          host.reads.map(({ request }) => request.timeoutMs),
          [600_000, 1],
        );
      });

      it('wants hello first, and the right one', async () => {
        await start();
        const client = await socket.open(name);
        client.send({ type: 'propose', id: 6, command: Buffer.alloc(0) });
        await expectError(client, 'BAD_REQUEST', /first frame must be hello/, 6);
        client.hello();
        await client.next('welcome');
        const wrong = [
          { hello: { protocol: 2 }, code: 'UNSUPPORTED', message: /this sidecar speaks 1/ },
          { hello: { group: 'g2' }, code: 'BAD_REQUEST', message: /no group "g2"/ },
          { hello: { app: 'x'.repeat(201) }, code: 'BAD_REQUEST', message: /more than 200 characters/ },
          {
            hello: {
              stateMachine: { appliedIndex: 1, appliedHash: Buffer.alloc(5), snapshots: 'NONE' as const },
            },
            code: 'BAD_REQUEST',
            message: /5 bytes instead of 32/,
          },
        ];
        for (const { hello, code, message } of wrong) {
          const other = await socket.open(name);
          other.send({ type: 'hello', protocol: 1, app: '', group: '', ...hello });
          await expectError(other, code, message);
          assert.equal((await other.next('goodbye')).reason, code);
          await other.closed;
        }
      });

      it('answers goodbye with goodbye', async () => {
        await start();
        const client = await socket.greet(name);
        client.send({ type: 'goodbye', reason: 'done' });
        await client.next('goodbye');
        await client.closed;
      });

      it('breaks with a last error on half a frame, on a frame too large, and on garbage', async () => {
        await start({ appFrameBytes: 1000 });
        const half = await socket.greet(name);
        const ping = half.encode({ type: 'propose', id: 1, command: Buffer.alloc(50) });
        half.socket.end(ping.subarray(0, 20));
        await expectError(half, 'BAD_REQUEST', /ended inside a frame/);
        await half.closed;
        const large = await socket.greet(name);
        large.send({ type: 'propose', id: 1, command: Buffer.alloc(2000) });
        await expectError(large, 'TOO_LARGE', /over the limit of 1000 bytes/);
        await large.closed;
        const garbage = await socket.greet(name);
        garbage.sendRaw(name === 'json' ? 'what?\n' : Buffer.from([2, 0x0f, 0xff]));
        await expectError(
          garbage,
          'BAD_REQUEST',
          name === 'json' ? /not JSON: "what\?"/ : /not a protobuf message/,
        );
        await garbage.closed;
      });

      it('answers what is open after the app ended its side', async () => {
        const { host } = await start();
        const client = await socket.greet(name);
        client.socket.end(client.encode({ type: 'propose', id: 1, command: Buffer.from('x') }));
        await host.until(() => host.proposals.length === 1);
        const other = await socket.greet(name);
        for (let turn = 0; turn < 5; turn += 1) await other.roundTrip();
        host.proposals[0]?.done(at(8));
        assert.equal((await client.next('proposed')).index, 8);
        await client.closed;
      });

      it('survives 2,000 damaged frames while it serves others', async () => {
        const { host } = await start({ helloMs: 500 });
        host.answer = () => at(1);
        const witness = await socket.greet(name);
        const random = seeded(name === 'json' ? 1 : 2);
        const plain = [
          witness.encode({ type: 'hello', protocol: 1, app: 'f', group: '' }),
          witness.encode({
            type: 'propose',
            id: 5,
            command: Buffer.from('hello world'),
            session: 7,
            timeoutMs: 5,
          }),
          witness.encode({ type: 'applied', through: 3, results: [{ index: 3, error: 'é' }] }),
          witness.encode({ type: 'read', id: 9, consistency: 'LEASE', index: 44 }),
        ];
        for (let round = 0; round < 2000; round += 1) {
          const client = await socket.open(name);
          if (round % 3 !== 0) client.hello();
          client.socket.end(damage(plain[round % plain.length] as Buffer, random));
          await client.closed;
          if (round % 100 === 0) {
            witness.send({ type: 'propose', id: round, command: Buffer.from('still here') });
            await witness.next('proposed', (frame) => frame.id === round);
          }
        }
        await witness.roundTrip();
        assert.equal(socket.server.stats().connections, 1);
      });
    });
  }

  it('refuses other first bytes, cut anywhere, and says what it expects', async () => {
    await start();
    for (const first of ['G', 'OUTRIG/2', 'OUTx', ' {', '\n', '\0']) {
      const client = await socket.open('json');
      for (const char of first) client.sendRaw(char);
      await expectError(client, 'BAD_REQUEST', /expected the first byte \{ .* or the eight bytes OUTRIG\/1/);
      await client.closed;
    }
    const silent = await socket.open('json');
    silent.socket.end('OUTRI');
    await expectError(silent, 'BAD_REQUEST', /ended inside a frame/);
  });

  it('closes a connection that does not say hello in time', async () => {
    await start({ helloMs: 30 });
    const client = await socket.open('json');
    await expectError(client, 'BAD_REQUEST', /no hello came within 30 ms/);
    await client.closed;
  });

  it('turns away one connection too many, in its own codec', async () => {
    await start({ appConnections: 1 });
    await socket.greet('json');
    const surplus = await socket.open('protobuf');
    surplus.hello();
    await expectError(surplus, 'OVERLOADED', /1 app connections, which is the limit/);
    await surplus.closed;
    const other = await socket.open('json');
    assert.equal(socket.server.stats().connections, 2);
    await other.close();
  });

  it('tells greeted connections of roles and pressure', async () => {
    const { server } = await start();
    const before = await socket.greet('protobuf');
    const mute = await socket.open('json');
    server.roleChanged('FOLLOWER', 4, undefined, 'HIGHER_TERM');
    server.setPressure('SLOW_DOWN');
    server.setPressure('SLOW_DOWN');
    assert.deepEqual(await before.next('roleChanged'), {
      type: 'roleChanged',
      role: 'FOLLOWER',
      term: 4,
      cause: 'HIGHER_TERM',
    });
    assert.equal((await before.next('pressure')).level, 'SLOW_DOWN');
    const after = await socket.greet('json');
    assert.equal((await after.next('pressure')).level, 'SLOW_DOWN');
    await before.roundTrip();
    assert.deepEqual(before.inbox, []);
    mute.hello();
    await mute.next('welcome');
    assert.equal(
      mute.inbox.some((frame) => frame.type === 'roleChanged'),
      false,
    );
  });

  it('stops reading a client that does not read, with bounded memory, and serves others', async () => {
    const { host, server } = await start({ appOutputBytes: 300_000, appOutputBytesMax: 20_000_000 });
    const result = Buffer.alloc(10_000, 1);
    let taken = 0;
    host.answer = () => {
      taken += 1;
      return { ...at(1), result };
    };
    const client = await socket.open('protobuf', { keepBytes: false });
    client.hello();
    await client.next('welcome');
    client.socket.pause();
    const command = Buffer.alloc(100);
    let written = 0;
    while (written < 4000) {
      client.send(
        ...Array.from({ length: 50 }, (_, at) => ({ type: 'propose' as const, id: written + at, command })),
      );
      written += 50;
    }
    const other = await socket.greet('json');
    for (let turn = 0; turn < 50; turn += 1) await other.roundTrip();
    const before = taken;
    for (let turn = 0; turn < 50; turn += 1) await other.roundTrip();
    assert.equal(taken, before, 'the server went on reading');
    assert.ok(taken < 4000, `all ${taken} requests were taken from a client that reads nothing`);
    assert.ok(server.stats().outputBytes < 320_000, `${server.stats().outputBytes} bytes are waiting`);
    client.socket.resume();
    await client.next('proposed', (frame) => frame.id === 3999);
    assert.equal(taken, 4000);
  });

  it('cuts a client whose unread answers pass the hard bound', async () => {
    const { host, server } = await start({ appOutputBytesMax: 2_000_000 });
    const client = await socket.greet('json');
    client.socket.pause();
    client.send(...[1, 2, 3].map((id) => ({ type: 'propose' as const, id, command: Buffer.alloc(0) })));
    await host.until(() => host.proposals.length === 3);
    for (const { done } of host.proposals) done({ ...at(1), result: Buffer.alloc(1_000_000) });
    client.socket.resume();
    await client.closed;
    assert.equal(server.stats().connections, 0);
  });

  it('says goodbye to all when it closes, after the open requests were answered', async () => {
    const { host, server } = await start();
    const idle = await socket.greet('json');
    const busy = await socket.greet('protobuf');
    busy.send({ type: 'propose', id: 1, command: Buffer.from('x') });
    await host.until(() => host.proposals.length === 1);
    const closed = server.close();
    assert.equal((await idle.next('goodbye')).reason, 'SHUTTING_DOWN');
    host.proposals[0]?.done(refusal('SHUTTING_DOWN', 'this node is stopping'));
    await expectError(busy, 'SHUTTING_DOWN', /stopping/, 1);
    assert.equal((await busy.next('goodbye')).reason, 'SHUTTING_DOWN');
    await closed;
    assert.equal(existsSync(socket.path), false);
    await idle.closed;
  });

  it('ignores answers for a connection that is gone', async () => {
    const { host } = await start();
    const client = await socket.greet('json');
    client.send({ type: 'propose', id: 1, command: Buffer.from('x') });
    await host.until(() => host.proposals.length === 1);
    await client.close();
    const other = await socket.greet('json');
    host.proposals[0]?.done(at(1));
    await other.roundTrip();
    assert.equal(socket.server.stats().openRequests, 0);
  });
});

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Flips, inserts, removes or cuts a few bytes. */
function damage(frame: Buffer, random: () => number): Buffer {
  let bytes = Buffer.from(frame);
  const times = 1 + Math.floor(random() * 3);
  for (let time = 0; time < times; time += 1) {
    const place = Math.floor(random() * bytes.length);
    const byte = Math.floor(random() * 256);
    const kind = Math.floor(random() * 4);
    if (kind === 0) bytes[place] = byte;
    else if (kind === 1)
      bytes = Buffer.concat([bytes.subarray(0, place), Buffer.of(byte), bytes.subarray(place)]);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)]);
    else bytes = bytes.subarray(0, Math.max(1, place));
  }
  return bytes;
}
