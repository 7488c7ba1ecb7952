/** Both clients against scripted nodes: proposals without a session, reads, which node is asked, and limits. */
import assert from 'node:assert/strict';
import { applied, commandOf, failsWith, NEVER_MS, playAll, SHORT_MS, take } from '../support/client-stage.ts';

playAll('proposals without a session', {
  'proposes and reads at one node, and remembers how far it has seen': async (stage) => {
    const [here, there] = await stage.pair();
    const proposed = stage.propose('set x');
    const asked = await here.next('propose');
    const { session, sequence, ackBelow, timeoutMs = 0 } = asked.frame;
    assert.deepEqual(
      [commandOf(asked), session, sequence, ackBelow],
      ['set x', undefined, undefined, undefined],
    );
    assert.ok(timeoutMs > 0 && timeoutMs <= NEVER_MS, `${timeoutMs}`);
    applied(asked, 12, { result: 'ok' });
    const expected = { index: 12, term: 3, result: 'ok', duplicate: false, resultLost: false, node: 'n1' };
    assert.deepEqual(await proposed, expected);
    const read = stage.client.call('read', {});
    const question = await here.next('read');
    assert.equal(question.frame.consistency, 'LINEARIZABLE');
    question.answer({ type: 'readReady', index: 15 });
    assert.deepEqual(await read, { index: 15, node: 'n1' });
    assert.deepEqual(await stage.client.call('facts', {}), { node: 'n1', leader: null, highestIndex: 15 });
    assert.deepEqual([here.hellos, there.hellos], [1, 0]);
  },

  'a node that dies with it: Indefinite, and not sent again': async (stage) => {
    const [here, there] = await stage.pair();
    const first = stage.propose('once');
    await here.next('propose');
    await here.die();
    const { definite } = await failsWith(first, 'Indefinite', 'CONNECTION_LOST');
    assert.equal(definite, false);
    const second = stage.propose('next');
    applied(await there.next('propose'), 5);
    assert.equal((await second).node, 'n2');
    assert.deepEqual(there.commands, ['next']);
  },

  'an unknown outcome: Indefinite, and not sent again': async (stage) => {
    const [here, there] = await stage.pair({ failuresToMove: 100 });
    for (const code of ['TIMEOUT', 'LEADER_LOST', 'INTERNAL', 'SHUTTING_DOWN'] as const) {
      const proposed = stage.propose(code);
      (await here.next('propose')).refuse(code, { leader: 'n3' });
      const { leader } = await failsWith(proposed, 'Indefinite', code);
      assert.equal(leader, 'n3');
    }
    await stage.readThrough(there);
    assert.deepEqual(
      [...here.commands, ...there.commands],
      ['TIMEOUT', 'LEADER_LOST', 'INTERNAL', 'SHUTTING_DOWN'],
    );
  },

  'a definite refusal is the caller’s: it may say it otherwise': async (stage) => {
    const [here] = await stage.pair();
    const proposed = stage.propose('nonsense');
    (await here.next('propose')).refuse('BAD_REQUEST', { message: 'no such thing' });
    const { message } = await failsWith(proposed, 'Definite', 'BAD_REQUEST');
    assert.equal(message, 'no such thing');
  },

  'OVERLOADED is tried again when the node says, at the same node': async (stage) => {
    const [here] = await stage.pair();
    const proposed = stage.propose('a');
    (await here.next('propose')).refuse('OVERLOADED', { retryAfterMs: 5 });
    applied(await here.next('propose'), 3);
    assert.equal((await proposed).index, 3);
    assert.deepEqual(here.commands, ['a', 'a']);
  },

  'OVERLOADED until after the deadline: Definite, at once': async (stage) => {
    const [here] = await stage.pair();
    const proposed = stage.propose('a', 4_000);
    (await here.next('propose')).refuse('OVERLOADED', { retryAfterMs: 60_000 });
    const { definite, retryAfterMs } = await failsWith(proposed, 'Definite', 'OVERLOADED');
    assert.deepEqual([definite, retryAfterMs], [true, 60_000]);
    assert.deepEqual(here.commands, ['a']);
  },

  'a node without an app: the next one is asked': async (stage) => {
    const [here, there] = await stage.pair();
    const proposed = stage.propose('a');
    (await here.next('propose')).refuse('APP_ABSENT');
    applied(await there.next('propose'), 3);
    assert.equal((await proposed).node, 'n2');
  },

  'no app anywhere: Definite at the deadline': async (stage) => {
    const [here, there] = await stage.pair({ backoffMinMs: 60_000, backoffMaxMs: 60_000 });
    const proposed = stage.propose('a', 2_000);
    (await here.next('propose')).refuse('APP_ABSENT');
    (await there.next('propose')).refuse('APP_ABSENT');
    await failsWith(proposed, 'Definite', 'APP_ABSENT');
    assert.deepEqual([...here.commands, ...there.commands], ['a', 'a']);
  },

  'no answer by the deadline: Indefinite': async (stage) => {
    const [here] = await stage.pair();
    const proposed = stage.propose('a', SHORT_MS);
    const asked = await here.next('propose');
    await failsWith(proposed, 'Indefinite', 'TIMEOUT');
    // What comes now is for nobody, and harms nobody.
    applied(asked, 3);
    await stage.readThrough(here);
  },

  'never sent: Definite at the deadline': async (stage) => {
    const [here, there] = await stage.pair();
    await there.die();
    await here.die();
    await stage.untilFacts(({ node }) => node === null);
    const { message } = await failsWith(stage.propose('a', SHORT_MS), 'Definite', 'NOT_SENT');
    assert.match(message, /n[12]\.sock/);
  },

  'a result that the node no longer has is no empty result': async (stage) => {
    const [here] = await stage.pair();
    const proposed = stage.propose('a');
    (await here.next('propose')).answer({
      type: 'proposed',
      index: 3,
      term: 1,
      duplicate: true,
      resultLost: true,
    });
    const { result, duplicate, resultLost } = await proposed;
    assert.deepEqual([result, duplicate, resultLost], [null, true, true]);
  },
});

playAll('reads', {
  'a read that a node dies with is asked elsewhere': async (stage) => {
    const [here, there] = await stage.pair();
    const read = stage.client.call('read', {});
    await here.next('read');
    await here.die();
    (await there.next('read')).answer({ type: 'readReady', index: 4 });
    assert.deepEqual(await read, { index: 4, node: 'n2' });
  },

  'a monotonic read asks for the highest index ever seen, at the next node too': async (stage) => {
    const [here, there] = await stage.pair();
    const proposed = stage.propose('a');
    applied(await here.next('propose'), 42);
    await proposed;
    const stale = stage.client.call('read', { consistency: 'STALE' });
    (await here.next('read')).answer({ type: 'readReady', index: 40 });
    assert.equal((await stale).index, 40);
    await here.die();
    const read = stage.client.call('readMonotonic', {});
    const { frame, answer } = await there.next('read');
    assert.deepEqual([frame.consistency, frame.index], ['AT_LEAST', 42]);
    answer({ type: 'readReady', index: 45 });
    assert.deepEqual(await read, { index: 45, node: 'n2' });
    assert.equal((await stage.client.call('facts', {})).highestIndex, 45);
  },

  'an index of somebody else can be asked for': async (stage) => {
    const [here] = await stage.pair();
    const read = stage.client.call('read', { atLeast: 9 });
    const { frame, answer } = await here.next('read');
    assert.deepEqual([frame.consistency, frame.index], ['AT_LEAST', 9]);
    answer({ type: 'readReady', index: 9 });
    await read;
    const wrong = stage.client.call('read', { atLeast: 9, consistency: 'LINEARIZABLE' });
    await failsWith(wrong, 'Definite', 'BAD_REQUEST');
  },

  'TIMEOUT of a read is tried again, and the caller’s deadline holds': async (stage) => {
    const [here] = await stage.pair({ failuresToMove: 100 });
    const read = stage.client.call('read', {});
    (await here.next('read')).refuse('TIMEOUT');
    (await here.next('read')).answer({ type: 'readReady', index: 2 });
    await read;
    const late = stage.client.call('read', { timeoutMs: SHORT_MS });
    await here.next('read');
    await failsWith(late, 'Indefinite', 'TIMEOUT');
  },
});

playAll('which node', {
  'goodbye: what is on the way is still answered there, what follows goes elsewhere': async (stage) => {
    const [here, there] = await stage.pair();
    const first = stage.propose('a');
    const asked = await here.next('propose');
    here.say({ type: 'goodbye', reason: 'SHUTTING_DOWN' });
    await stage.untilFacts(({ node }) => node === null);
    const second = stage.propose('b');
    applied(await there.next('propose'), 5);
    await second;
    applied(asked, 4);
    assert.equal((await first).node, 'n1');
    await here.until(() => here.connections === 0);
  },

  'three failures in a row: moves on': async (stage) => {
    const [here, there] = await stage.pair();
    const read = stage.client.call('read', {});
    for (let n = 0; n < 3; n++) (await here.next('read')).refuse('TIMEOUT');
    (await there.next('read')).answer({ type: 'readReady', index: 2 });
    assert.equal((await read).node, 'n2');
  },

  'a good answer in between starts the count anew': async (stage) => {
    const [here, there] = await stage.pair();
    for (let n = 0; n < 4; n++) {
      const read = stage.client.call('read', {});
      (await here.next('read')).refuse('LEADER_LOST');
      (await here.next('read')).answer({ type: 'readReady', index: 2 });
      await read;
    }
    assert.equal(there.hellos, 0);
  },

  'the only node there is, restarted: comes back to it': async (stage) => {
    const only = await stage.node('n1');
    await stage.connect([only]);
    await only.die();
    await stage.untilFacts(({ node }) => node === null);
    const proposed = stage.propose('a');
    await only.listen();
    applied(await only.next('propose'), 3);
    await proposed;
  },

  'a node that says nothing any more is given up after a ping': async (stage) => {
    const [here, there] = await stage.pair({ pingMs: 20, silentMs: 200 });
    const read = stage.client.call('read', {});
    await here.next('read');
    await here.until(() => here.pings > 0);
    here.silent = true;
    (await there.next('read')).answer({ type: 'readReady', index: 2 });
    await read;
  },

  'a node that answers pings may take its time': async (stage) => {
    const [here, there] = await stage.pair();
    // Where this machine stands still for longer than the silence that is borne, more is borne the next time.
    for (const silentMs of [200, 1_000, 5_000]) {
      await stage.client.reset();
      await stage.connect([here, there], { pingMs: 10, silentMs });
      const before = here.pings;
      const read = stage.client.call('read', {});
      const asked = await here.next('read');
      const left = (): boolean => here.connections === 0;
      await here.until(() => here.pings > before + silentMs / 5 || left());
      if (left()) (await there.next('read')).answer({ type: 'readReady', index: 2 });
      else asked.answer({ type: 'readReady', index: 2 });
      if ((await read).node === 'n1') return;
    }
    assert.fail('it was left though it answered');
  },

  'the leader is remembered: from the welcome, from news, from errors': async (stage) => {
    const [here, there] = [await stage.node('n1', { leader: 'n2' }), await stage.node('n2')];
    await stage.connect([here, there]);
    const leader = async (): Promise<string | null> => (await stage.client.call('facts', {})).leader;
    assert.equal(await leader(), 'n2');
    here.say({ type: 'roleChanged', role: 'FOLLOWER', term: 4, leader: 'n3', cause: 'HEARD' });
    await stage.readThrough(here);
    assert.equal(await leader(), 'n3');
    const proposed = stage.propose('a');
    (await here.next('propose')).refuse('BAD_REQUEST', { leader: 'n4' });
    await failsWith(proposed, 'Definite', 'BAD_REQUEST');
    assert.equal(await leader(), 'n4');
  },

  'TCP with a token of each node': async (stage) => {
    const [here, there] = [
      await stage.node('n1', { token: 'one' }),
      await stage.node('n2', { token: 'two' }),
    ];
    await stage.connectTo([
      { address: here.address, token: 'one' },
      { address: there.address, token: 'two' },
    ]);
    await here.die();
    await stage.readThrough(there);
  },

  'no node lets it in: Definite with their reason, without waiting for the deadline': async (stage) => {
    const [here, there] = [
      await stage.node('n1', { token: 'one' }),
      await stage.node('n2', { token: 'two' }),
    ];
    const addresses = [{ address: here.address, token: 'bad' }, there.address];
    await failsWith(stage.connectTo(addresses), 'Definite', 'UNAUTHORIZED');
    assert.deepEqual([here.hellos, there.hellos], [1, 1]);
  },

  'a node that is full for now is passed by': async (stage) => {
    const [here, there] = [await stage.node('n1'), await stage.node('n2')];
    here.unwelcome = 'OVERLOADED';
    await stage.connect([here, there]);
    await stage.readThrough(there);
  },

  'a node of another cluster is none of ours': async (stage) => {
    const [here, there] = [await stage.node('n1'), await stage.node('n2', { cluster: 'payments' })];
    await stage.connect([here, there]);
    await here.die();
    await stage.untilFacts(({ node }) => node === null);
    const proposed = stage.propose('a', SHORT_MS);
    await there.until(() => there.hellos > 0);
    const { message } = await failsWith(proposed, 'Definite', 'NOT_SENT');
    assert.match(message, /cluster payments|n1\.sock/);
    assert.deepEqual(there.commands, []);
  },

  'addresses that cannot be': async (stage) => {
    for (const address of ['', 'http://127.0.0.1:80', 'tcp://127.0.0.1', 'tcp://secret@127.0.0.1:1']) {
      const { message } = await failsWith(stage.connectTo([address]), 'Definite', 'BAD_REQUEST');
      assert.doesNotMatch(message, /secret/);
    }
    await failsWith(stage.connectTo([]), 'Definite', 'BAD_REQUEST');
  },

  'nobody there: connect fails at its deadline': async (stage) => {
    await failsWith(stage.connectTo([`${stage.folder}/nobody.sock`], {}, SHORT_MS), 'Definite', 'NOT_SENT');
  },

  'frames and fields that it does not know, and frames in pieces, are no problem': async (stage) => {
    const [here] = await stage.pair();
    const read = stage.client.call('read', {});
    const { frame } = await here.next('read');
    here.sayRaw('\n{"weather":{"id":1}}\n{"constructor":{}}\n{"readRe');
    here.sayRaw(`ady":{"id":"${frame.id}","index":"17","mood":"good","leader":null}}\n`);
    assert.equal((await read).index, 17);
  },

  'a line that is no frame ends the connection, and the next node is asked': async (stage) => {
    const [here, there] = await stage.pair();
    for (const line of ['HTTP/1.1 400 Bad Request\n', '[]\n', '{"readReady":{"id":-1}}\n']) {
      const [node, other] =
        (await stage.client.call('facts', {})).node === 'n1' ? [here, there] : [there, here];
      const read = stage.client.call('read', {});
      await node.next('read');
      node.sayRaw(line);
      (await other.next('read')).answer({ type: 'readReady', index: 2 });
      await read;
    }
  },
});

playAll('pressure and limits', {
  'STOP: proposals wait, reads do not': async (stage) => {
    const [here] = await stage.pair();
    here.say({ type: 'pressure', level: 'STOP' });
    await stage.readThrough(here);
    const proposed = stage.propose('a');
    await stage.readThrough(here);
    assert.deepEqual(here.commands, []);
    here.say({ type: 'pressure', level: 'OK' });
    applied(await here.next('propose'), 3);
    await proposed;
  },

  'STOP until the deadline: Definite': async (stage) => {
    const [here] = await stage.pair();
    here.say({ type: 'pressure', level: 'STOP' });
    await stage.readThrough(here);
    const { message } = await failsWith(stage.propose('a', SHORT_MS), 'Definite', 'NOT_SENT');
    assert.match(message, /STOP/);
  },

  'STOP for too long: another node is tried': async (stage) => {
    const [here, there] = await stage.pair({ stopMs: 50 });
    here.say({ type: 'pressure', level: 'STOP' });
    await stage.readThrough(here);
    const proposed = stage.propose('a');
    applied(await there.next('propose'), 3);
    await proposed;
  },

  'SLOW_DOWN: a part of what may be in flight': async (stage) => {
    const [here] = await stage.pair({ inFlight: 8, slowDown: 4 });
    here.say({ type: 'pressure', level: 'SLOW_DOWN' });
    await stage.readThrough(here);
    const all = ['a', 'b', 'c', 'd'].map((command) => stage.propose(command));
    const asked = await take(here, 2);
    await stage.readThrough(here);
    assert.deepEqual(here.untaken, []);
    for (const [at, one] of asked.entries()) applied(one, at + 1);
    for (const [at, one] of (await take(here, 2)).entries()) applied(one, at + 3);
    await Promise.all(all);
  },

  'no more in flight than the node says': async (stage) => {
    const here = await stage.node('n1', { inFlight: 2 });
    await stage.connect([here]);
    const all = ['a', 'b', 'c'].map((command) => stage.propose(command));
    const asked = await take(here, 2);
    assert.equal(here.commands.length, 2);
    for (const [at, one] of asked.entries()) applied(one, at + 1);
    applied(await here.next('propose'), 3);
    await Promise.all(all);
  },

  'too many open calls, or too many bytes: Definite, by itself': async (stage) => {
    const [here] = await stage.pair({ calls: 2, callsBytes: 100 });
    const all = ['a', 'b'].map((command) => stage.propose(command));
    const asked = await take(here, 2);
    await failsWith(stage.propose('c'), 'Definite', 'OVERLOADED');
    for (const [at, one] of asked.entries()) applied(one, at + 1);
    await Promise.all(all);
    const large = stage.propose('x'.repeat(90));
    const one = await here.next('propose');
    await failsWith(stage.propose('y'.repeat(20)), 'Definite', 'OVERLOADED');
    applied(one, 3);
    await large;
  },

  'a command larger than the node takes is not sent': async (stage) => {
    const here = await stage.node('n1', { commandBytes: 10 });
    await stage.connect([here]);
    await failsWith(stage.propose('12345678901'), 'Definite', 'TOO_LARGE');
    assert.deepEqual(here.commands, []);
  },

  'a closed client: sent is Indefinite, the rest Definite': async (stage) => {
    const [here] = await stage.pair({ inFlight: 1 });
    const sent = stage.propose('a');
    await here.next('propose');
    const waiting = stage.propose('b');
    await stage.client.call('facts', {});
    await stage.client.call('close', {});
    await failsWith(sent, 'Indefinite', 'CLOSED');
    await failsWith(waiting, 'Definite', 'CLOSED');
    await failsWith(stage.propose('c'), 'Definite', 'CLOSED');
    await here.until(() => here.connections === 0);
  },

  'a thousand calls at once, each with its own answer': async (stage) => {
    const [here] = await stage.pair();
    void here.each('propose', (asked) => {
      const command = commandOf(asked);
      applied(asked, Number(command.slice(1)) + 1, { result: command });
    });
    const calls = Array.from({ length: 1_000 }, (_, at) => stage.propose(`c${at}`));
    const results = await Promise.all(calls);
    assert.deepEqual(
      results.map(({ index, result }) => `${index} ${result}`),
      results.map((_, at) => `${at + 1} c${at}`),
    );
  },
});
