/** Both clients against scripted nodes: sessions. What is tried again, under which number, and what callers are told. */
import assert from 'node:assert/strict';
import type { ErrorCode } from '../../shared/codes.ts';
import {
  applied,
  commandOf,
  failsWith,
  inShort,
  NEVER_MS,
  playAll,
  SHORT_MS,
  take,
} from '../support/client-stage.ts';

playAll('sessions', {
  'numbers its commands, with several in flight, and says what is answered': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    const [a, b, c] = [propose('a'), propose('b'), propose('c')];
    const [one, two, three] = await take(here, 3);
    assert.ok(one && two && three);
    assert.deepEqual([one, two, three].map(inShort), ['a 1<1', 'b 2<1', 'c 3<1']);
    assert.equal(one.frame.session, 7);
    applied(two, 12);
    await b;
    const d = propose('d');
    const four = await here.next('propose');
    assert.equal(inShort(four), 'd 4<1');
    applied(one, 11);
    await a;
    const e = propose('e');
    const five = await here.next('propose');
    assert.equal(inShort(five), 'e 5<3');
    for (const asked of [five, four, three]) applied(asked, 13);
    assert.deepEqual((await Promise.all([c, d, e])).length, 3);
    const f = propose('f');
    const six = await here.next('propose');
    assert.equal(inShort(six), 'f 6<6');
    applied(six, 16);
    await f;
  },

  'a node that dies: sent again elsewhere under the same number': async (stage) => {
    const [here, there] = await stage.pair();
    const propose = await stage.open(here);
    const calls = [propose('a'), propose('b')];
    await take(here, 2);
    await here.die();
    const [one, two] = await take(there, 2);
    assert.ok(one && two);
    assert.deepEqual([one, two].map(inShort), ['a 1<1', 'b 2<1']);
    applied(one, 11, { duplicate: true, result: 'first' });
    applied(two, 12);
    const [a, b] = await Promise.all(calls);
    assert.deepEqual([a?.index, a?.duplicate, a?.result, a?.node], [11, true, 'first', 'n2']);
    assert.equal(b?.duplicate, false);
  },

  'every unknown outcome is tried again under the same number': async (stage) => {
    const [here] = await stage.pair({ failuresToMove: 100 });
    const propose = await stage.open(here);
    const a = propose('a');
    for (const code of ['TIMEOUT', 'LEADER_LOST', 'INTERNAL'] as const) {
      const asked = await here.next('propose');
      assert.equal(inShort(asked), 'a 1<1');
      asked.refuse(code);
    }
    applied(await here.next('propose'), 3);
    await a;
  },

  'a node that stops: what it refused goes elsewhere': async (stage) => {
    const [here, there] = await stage.pair();
    const propose = await stage.open(here);
    const [a, b] = [propose('a'), propose('b')];
    const [one, two] = await take(here, 2);
    one?.refuse('SHUTTING_DOWN');
    const again = await there.next('propose');
    assert.equal(inShort(again), 'a 1<1');
    if (two) applied(two, 4);
    applied(again, 3);
    assert.deepEqual([(await a).node, (await b).node], ['n2', 'n1']);
  },

  'a try that is not answered is given up, and sent again': async (stage) => {
    const [here] = await stage.pair({ tryMs: 30, tryGraceMs: 10 });
    const propose = await stage.open(here);
    const a = propose('a');
    const first = await here.next('propose');
    assert.equal(first.frame.timeoutMs, 30);
    const tries: string[] = [];
    void here.each('propose', (asked) => {
      tries.push(inShort(asked));
      applied(asked, 3);
    });
    await a;
    assert.deepEqual([...new Set(tries)], ['a 1<1']);
  },

  'what was refused because of a gap is sent again in order': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    const calls = [propose('a'), propose('b'), propose('c')];
    const [one, two, three] = await take(here, 3);
    // The gaps come first: nothing is sent again before it can be taken.
    two?.refuse('SEQUENCE_GAP');
    three?.refuse('SEQUENCE_GAP');
    one?.refuse('OVERLOADED', { retryAfterMs: 5 });
    const again = await take(here, 3);
    assert.deepEqual(again.map(inShort), ['a 1<1', 'b 2<1', 'c 3<1']);
    for (const [at, asked] of again.entries()) applied(asked, 10 + at);
    await Promise.all(calls);
    assert.equal(here.commands.join(''), 'abcabc');
  },

  'after a gap a command waits for the answer to the one before it, and no longer': async (stage) => {
    const [here] = await stage.pair({ backoffMinMs: 60_000, backoffMaxMs: 60_000 });
    const propose = await stage.open(here);
    const [a, b] = [propose('a'), propose('b')];
    const [one, two] = await take(here, 2);
    two?.refuse('SEQUENCE_GAP');
    await stage.readThrough(here);
    assert.deepEqual(here.untaken, []);
    if (one) applied(one, 10);
    await a;
    const again = await here.next('propose');
    assert.equal(inShort(again), 'b 2<2');
    applied(again, 11);
    await b;
  },

  'a gap with nothing before it is tried again': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    const a = propose('a');
    (await here.next('propose')).refuse('SEQUENCE_GAP');
    applied(await here.next('propose'), 3);
    await a;
  },
});

playAll('what a session holds', {
  'a call that ends with an unknown outcome keeps its number: it is settled before the next': async (
    stage,
  ) => {
    const [here, there] = await stage.pair();
    const propose = await stage.open(here);
    const a = propose('a', SHORT_MS);
    const unanswered = await here.next('propose');
    const { message } = await failsWith(a, 'Indefinite', 'TIMEOUT');
    assert.match(message, /holds it/);
    unanswered.refuse('SHUTTING_DOWN');
    await stage.untilFacts(({ node }) => node !== 'n1');
    // Nobody waits for it, so it is not sent by itself.
    for (let n = 0; n < 2; n++) await stage.readThrough(there);
    assert.deepEqual(there.commands, []);
    const b = propose('b');
    const [again, next] = await take(there, 2);
    assert.ok(again && next);
    assert.deepEqual([again, next].map(inShort), ['a 1<1', 'b 2<1']);
    applied(again, 10, { duplicate: true });
    applied(next, 11);
    assert.equal((await b).index, 11);
    const c = propose('c');
    const third = await there.next('propose');
    assert.equal(inShort(third), 'c 3<3');
    applied(third, 12);
    await c;
  },

  'an answer that comes after the deadline settles it': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    const a = propose('a', SHORT_MS);
    const unanswered = await here.next('propose');
    await failsWith(a, 'Indefinite', 'TIMEOUT');
    applied(unanswered, 10);
    await stage.readThrough(here);
    const b = propose('b');
    const next = await here.next('propose');
    assert.equal(inShort(next), 'b 2<2');
    applied(next, 11);
    await b;
  },

  'a node that dies with it, and a deadline that passes: settled at the next node': async (stage) => {
    const [here, there] = await stage.pair();
    const propose = await stage.open(here);
    const a = propose('a', SHORT_MS);
    await here.next('propose');
    await there.die();
    await here.die();
    await failsWith(a, 'Indefinite', 'TIMEOUT');
    await there.listen();
    const b = propose('b');
    const [again, next] = await take(there, 2);
    assert.ok(again && next);
    assert.deepEqual([again, next].map(inShort), ['a 1<1', 'b 2<1']);
    applied(again, 10);
    applied(next, 11);
    await b;
  },

  'refused at every try, and no time for another: Definite, and its number is free': async (stage) => {
    const [here] = await stage.pair({ retryAfterMaxMs: 2_000 });
    const propose = await stage.open(here);
    const a = propose('a', 2_000);
    (await here.next('propose')).refuse('OVERLOADED', { retryAfterMs: 60_000 });
    await failsWith(a, 'Definite', 'OVERLOADED');
    const b = propose('b');
    const next = await here.next('propose');
    assert.equal(inShort(next), 'b 1<1');
    applied(next, 11);
    await b;
  },

  'OVERLOADED until after the deadline: Definite, at once': async (stage) => {
    const [here] = await stage.pair({ retryAfterMaxMs: NEVER_MS });
    const propose = await stage.open(here);
    const a = propose('a');
    (await here.next('propose')).refuse('OVERLOADED', { retryAfterMs: NEVER_MS });
    const { retryAfterMs } = await failsWith(a, 'Definite', 'OVERLOADED');
    assert.equal(retryAfterMs, NEVER_MS);
  },

  'refused for good: Definite at once, and later ones move up when they came back': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    const [a, b, c] = [propose('a'), propose('b'), propose('c')];
    const [one, two, three] = await take(here, 3);
    one?.refuse('BAD_REQUEST');
    await failsWith(a, 'Definite', 'BAD_REQUEST');
    two?.refuse('SEQUENCE_GAP');
    three?.refuse('SEQUENCE_GAP');
    const again = await take(here, 2);
    assert.deepEqual(again.map(inShort), ['b 1<1', 'c 2<1']);
    for (const [at, asked] of again.entries()) applied(asked, 10 + at);
    await Promise.all([b, c]);
  },

  'after an unknown outcome a definite refusal frees nothing: tried again until answered': async (stage) => {
    const [here] = await stage.pair({ failuresToMove: 100 });
    const propose = await stage.open(here);
    const a = propose('a');
    const codes: readonly ErrorCode[] = [
      'LEADER_LOST',
      'NO_SPACE',
      'BAD_REQUEST',
      'SEQUENCE_GAP',
      'OVERLOADED',
    ];
    for (const code of codes) {
      // NO_SPACE is one more reason to ask another node; there is none here.
      if (code === 'NO_SPACE') continue;
      const asked = await here.next('propose');
      assert.equal(inShort(asked), 'a 1<1');
      asked.refuse(code);
    }
    applied(await here.next('propose'), 3, { duplicate: true });
    assert.equal((await a).duplicate, true);
  },

  'the deadline after an unknown outcome and a refusal: Indefinite, and held': async (stage) => {
    const [here] = await stage.pair({ failuresToMove: 100 });
    const propose = await stage.open(here);
    const a = propose('a', 2_000);
    (await here.next('propose')).refuse('LEADER_LOST');
    (await here.next('propose')).refuse('OVERLOADED', { retryAfterMs: 2_000 });
    await failsWith(a, 'Indefinite', 'TIMEOUT');
    const b = propose('b');
    const again = await take(here, 2);
    assert.deepEqual(again.map(inShort), ['a 1<1', 'b 2<1']);
    for (const [at, asked] of again.entries()) applied(asked, 10 + at);
    await b;
  },

  'a command that an operator skipped has its number, and did not happen': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    const a = propose('poison');
    (await here.next('propose')).refuse('SKIPPED');
    await failsWith(a, 'Definite', 'SKIPPED');
    const b = propose('b');
    const next = await here.next('propose');
    assert.equal(inShort(next), 'b 2<2');
    applied(next, 11);
    await b;
  },

  'what was never sent is Definite, and leaves no gap': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    here.say({ type: 'pressure', level: 'STOP' });
    await stage.readThrough(here);
    await failsWith(propose('a', SHORT_MS), 'Definite', 'NOT_SENT');
    const b = propose('b');
    here.say({ type: 'pressure', level: 'OK' });
    const next = await here.next('propose');
    assert.equal(inShort(next), 'b 1<1');
    applied(next, 3);
    await b;
  },

  'no more numbers at once than it may have': async (stage) => {
    const [here] = await stage.pair({ sessionInFlight: 2 });
    const propose = await stage.open(here);
    const calls = ['a', 'b', 'c', 'd'].map((command) => propose(command));
    const [one, two] = await take(here, 2);
    const other = stage.propose('of nobody');
    const outside = await here.next('propose');
    assert.equal(commandOf(outside), 'of nobody');
    applied(outside, 9);
    await other;
    // The first one is still unanswered: it holds the window.
    if (two) applied(two, 11);
    await calls[1];
    if (one) applied(one, 10);
    const more = await take(here, 2);
    assert.deepEqual(more.map(inShort), ['c 3<3', 'd 4<3']);
    for (const asked of more) applied(asked, 12);
    await Promise.all(calls);
  },
});

playAll('the end of a session', {
  'SESSION_UNKNOWN: SessionLost, and what was under way is unknown': async (stage) => {
    const [here] = await stage.pair({ sessionInFlight: 2 });
    const propose = await stage.open(here);
    const [a, b, c] = [propose('a'), propose('b'), propose('c')];
    const [one] = await take(here, 2);
    one?.refuse('SESSION_UNKNOWN');
    const lost = await Promise.all(
      [a, b, c].map((call) => failsWith(call, 'SessionLost', 'SESSION_UNKNOWN')),
    );
    assert.deepEqual(
      lost.map(({ definite }) => definite),
      [true, false, true],
    );
    assert.match(lost[1]?.message ?? '', /unknown/);
    const { definite } = await failsWith(propose('d'), 'SessionLost', 'SESSION_UNKNOWN');
    assert.equal(definite, true);
    assert.deepEqual(here.commands, ['a', 'b']);
  },

  'SESSION_UNKNOWN after an unknown outcome: nobody can know': async (stage) => {
    const [here, there] = await stage.pair();
    const propose = await stage.open(here);
    const a = propose('a');
    await here.next('propose');
    await here.die();
    (await there.next('propose')).refuse('SESSION_UNKNOWN');
    const { definite } = await failsWith(a, 'SessionLost', 'SESSION_UNKNOWN');
    assert.equal(definite, false);
  },

  'refused for good with a later one that may have been taken: the session cannot go on': async (stage) => {
    const [here, there] = await stage.pair();
    const propose = await stage.open(here);
    const [a, b] = [propose('a'), propose('b')];
    const [one] = await take(here, 2);
    one?.refuse('BAD_REQUEST');
    await failsWith(a, 'Definite', 'BAD_REQUEST');
    await here.die();
    const { definite } = await failsWith(b, 'SessionLost', 'SESSION_UNKNOWN');
    assert.equal(definite, false);
    assert.deepEqual(there.commands, []);
  },

  'a node says that it expired: SessionLost': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    const a = propose('a');
    await here.next('propose');
    here.say({ type: 'sessionExpired', session: 8 });
    here.say({ type: 'sessionExpired', session: 7 });
    const { definite } = await failsWith(a, 'SessionLost', 'SESSION_UNKNOWN');
    assert.equal(definite, false);
    await failsWith(propose('b'), 'SessionLost', 'SESSION_UNKNOWN');
  },

  'an idle session is kept alive, also at another node, until it is gone': async (stage) => {
    const [here, there] = await stage.pair({ keepsPerTtl: 100 });
    const propose = await stage.open(here, 20_000);
    (await here.next('keepSession')).answer({ type: 'sessionKept' });
    const kept = await here.next('keepSession');
    assert.equal(kept.frame.session, 7);
    await here.die();
    (await there.next('keepSession')).answer({ type: 'sessionKept' });
    (await there.next('keepSession')).refuse('SESSION_UNKNOWN');
    await stage.readThrough(there);
    await failsWith(propose('a'), 'SessionLost', 'SESSION_UNKNOWN');
    assert.deepEqual(there.commands, []);
  },

  'close waits for what is under way, and says so to the cluster': async (stage) => {
    const [here] = await stage.pair();
    const propose = await stage.open(here);
    const a = propose('a');
    const asked = await here.next('propose');
    const closing = stage.client.call('closeSession', { session: 7 });
    await failsWith(propose('b'), 'Definite', 'CLOSED');
    await stage.readThrough(here);
    assert.deepEqual(here.untaken, []);
    applied(asked, 3);
    await a;
    (await here.next('closeSession')).answer({ type: 'sessionClosed' });
    await closing;
    assert.deepEqual(here.commands, ['a']);
  },

  'closing a session that is gone is no error': async (stage) => {
    const [here] = await stage.pair();
    await stage.open(here);
    const closing = stage.client.call('closeSession', { session: 7 });
    (await here.next('closeSession')).refuse('SESSION_UNKNOWN');
    await closing;
  },

  'opening is tried again at the next node': async (stage) => {
    const [here, there] = await stage.pair();
    const opened = stage.client.call('openSession', { ttlMs: 5_000 });
    assert.equal((await here.next('openSession')).frame.ttlMs, 5_000);
    await here.die();
    (await there.next('openSession')).answer({ type: 'sessionOpened', session: 9 });
    assert.deepEqual(await opened, { session: 9 });
  },

  'a closed client: what was sent is Indefinite, the rest Definite': async (stage) => {
    const [here] = await stage.pair({ sessionInFlight: 1 });
    const propose = await stage.open(here);
    const [a, b] = [propose('a'), propose('b')];
    await here.next('propose');
    await stage.client.call('close', {});
    await failsWith(a, 'Indefinite', 'CLOSED');
    await failsWith(b, 'Definite', 'CLOSED');
    await failsWith(propose('c'), 'Definite', 'CLOSED');
  },
});
