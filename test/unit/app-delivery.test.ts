/** Delivery to the state machine: order, window, acknowledgements, failure, superseding; over a real socket. */
import assert from 'node:assert/strict';
import { refusal } from '../../shared/codes.ts';
import { ZERO_HASH } from '../../shared/entry.ts';
import type { CodecName } from '../../shared/wire/app-codec.ts';
import type { Delivery } from '../../sidecar/app/host.ts';
import { LagWatch } from '../../sidecar/app/lag-watch.ts';
import type { AppClient } from '../support/app-client.ts';
import { AppSocket } from '../support/app-socket.ts';

const CODECS: readonly CodecName[] = ['json', 'protobuf'];

describe('app socket: delivery', () => {
  let socket: AppSocket;
  const start = async (limits = {}) => {
    socket = await AppSocket.start(limits);
    return socket;
  };
  afterEach(() => socket.stop());

  const commit = (...commands: (string | undefined)[]) => {
    socket.host.commit(...commands);
    socket.server.committed();
  };
  const many = (count: number, size = 1) => Array.from({ length: count }, () => 'x'.repeat(size));
  const ack = (client: AppClient, through: number) => client.send({ type: 'applied', through, results: [] });
  const lastState = () => {
    const { condition, epoch } = socket.host.states.at(-1) ?? { condition: undefined, epoch: undefined };
    return [condition, epoch];
  };
  /** Reads entries until `through`; returns the indexes. */
  const collect = async (client: AppClient, through: number, acknowledge = true): Promise<number[]> => {
    const indexes: number[] = [];
    for (;;) {
      const frame = await client.next('entries');
      indexes.push(...frame.entries.map((entry) => entry.index));
      if (acknowledge) ack(client, frame.through);
      if (frame.through >= through) return indexes;
    }
  };
  const range = (first: number, last: number) =>
    Array.from({ length: last - first + 1 }, (_, at) => first + at);

  for (const name of CODECS) {
    it(`${name}: replays from the plan, then delivers what is committed, and forwards results`, async () => {
      const { host } = await start();
      host.commit('a', 'b', undefined, 'c');
      const client = await socket.open(name);
      client.hello({ appliedIndex: 1, appliedHash: Buffer.alloc(32, 7), snapshots: 'BLOB' });
      const welcome = await client.next('welcome');
      assert.deepEqual([welcome.plan, welcome.epoch], [{ replayFrom: 2 }, 1]);
      assert.deepEqual(host.positions, [
        { app: 'test', appliedIndex: 1, appliedHash: '\x07'.repeat(32), snapshots: 'BLOB', version: 0 },
      ]);
      const first = await client.next('entries');
      assert.equal(first.through, 4);
      assert.equal(Buffer.from(first.hash).toString('latin1'), ZERO_HASH);
      assert.deepEqual(
        first.entries.map(({ index, term, time, command, ...rest }) => [
          index,
          term,
          time,
          String(command),
          rest,
        ]),
        [
          [2, 3, 1_700_000_000_001, 'b', {}],
          [4, 3, 1_700_000_000_003, 'c', {}],
        ],
      );
      client.send({
        type: 'applied',
        through: 4,
        results: [
          { index: 2, result: Buffer.from('B') },
          { index: 4, error: 'no' },
        ],
      });
      await host.until(() => host.acks.length === 1);
      const [got] = host.acks;
      assert.deepEqual([got?.epoch, got?.through], [1, 4]);
      assert.deepEqual(
        got?.results.map(({ index, result, error }) => [index, result && String(result), error]),
        [
          [2, 'B', undefined],
          [4, undefined, 'no'],
        ],
      );
      commit('d');
      assert.deepEqual(
        (await client.next('entries')).entries.map(({ index }) => index),
        [5],
      );
    });
  }

  it('says exactly this in JSON', async () => {
    const { host } = await start();
    host.commit('a', undefined);
    const client = await socket.greet('json', {});
    await client.next('entries');
    const hash = Buffer.alloc(32).toString('base64');
    assert.equal(
      client.received.toString().split('\n')[1],
      `{"entries":{"through":2,"hash":"${hash}","entries":[{"index":1,"term":3,"time":1700000000000,"command":"YQ=="}]}}`,
    );
  });

  it('says which version commands are of, and gives none of a version that the app does not know', async () => {
    const { host } = await start();
    host.version = 1;
    const client = await socket.greet('json', { version: 1 });
    commit('a');
    const frame = await client.next('entries');
    assert.deepEqual([frame.version, frame.entries.length], [1, 1]);
    host.version = 2;
    commit(undefined);
    assert.equal((await client.next('entries')).through, 2, 'nothing to misunderstand');
    commit('b', 'c');
    const { code, definite, id, message } = await client.next('error');
    assert.deepEqual([code, definite, id], ['UNSUPPORTED', true, undefined]);
    assert.equal(message, 'from entry 3 on commands are of version 2, and the app knows 1 at most');
    assert.deepEqual(lastState(), ['OUTDATED', 1]);
    ack(client, 2);
    await host.until(() => host.acks.at(-1)?.through === 2);
    assert.deepEqual(lastState(), ['OUTDATED', 1], 'what it still acknowledges does not make it newer');

    const newer = await socket.greet('json', { appliedIndex: 2, version: 2 });
    const rest = await newer.next('entries');
    assert.deepEqual([rest.version, rest.entries.map(({ index }) => index)], [2, [3, 4]]);
    assert.deepEqual(lastState(), ['HEALTHY', 2]);
  });

  it('says at once that an app is of before', async () => {
    const { host } = await start();
    host.version = 3;
    await socket.greet('json', { version: 2 });
    await host.until(() => host.states.length > 0);
    assert.deepEqual(lastState(), ['OUTDATED', 1]);
  });

  it('moves through and applied over entries that are no commands, without waiting for the app', async () => {
    const { host } = await start();
    const client = await socket.greet('json', {});
    commit(undefined, undefined);
    const frame = await client.next('entries');
    assert.deepEqual([frame.through, frame.entries], [2, []]);
    assert.deepEqual(host.acks.at(-1), { epoch: 1, through: 2, results: [] });
    commit('a', undefined, 'b', undefined);
    await client.next('entries');
    ack(client, 3);
    await host.until(() => host.acks.at(-1)?.through === 4);
    ack(client, 5);
    await host.until(() => host.acks.at(-1)?.through === 6);
  });

  it('keeps to the window in entries until the app applies', async () => {
    const { server } = await start({ deliveryEntries: 4 });
    const client = await socket.greet('protobuf', { windowEntries: 10 });
    commit(...many(25));
    assert.deepEqual(await collect(client, 10, false), range(1, 10));
    await client.roundTrip();
    assert.deepEqual(client.inbox, []);
    assert.equal(server.stats().inFlightEntries, 10);
    ack(client, 3);
    assert.deepEqual(await collect(client, 13, false), [11, 12, 13]);
    await client.roundTrip();
    assert.deepEqual(client.inbox, []);
    ack(client, 13);
    assert.deepEqual(await collect(client, 25), range(14, 25));
  });

  it('keeps to the window in bytes; an entry larger than the window goes alone', async () => {
    const { server } = await start();
    const client = await socket.greet('json', { windowBytes: 1000 });
    commit(...many(10, 236), 'y'.repeat(5000), 'z');
    assert.deepEqual(await collect(client, 3, false), [1, 2, 3]);
    await client.roundTrip();
    assert.deepEqual(client.inbox, []);
    assert.ok(server.stats().inFlightBytes <= 1000);
    ack(client, 2);
    assert.deepEqual(await collect(client, 5, false), [4, 5]);
    ack(client, 10 - 5);
    assert.deepEqual(await collect(client, 10), range(6, 10));
    assert.deepEqual(await collect(client, 11, false), [11]);
    await client.roundTrip();
    assert.deepEqual(client.inbox, []);
    ack(client, 11);
    assert.deepEqual(await collect(client, 12), [12]);
  });

  it('clips the window to the limits', async () => {
    const { server } = await start({ windowEntriesMax: 5 });
    const client = await socket.greet('json', { windowEntries: 1000 });
    commit(...many(10));
    await collect(client, 5, false);
    await client.roundTrip();
    assert.equal(server.stats().delivered, 5);
  });

  it('keeps the order, and one pull at a time, when the log answers late', async () => {
    const { host } = await start({ deliveryEntries: 3 });
    const answers: (() => void)[] = [];
    let open = 0;
    host.wrap = (stretch) => {
      open += 1;
      assert.equal(open, 1, 'two pulls at once');
      return new Promise<Delivery | undefined>((resolve) => {
        answers.push(() => {
          open -= 1;
          resolve(stretch);
        });
      });
    };
    const client = await socket.greet('protobuf', {});
    commit(...many(10));
    const collected = collect(client, 12);
    let done = false;
    const finished = collected.finally(() => {
      done = true;
    });
    for (let turn = 0; !done; turn += 1) {
      if (turn === 4) commit('late', 'later');
      await client.roundTrip();
      answers.shift()?.();
    }
    await finished;
    assert.deepEqual(await collected, range(1, 12));
  });

  it('tells the node when the log cannot be read, and does not try again', async () => {
    const { host, faults } = await start();
    host.wrap = () => Promise.reject(new Error('disk I/O error'));
    const client = await socket.greet('json', {});
    commit('a');
    for (let turn = 0; turn < 5; turn += 1) await client.roundTrip();
    commit('b');
    await client.roundTrip();
    assert.deepEqual(
      faults.map((fault) => fault.message),
      ['disk I/O error'],
    );
    assert.equal(host.pulls.length, 1);
  });

  it('ends the connection of an app that claims what it was not given', async () => {
    const { host } = await start();
    host.commit('a', 'b');
    const lies = [
      {
        frame: { type: 'applied', through: 3, results: [] },
        message: /through is 3, but only entries through 2/,
      },
      {
        frame: { type: 'applied', through: 1, results: [{ index: 2 }] },
        message: /result for 2, which is after/,
      },
      { frame: { type: 'applyFailed', index: 3, code: 'X', message: '' }, message: /not applied is 1 to 2/ },
    ] as const;
    for (const { frame, message } of lies) {
      const client = await socket.greet('json', {});
      await client.next('entries');
      client.send(frame);
      const error = await client.next('error');
      assert.deepEqual([error.code, error.definite], ['BAD_REQUEST', true]);
      assert.match(error.message, message);
      await client.closed;
      assert.equal(lastState()[0], 'LIED');
      assert.match(host.states.at(-1)?.reason ?? '', message);
    }
    assert.deepEqual(host.acks, []);
  });

  it('takes an acknowledgement twice, and an older one, as nothing new', async () => {
    const { host } = await start();
    host.commit('a', 'b');
    const client = await socket.greet('json', {});
    await client.next('entries');
    ack(client, 2);
    ack(client, 2);
    client.send({ type: 'applied', through: 1, results: [{ index: 1 }] });
    client.send({ type: 'applied', through: 2, results: [{ index: 2, result: Buffer.from('again') }] });
    await client.roundTrip();
    assert.deepEqual(host.acks, [{ epoch: 1, through: 2, results: [] }]);
  });

  it('stops at applyFailed, and goes on from resume', async () => {
    const { host } = await start();
    host.commit('a', 'b', 'c');
    const client = await socket.greet('protobuf', {});
    await client.next('entries');
    ack(client, 1);
    client.send({ type: 'resume', from: 2 });
    assert.match((await client.next('error')).message, /only for after applyFailed/);
    client.send({ type: 'applyFailed', index: 2, code: 'NO_DISK', message: 'the disk is full' });
    await host.until(() => lastState()[0] === 'FAILED');
    assert.equal(host.states.at(-1)?.reason, 'the app failed to apply entry 2 (NO_DISK: the disk is full)');
    commit('d');
    await client.roundTrip();
    assert.deepEqual(client.inbox, []);
    for (const from of [1, 3, 9]) {
      client.send({ type: 'resume', from });
      assert.match(
        (await client.next('error')).message,
        new RegExp(`resume.from is ${from}, but .* through 1`),
      );
    }
    client.send({ type: 'resume', from: 2 });
    assert.deepEqual(await collect(client, 4), [2, 3, 4]);
    assert.deepEqual(lastState(), ['HEALTHY', 1]);
  });

  it('throws away a pull that was asked for before a resume', async () => {
    const { host } = await start({ deliveryEntries: 2 });
    host.commit(...many(6));
    const waiting: (() => void)[] = [];
    const client = await socket.greet('json', { windowEntries: 4 });
    await collect(client, 4, false);
    host.wrap = (stretch) => new Promise((resolve) => waiting.push(() => resolve(stretch)));
    ack(client, 2);
    await host.until(() => waiting.length === 1);
    client.send({ type: 'applyFailed', index: 3, code: 'X', message: '' }, { type: 'resume', from: 3 });
    await client.roundTrip();
    host.wrap = (stretch) => stretch;
    waiting[0]?.();
    assert.deepEqual(await collect(client, 6), [3, 4, 5, 6]);
  });

  it('is LAGGING without a sign of the app, and HEALTHY at the next', async () => {
    const { host } = await start({ appLagMs: 20, appStallMs: 600_000 });
    const client = await socket.greet('json', {});
    commit('a', 'b');
    await host.until(() => lastState()[0] === 'LAGGING');
    assert.match(host.states.at(-1)?.reason ?? '', /entry 1 and gave no sign of applying it for \d+ ms/);
    await client.next('entries');
    ack(client, 1);
    await host.until(() => lastState()[0] === 'HEALTHY');
    await host.until(() => lastState()[0] === 'LAGGING');
    ack(client, 2);
    await host.until(() => lastState()[0] === 'HEALTHY');
    assert.deepEqual(
      host.states.map(({ condition }) => condition),
      ['HEALTHY', 'LAGGING', 'HEALTHY', 'LAGGING', 'HEALTHY'],
    );
  });

  it('is STALLED when it gives no sign for longer, and HEALTHY at the next', async () => {
    const { host } = await start({ appLagMs: 10, appStallMs: 30 });
    const client = await socket.greet('json', {});
    commit('a', 'b');
    await host.until(() => lastState()[0] === 'STALLED');
    await client.next('entries');
    ack(client, 2);
    await host.until(() => lastState()[0] === 'HEALTHY');
  });

  it('is NOT_READING when nothing of what is sent to it is taken', async () => {
    const { host } = await start({ appLagMs: 10, appStallMs: 30 });
    const client = await socket.greet('json', {});
    client.socket.pause();
    commit(...many(2_000, 1_000));
    await host.until(() => lastState()[0] === 'NOT_READING');
    assert.match(host.states.at(-1)?.reason ?? '', /reads nothing: \d+ bytes have waited for it/);
    client.socket.resume();
    const given = await client.next('entries');
    ack(client, given.through);
    await host.until(() => lastState()[0] === 'HEALTHY');
  });

  it('has CRASHED when it goes in the middle of a batch, and is ABSENT when it leaves in order', async () => {
    const { host } = await start();
    host.commit('a', 'b');
    const dying = await socket.greet('json', {});
    await dying.next('entries');
    ack(dying, 1);
    await dying.roundTrip();
    await dying.close();
    await host.until(() => lastState()[0] === 'CRASHED');
    assert.match(host.states.at(-1)?.reason ?? '', /entries 2 to 2 were given to it and not acknowledged/);
    assert.equal(host.states.at(-1)?.index, 2);
    const leaving = await socket.greet('json', {});
    await leaving.next('entries');
    leaving.send({ type: 'goodbye' });
    await host.until(() => lastState()[0] === 'ABSENT');
  });

  it('hands on what the app says of its state, and takes no position it cannot have', async () => {
    const { host } = await start({ stateHashBytes: 4 });
    host.commit('a', 'b');
    const client = await socket.greet('protobuf', {});
    await client.next('entries');
    const applied = (through: number, index: number, hash: string) =>
      client.send({ type: 'applied', through, results: [], stateHash: { index, hash: Buffer.from(hash) } });
    applied(1, 1, 'aa');
    await host.until(() => host.hashes.length === 1);
    applied(2, 2, 'too long');
    assert.match((await client.next('error')).message, /stateHash has 8 bytes instead of 1 to 4/);
    assert.deepEqual(host.hashes, [{ epoch: 1, index: 1, hash: '6161' }]);
    assert.equal(host.acks.at(-1)?.through, 2, 'the acknowledgement counts all the same');
    applied(2, 3, 'bb');
    assert.match((await client.next('error')).message, /a stateHash for 3, which is after its through 2/);
    await client.closed;
    assert.equal(lastState()[0], 'LIED');
  });

  it('dismisses an app whose state is not that of others', async () => {
    const { host, server } = await start();
    const client = await socket.greet('json', {});
    server.diverged('it has another state', 7);
    const error = await client.next('error');
    assert.deepEqual(
      [error.code, error.definite, error.message],
      ['APP_DIVERGED', true, 'it has another state'],
    );
    assert.equal((await client.next('goodbye')).reason, 'APP_DIVERGED');
    await client.closed;
    assert.deepEqual(
      host.states.map(({ condition, index }) => [condition, index]),
      [
        ['HEALTHY', undefined],
        ['DIVERGED', 7],
      ],
    );
  });

  it('tells of an app that is turned away, with what it says it has applied', async () => {
    const { host } = await start();
    const message = 'another log';
    host.planAnswer = () => Promise.resolve({ code: 'APP_DIVERGED', definite: true, message });
    const stranger = await socket.open('json');
    stranger.hello({ appliedIndex: 5 });
    await stranger.next('goodbye');
    const future = await socket.open('json');
    future.send({
      type: 'hello',
      protocol: 2,
      app: '',
      group: '',
      stateMachine: { appliedIndex: 7, snapshots: 'NONE' },
    });
    assert.match(
      (await future.next('error')).message,
      /protocol 2 is not spoken here; this sidecar speaks 1/,
    );
    assert.deepEqual(
      host.refusedApps.map(({ no, index }) => [no.code, index]),
      [
        ['APP_DIVERGED', 5],
        ['UNSUPPORTED', 7],
      ],
    );
  });

  it('is not late once it has applied everything', async () => {
    await start();
    const limits = { appLagMs: 20, appStallMs: 600_000 };
    const late: string[] = [];
    const done = new LagWatch(limits, () => late.push('done'));
    done.waiting();
    done.sign(false);
    await new Promise<void>((resolve) => new LagWatch(limits, () => resolve()).waiting());
    assert.deepEqual(late, []);
  });

  it('replaces a result over the limit by an error', async () => {
    const { host } = await start({ resultBytes: 4 });
    host.commit('a', 'b');
    const client = await socket.greet('protobuf', {});
    await client.next('entries');
    const results = [
      { index: 1, result: Buffer.alloc(5) },
      { index: 2, result: Buffer.from('fine') },
    ];
    client.send({ type: 'applied', through: 2, results });
    await host.until(() => host.acks.length === 1);
    const [large, fine] = host.acks[0]?.results ?? [];
    assert.deepEqual(large, { index: 1, error: "the app's result of 5 bytes is over the limit of 4" });
    assert.equal(String(fine?.result), 'fine');
  });

  it('lets the newest state machine in, and says goodbye to the one before', async () => {
    const { host } = await start();
    host.commit('a');
    const old = await socket.greet('json', {});
    await old.next('entries');
    const young = await socket.greet('protobuf', {});
    assert.equal((await old.next('goodbye')).reason, 'SUPERSEDED');
    await old.closed;
    await young.next('entries');
    ack(young, 1);
    await host.until(() => host.acks.length === 1);
    assert.equal(host.acks[0]?.epoch, 2);
    assert.deepEqual(
      host.states.map(({ condition, epoch }) => `${condition} ${epoch}`),
      ['HEALTHY 1', 'HEALTHY 2'],
    );
    await young.close();
    await host.until(() => lastState()[0] === 'ABSENT');
    assert.equal(lastState()[1], 2);
  });

  it('lets the newest in even when an older hello gets its plan later', async () => {
    const { host } = await start();
    const plans: ((plan: { replayFrom: number }) => void)[] = [];
    host.planAnswer = () => new Promise((resolve) => plans.push(resolve));
    const old = await socket.open('json');
    old.hello({});
    await host.until(() => plans.length === 1);
    const young = await socket.open('json');
    young.hello({});
    await host.until(() => plans.length === 2);
    plans[1]?.({ replayFrom: 1 });
    await young.next('welcome');
    plans[0]?.({ replayFrom: 1 });
    assert.equal((await old.next('goodbye')).reason, 'SUPERSEDED');
    await young.roundTrip();
  });

  it('handles frames sent right after hello once the plan is there', async () => {
    const { host } = await start();
    let decide: ((plan: { replayFrom: number }) => void) | undefined;
    host.planAnswer = () =>
      new Promise((resolve) => {
        decide = resolve;
      });
    const client = await socket.open('protobuf');
    client.hello({});
    client.send({ type: 'propose', id: 1, command: Buffer.from('x') });
    await host.until(() => decide !== undefined);
    const other = await socket.greet('json');
    await other.roundTrip();
    assert.equal(host.proposals.length, 0);
    decide?.({ replayFrom: 1 });
    await client.next('welcome');
    await host.until(() => host.proposals.length === 1);
  });

  it('turns away a state machine that is ahead or diverged', async () => {
    const { host } = await start();
    for (const code of ['APP_AHEAD', 'APP_DIVERGED', 'UNSUPPORTED'] as const) {
      host.planAnswer = () => Promise.resolve(refusal(code, 'it cannot be'));
      const client = await socket.open('json');
      client.hello({ appliedIndex: 9 });
      const error = await client.next('error');
      assert.deepEqual([error.code, error.definite, error.message], [code, true, 'it cannot be']);
      assert.equal((await client.next('goodbye')).reason, code);
      await client.closed;
    }
    assert.deepEqual(host.states, []);
  });

  it('does not let entries that are not read choke anybody, and goes on when they are read', async () => {
    const { server } = await start({ deliveryBytes: 20_000, appOutputBytes: 100_000 });
    const client = await socket.greet('protobuf', { windowEntries: 60_000, windowBytes: 60_000_000 });
    client.socket.pause();
    commit(...many(3000, 1000));
    const other = await socket.greet('json');
    for (let turn = 0; turn < 100; turn += 1) await other.roundTrip();
    const { outputBytes, delivered } = server.stats();
    assert.ok(outputBytes < 60_000, `${outputBytes} bytes are waiting`);
    assert.ok(delivered !== undefined && delivered < 3000);
    client.socket.resume();
    assert.equal((await collect(client, 3000)).length, 3000);
  });
});
