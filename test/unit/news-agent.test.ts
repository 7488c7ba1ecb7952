/** The agent-check port, and what a node says there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { refusal } from '../../shared/codes.ts';
import type { Check } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import { AgentServer, leaderLine, readyLine } from '../../sidecar/news/agent.ts';
import { type Circumstances, leaderStanding, readyStanding } from '../../sidecar/node/standing.ts';

describe('the agent-check port', () => {
  let agent: AgentServer;
  let port: number;
  let answer: string;
  beforeEach(async () => {
    answer = 'up';
    agent = new AgentServer({
      listen: { host: '127.0.0.1', port: 0 },
      answer: () => answer,
      onFault: (error) => assert.fail(error),
    });
    port = Number((await agent.listen()).split(':').at(-1));
  });
  afterEach(() => agent.close());

  /** All that comes on a connection on which `sends` is said. */
  async function ask(sends = ''): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    if (sends !== '') socket.write(sends);
    let got = '';
    socket.setEncoding('utf8').on('data', (text) => {
      got += text;
    });
    await once(socket, 'close');
    return got;
  }

  it('answers each connection with the line of that moment, whatever it sends', async () => {
    assert.equal(await ask(), 'up\n');
    answer = 'down #n2 leads';
    assert.equal(await ask('leader\n'), 'down #n2 leads\n');
    assert.equal(await ask('GET / HTTP/1.1\r\n\r\n'), 'down #n2 leads\n');
  });

  it('cuts off who sends too much', async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    // However it is cut: the writing fails, or the connection just closes.
    const gone = new Promise((resolve) => socket.on('error', resolve).on('close', resolve));
    socket.resume();
    const write = (): void => void (socket.writable && socket.write(Buffer.alloc(LIMITS.agentBytes), write));
    write();
    await gone;
  });

  it('takes no more connections than its limit, and is there again when they are gone', async () => {
    // They do not close their side, so each of them stays for a while.
    const idle = await Promise.all(
      Array.from({ length: LIMITS.agentConnections }, async () => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        await once(socket.resume(), 'end');
        return socket;
      }),
    );
    assert.equal(await ask(), '');
    await Promise.all(idle.map((socket: Socket) => once(socket.destroy(), 'close')));
    let got = '';
    while (got === '') got = await ask();
    assert.equal(got, 'up\n');
  });

  it('closes with connections open', async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket.resume(), 'end');
    await agent.close();
    socket.destroy();
  });

  it('is on this machine only, and says when its port is taken', async () => {
    const other = (host: string) =>
      new AgentServer({ listen: { host, port }, answer: () => '', onFault: assert.fail }).listen();
    await assert.rejects(other('0.0.0.0'), /must be on loopback, not on 0\.0\.0\.0/);
    await assert.rejects(other('127.0.0.1'), /cannot listen on 127\.0\.0\.1:\d+: another process has it/);
  });
});

describe('what an agent-check is told', () => {
  const NOW: Circumstances = { app: 'CONNECTED', commitKnown: true, leaderlessMs: 0, electionMaxMs: 300 };
  const failing = (...names: string[]): Check[] =>
    ['leader', 'log', 'disk', 'app', 'caught-up', 'running'].map((name) => ({
      name,
      ok: !names.includes(name),
      reason: names.includes(name) ? `${name} fails` : '',
    }));

  it('is up on the leader that holds a quorum alone', () => {
    const view = { leader: 'n1', http: null, term: 3, isLeader: true };
    assert.equal(leaderLine(leaderStanding(view, undefined)), 'up');
    assert.match(
      leaderLine(leaderStanding({ ...view, isLeader: false }, undefined)),
      /^down #not a leader .* n1$/,
    );
    assert.match(
      leaderLine(leaderStanding({ ...view, leader: null, isLeader: false }, undefined)),
      /^down #no leader is known$/,
    );
    assert.equal(leaderLine(leaderStanding(view, refusal('SHUTTING_DOWN', 'it stops'))), 'down #it stops');
  });

  it('never has a word that undoes what an operator set, nor a second line', () => {
    for (const line of [
      leaderLine({ share: 0, reason: 'a\nready maint\tä' }),
      readyLine({ share: 0, reason: 'up 100%\r\nready' }),
    ]) {
      assert.match(line, /^down #[\x20-\x7e]*$/);
    }
    assert.ok(leaderLine({ share: 0, reason: 'x'.repeat(10_000) }).length < 200);
  });

  it('is up with all its weight where everything is well', () => {
    assert.equal(readyLine(readyStanding(failing(), NOW)), 'up 100%');
  });

  it('bears an election, and no longer', () => {
    const at = (leaderlessMs: number) =>
      readyLine(readyStanding(failing('leader'), { ...NOW, leaderlessMs }));
    assert.equal(at(0), 'up 100%');
    assert.equal(at(899), 'up 100%');
    assert.equal(at(900), 'down #leader: leader fails');
  });

  it('asks for less where the app is slow, and for nothing where it cannot answer', () => {
    assert.equal(readyLine(readyStanding(failing('caught-up'), NOW)), 'up 10%');
    assert.equal(readyLine(readyStanding(failing('app'), { ...NOW, app: 'LAGGING' })), 'up 10%');
    assert.equal(
      readyLine(readyStanding(failing('app'), { ...NOW, app: 'STALLED' })),
      'down #app: app fails',
    );
    assert.equal(readyLine(readyStanding(failing('app'), { ...NOW, app: 'ABSENT' })), 'down #app: app fails');
    const fresh = { ...NOW, commitKnown: false };
    assert.equal(readyLine(readyStanding(failing('caught-up'), fresh)), 'down #caught-up: caught-up fails');
    for (const name of ['log', 'disk', 'running']) {
      assert.equal(readyLine(readyStanding(failing('caught-up', name), NOW)), `down #${name}: ${name} fails`);
    }
  });
});
