/** What a gateway does with requests whose replica dies, hangs, answers half or refuses: never a guess, never twice unasked. */
import assert from 'node:assert/strict';
import { GatewayFixture } from '../support/gateway.ts';

const IN_SESSION = { session: 7, sequence: 1 } as const;

describe('gateway: retries', () => {
  let gateway: GatewayFixture;
  const start = async (options: Parameters<typeof GatewayFixture.start>[0] = {}) => {
    gateway = await GatewayFixture.start(options);
    await gateway.ready();
    return { n1: gateway.replica('n1'), n2: gateway.replica('n2'), client: await gateway.client() };
  };
  afterEach(() => gateway.stop());
  const command = (text: string) => ({ type: 'propose', command: Buffer.from(text) }) as const;

  it('does not send a proposal again whose replica died: LEADER_LOST, indefinite', async () => {
    const { n1, n2, client } = await start();
    client.send({ ...command('a'), id: 1 });
    await n1.proposal();
    await n1.die();
    const error = await client.next('error');
    assert.deepEqual([error.id, error.code, error.definite], [1, 'LEADER_LOST', false]);
    n2.leads(2);
    client.send({ ...command('b'), id: 2 });
    assert.equal((await n2.proposal()).text, 'b');
  });

  it('sends one in a session again, as it was, to the next leader', async () => {
    const { n1, n2, client } = await start();
    client.send({ ...command('a'), ...IN_SESSION, id: 1 });
    await n1.proposal();
    await n1.die();
    n2.leads(2);
    const again = await n2.proposal();
    assert.deepEqual([again.text, again.session, again.sequence], ['a', 7, 1]);
    n2.send({ type: 'proposed', id: again.id, index: 4, term: 2, duplicate: true });
    const answer = await client.next('proposed');
    assert.deepEqual([answer.id, answer.index, answer.duplicate], [1, 4, true]);
  });

  it('keeps the order of a session when it sends again', async () => {
    const { n1, n2, client } = await start();
    const texts = ['a', 'b', 'c', 'd', 'e'];
    const all = texts.map((text, i) => ({ ...command(text), session: 7, sequence: i + 1, id: i + 1 }));
    client.send(...all.slice(0, 3));
    for (let i = 0; i < 3; i++) await n1.proposal();
    await n1.die();
    client.send(...all.slice(3));
    await client.roundTrip();
    n2.leads(2);
    const sent: string[] = [];
    while (sent.length < texts.length) sent.push((await n2.proposal()).text);
    assert.deepEqual(sent, texts);
  });

  it('loses only what was not answered when a replica dies half way', async () => {
    const { n1, client } = await start();
    client.send({ ...command('a'), id: 1 }, { ...command('b'), id: 2 });
    const [first] = [await n1.proposal(), await n1.proposal()];
    n1.send({ type: 'proposed', id: first.id, index: 2, term: 1, result: Buffer.from('ok') });
    assert.equal((await client.next('proposed')).id, 1);
    n1.hangUp();
    const error = await client.next('error');
    assert.deepEqual([error.id, error.code], [2, 'LEADER_LOST']);
  });

  it('asks reads again', async () => {
    const { n1, n2, client } = await start();
    client.send({ type: 'read', id: 1 });
    await n1.next('read');
    await n1.die();
    n2.leads(2);
    const again = await n2.next('read');
    n2.send({ type: 'readReady', id: again.id, index: 9 });
    assert.equal((await client.next('readReady')).index, 9);
  });

  it('opens, keeps and closes sessions again', async () => {
    const { n1, n2, client } = await start();
    client.send({ type: 'openSession', id: 1 }, { type: 'closeSession', id: 2, session: 7 });
    client.send({ type: 'keepSession', id: 3, session: 8 });
    await n1.next('keepSession');
    await n1.die();
    n2.leads(2);
    n2.send({ type: 'sessionOpened', id: (await n2.next('openSession')).id, session: 5 });
    n2.send({ type: 'sessionClosed', id: (await n2.next('closeSession')).id });
    n2.send({ type: 'sessionKept', id: (await n2.next('keepSession')).id });
    assert.equal((await client.next('sessionOpened')).session, 5);
    await client.next('sessionClosed');
    await client.next('sessionKept');
  });

  it('takes a replica that says nothing any more for dead', async () => {
    const { n1, n2, client } = await start({ limits: { gatewayPingMs: 100, gatewaySilentMs: 1_500 } });
    client.send({ ...command('a'), id: 1 }, { ...command('b'), ...IN_SESSION, id: 2 });
    await n1.proposal();
    await n1.proposal();
    n1.hung = true;
    const error = await client.next('error');
    assert.deepEqual([error.id, error.code, error.definite], [1, 'LEADER_LOST', false]);
    n2.leads(2);
    assert.equal((await n2.proposal()).text, 'b');
  });

  it('takes a deposed leader that says nothing for dead sooner', async () => {
    const limits = { gatewayPingMs: 10, gatewaySilentMs: 600_000, gatewaySuspectMs: 60 };
    const { n1, n2, client } = await start({ limits });
    client.send({ ...command('a'), ...IN_SESSION, id: 1 });
    await n1.proposal();
    n1.hung = true;
    n2.leads(2);
    assert.equal((await n2.proposal()).text, 'a');
  });

  it('does not pass on a definite refusal of a second try when the first may have worked', async () => {
    const { n1, n2, client } = await start();
    client.send({ ...command('a'), ...IN_SESSION, id: 1 });
    await n1.proposal();
    await n1.die();
    n2.leads(2);
    n2.refuse((await n2.proposal()).id, 'SESSION_UNKNOWN');
    const error = await client.next('error');
    assert.deepEqual([error.code, error.definite], ['LEADER_LOST', false]);
    assert.match(error.message, /n2 answered SESSION_UNKNOWN .*earlier try/);
  });

  it('goes on when the second try is refused for the moment', async () => {
    const { n1, n2, client } = await start();
    client.send({ ...command('a'), ...IN_SESSION, id: 1 });
    n1.refuse((await n1.proposal()).id, 'LEADER_LOST');
    n1.refuse((await n1.proposal()).id, 'OVERLOADED', { retryAfterMs: 1 });
    const third = await n1.proposal();
    n1.send({ type: 'proposed', id: third.id, index: 3, term: 1 });
    assert.equal((await client.next('proposed')).index, 3);
    assert.deepEqual(
      n2.inbox.map(({ type }) => type),
      ['hello'],
    );
  });

  it('passes a definite refusal of a first try on, as it is', async () => {
    const { n1, client } = await start();
    client.send({ ...command('a'), ...IN_SESSION, id: 1 });
    n1.refuse((await n1.proposal()).id, 'SEQUENCE_GAP');
    client.send({ ...command('b'), id: 2 });
    n1.refuse((await n1.proposal()).id, 'OVERLOADED', { retryAfterMs: 40 });
    const [gap, overloaded] = [await client.next('error'), await client.next('error')];
    assert.deepEqual([gap.id, gap.code, gap.definite], [1, 'SEQUENCE_GAP', true]);
    assert.deepEqual([overloaded.id, overloaded.code, overloaded.retryAfterMs], [2, 'OVERLOADED', 40]);
  });

  it('does not say of a replica that stops that the gateway stops', async () => {
    const { n1, client } = await start();
    client.send({ ...command('a'), id: 1 });
    n1.refuse((await n1.proposal()).id, 'SHUTTING_DOWN');
    const error = await client.next('error');
    assert.deepEqual([error.code, error.definite], ['LEADER_LOST', false]);
    assert.match(error.message, /n1 is stopping/);
  });

  it('sends what one replica cannot serve to another: it surely did not happen', async () => {
    const { n1, n2, client } = await start();
    client.send({ ...command('a'), id: 1 });
    n1.refuse((await n1.proposal()).id, 'APP_ABSENT');
    const there = await n2.proposal();
    n2.send({ type: 'proposed', id: there.id, index: 5, term: 1 });
    assert.equal((await client.next('proposed')).index, 5);
  });

  it('passes the refusal on when no replica can serve it', async () => {
    const { n1, n2, client } = await start();
    client.send({ ...command('a'), id: 1 });
    n1.refuse((await n1.proposal()).id, 'APP_ABSENT');
    n2.refuse((await n2.proposal()).id, 'NO_SPACE');
    const error = await client.next('error');
    assert.deepEqual([error.code, error.definite], ['NO_SPACE', true]);
  });

  it('follows the hint of a replica that does not lead', async () => {
    const { n1, n2, client } = await start();
    client.send({ ...command('a'), expectedTerm: 2, id: 1 });
    const first = await n1.proposal();
    n2.leads(2);
    await gateway.until(({ leader }) => leader === 'n2');
    n1.refuse(first.id, 'NOT_LEADER', { leader: 'n2' });
    const second = await n2.proposal();
    assert.equal(second.expectedTerm, 2);
    n2.send({ type: 'proposed', id: second.id, index: 6, term: 2 });
    assert.equal((await client.next('proposed')).term, 2);
  });

  it('passes NOT_LEADER on where no other leader is known', async () => {
    const { n1, client } = await start();
    client.send({ ...command('a'), expectedTerm: 9, id: 1 });
    n1.refuse((await n1.proposal()).id, 'NOT_LEADER');
    assert.equal((await client.next('error')).code, 'NOT_LEADER');
  });

  it('never says more than an unknown code promises', async () => {
    const { n1, client } = await start();
    client.send({ ...command('a'), id: 1 }, { ...command('b'), id: 2 });
    const asked = [await n1.proposal(), await n1.proposal()];
    const error = { type: 'error', code: 'LATER_CODE' as 'INTERNAL', message: 'new' } as const;
    n1.send({ ...error, id: asked[0]?.id, definite: true }, { ...error, id: asked[1]?.id, definite: false });
    const [first, second] = [await client.next('error'), await client.next('error')];
    assert.deepEqual([first.code, first.definite], ['UNSUPPORTED', true]);
    assert.deepEqual([second.code, second.definite], ['INTERNAL', false]);
  });

  it('answers TIMEOUT when a replica leaves a request open, and later cuts that replica', async () => {
    const { n1, client } = await start({ limits: { gatewayOverdueMs: 200 } });
    client.send({ ...command('a'), timeoutMs: 1_500, id: 1 });
    const asked = await n1.proposal();
    assert.ok((asked.timeoutMs ?? 0) <= 1_500, 'the replica is told the time that is left');
    const error = await client.next('error');
    assert.deepEqual([error.code, error.definite], ['TIMEOUT', false]);
    await gateway.until(() => n1.connected === 2);
  });

  it('cuts a replica whose frames cannot be read', async () => {
    const { n1, client } = await start();
    client.send({ ...command('a'), id: 1 });
    await n1.proposal();
    n1.sendRaw('\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff');
    assert.equal((await client.next('error')).code, 'LEADER_LOST');
    await gateway.until(() => n1.connected === 2);
  });

  it('cuts a replica that sends what is not for a client', async () => {
    const { n1, client } = await start();
    client.send({ ...command('a'), id: 1 });
    await n1.proposal();
    n1.send({ type: 'takeSnapshot', index: 1 });
    assert.equal((await client.next('error')).code, 'LEADER_LOST');
  });
});
