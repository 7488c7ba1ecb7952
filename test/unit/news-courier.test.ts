/** Telling news: the newest only, tried again within bounds, and no receiver that could hold it up for ever. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LIMITS } from '../../shared/limits.ts';
import { NewsCommand } from '../../sidecar/news/command.ts';
import { Courier } from '../../sidecar/news/courier.ts';
import { CommandRunner } from '../../sidecar/news/runner.ts';
import { Webhook } from '../../sidecar/news/webhook.ts';
import { news, ScriptedCarrier, SILENT } from './news-support.ts';

const NEVER = new AbortController().signal;

describe('a courier', () => {
  let carrier: ScriptedCarrier;
  let outcomes: string[];
  let courier: Courier;
  let ended: () => Promise<void>;

  function begin(pauses: ConstructorParameters<typeof Courier>[3]): void {
    carrier = new ScriptedCarrier();
    outcomes = [];
    let wake: () => void = () => undefined;
    courier = new Courier(
      carrier,
      SILENT,
      (_way, outcome) => {
        outcomes.push(outcome);
        wake();
      },
      pauses,
    );
    ended = () =>
      new Promise((resolve) => {
        wake = resolve;
      });
  }
  /** A pause that no test waits out. */
  const LONG = { minMs: 1_000_000, maxMs: 1_000_000 };
  const NONE = { minMs: 0, maxMs: 0 };

  it('tells news once when it gets through, and later news again', async () => {
    begin(LONG);
    for (const sequence of [1, 2]) {
      courier.tell(news(sequence));
      await carrier.begun(sequence);
      const delivered = ended();
      carrier.end();
      await delivered;
    }
    assert.deepEqual(carrier.tried, [1, 2]);
    assert.deepEqual(outcomes, ['DELIVERED', 'DELIVERED']);
  });

  it('ends what it tells for newer news, of which it keeps the newest', async () => {
    begin(LONG);
    for (const sequence of [1, 2, 3, 4]) courier.tell(news(sequence));
    await carrier.begun(2);
    const delivered = ended();
    carrier.end();
    await delivered;
    assert.deepEqual(carrier.tried, [1, 4]);
    assert.deepEqual(outcomes, ['SUPERSEDED', 'SUPERSEDED', 'SUPERSEDED', 'DELIVERED']);
  });

  it('does not wait out the pause of old news when there is newer', async () => {
    begin(LONG);
    courier.tell(news(1));
    await carrier.begun(1);
    const failed = ended();
    carrier.end('refused');
    await failed;
    courier.tell(news(2));
    await carrier.begun(2);
    assert.deepEqual(carrier.tried, [1, 2]);
    assert.deepEqual(outcomes, ['FAILED', 'SUPERSEDED']);
    await courier.close();
  });

  it('gives up after so many tries, and is there for the next news', async () => {
    begin({ ...NONE, tries: 3 });
    courier.tell(news(1));
    for (const tries of [1, 2, 3]) {
      await carrier.begun(tries);
      carrier.end('refused');
    }
    while (!outcomes.includes('GIVEN_UP')) await ended();
    courier.tell(news(2));
    await carrier.begun(4);
    assert.deepEqual(carrier.tried, [1, 1, 1, 2]);
    assert.deepEqual(outcomes, ['FAILED', 'FAILED', 'FAILED', 'GIVEN_UP']);
    await courier.close();
  });

  it('ends what runs when it closes, and takes nothing any more', async () => {
    begin(LONG);
    courier.tell(news(1));
    await carrier.begun(1);
    courier.tell(news(2));
    await courier.close();
    courier.tell(news(3));
    assert.deepEqual(carrier.tried, [1]);
    assert.deepEqual(outcomes, []);
  });
});

describe('news by URL', () => {
  let server: Server;
  let url: string;
  beforeEach(async () => {
    server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/leader?balancer=1`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('is one POST with JSON', async () => {
    const asked: [IncomingMessage, string][] = [];
    server.on('request', async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      asked.push([request, body]);
      response.writeHead(204).end();
    });
    await new Webhook(url).carry(news(3), NEVER);
    const [[request, body]] = asked as [[IncomingMessage, string]];
    assert.equal(request.method, 'POST');
    assert.equal(request.url, '/leader?balancer=1');
    assert.equal(request.headers['content-type'], 'application/json');
    assert.equal(`http://${request.headers.host}/leader?balancer=1`, url);
    assert.deepEqual(JSON.parse(body), news(3));
  });

  it('fails on every status but 2xx, and follows no redirect', async () => {
    let asked = 0;
    for (const status of [301, 307, 404, 500]) {
      server.removeAllListeners('request').on('request', (_request, response) => {
        asked++;
        response.writeHead(status, { Location: '/elsewhere' }).end();
      });
      await assert.rejects(new Webhook(url).carry(news(1), NEVER), new RegExp(`answered with ${status}$`));
    }
    assert.equal(asked, 4);
  });

  it('waits neither for a silent receiver nor for an endless answer', async () => {
    server.on('request', () => undefined);
    await assert.rejects(new Webhook(url, 50).carry(news(1), NEVER), /no answer within 50 ms$/);
    const cut = new Promise<void>((resolve) => {
      server.removeAllListeners('request').on('request', (_request, response) => {
        response.writeHead(200).flushHeaders();
        const more = Buffer.alloc(LIMITS.newsAnswerBytes);
        const write = (): boolean => response.write(more, (error) => (error ? resolve() : write()));
        response.on('close', resolve);
        write();
      });
    });
    await new Webhook(url).carry(news(1), NEVER);
    await cut;
  });

  it('says who did not answer', async () => {
    server.close();
    await once(server, 'close');
    await assert.rejects(new Webhook(url).carry(news(1), NEVER), /^Error: http:\/\/127.*ECONNREFUSED/);
  });

  it('goes to this machine only', () => {
    for (const bad of [
      'http://10.0.0.1/',
      'http://127.0.0.1.example/',
      'https://127.0.0.1/',
      'http://u@[::1]/',
    ])
      assert.throws(() => new Webhook(bad), RangeError, bad);
  });
});

describe('news by command', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outrigger-news-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** A program made of this JavaScript, run with these arguments. */
  async function program(code: string, ...args: string[]): Promise<string[]> {
    const file = join(folder, 'program.cjs');
    await writeFile(file, code);
    return [process.execPath, file, ...args];
  }

  it('gives it one line of JSON, and its arguments as they are', async () => {
    const out = join(folder, 'out');
    const words = await program(
      `const { readFileSync, writeFileSync } = require('node:fs');
       writeFileSync(process.argv[2], readFileSync(0, 'utf8') + JSON.stringify(process.argv.slice(3)));`,
      out,
      '$HOME; `id`',
      '*',
    );
    await new NewsCommand(words).carry(news(7), NEVER);
    const [line, args] = (await readFile(out, 'utf8')).split('\n');
    assert.deepEqual(JSON.parse(line ?? ''), news(7));
    assert.deepEqual(JSON.parse(args ?? ''), ['$HOME; `id`', '*']);
  });

  it('does not mind a program that reads nothing', async () => {
    await new NewsCommand(await program('')).carry(news(1), NEVER);
  });

  it('says how it failed, with the end of its complaint', async () => {
    const words = await program(
      `process.stderr.write('x'.repeat(${LIMITS.newsComplaintBytes * 2}) + '\\nno such backend\\n', () => process.exit(3))`,
    );
    await assert.rejects(
      new NewsCommand(words).carry(news(1), NEVER),
      /ended with exit code 3: no such backend$/,
    );
    await assert.rejects(
      new NewsCommand([join(folder, 'nothing')]).carry(news(1), NEVER),
      /nothing cannot be run: there is no such program$/,
    );
  });

  /** Says in that file who its child is, and ends by nothing but a kill. */
  const stubborn = (pids: string): string[] => [
    ...['/bin/sh', '-c', `trap '' TERM; sleep 1000 & echo $! > "$0"; wait; wait`, pids],
  ];

  async function gone(pid: number): Promise<void> {
    for (;;) {
      try {
        process.kill(pid, 0);
      } catch {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  it('kills it, and what it started, when it runs too long', async () => {
    const pids = join(folder, 'pids');
    const command = new NewsCommand(stubborn(pids), 1_000);
    await assert.rejects(command.carry(news(1), NEVER), /ran longer than 1000 ms$/);
    // On a slow machine it may not have got so far.
    const pid = Number(await readFile(pids, 'utf8').catch(() => ''));
    if (pid > 0) await gone(pid);
  });

  it('kills it when the sidecar stops', async () => {
    const closing = new AbortController();
    const run = new NewsCommand(stubborn(join(folder, 'pids'))).carry(news(1), closing.signal);
    closing.abort();
    await assert.rejects(run, /ended with SIGKILL$/);
  });

  describe('from a process of its own', () => {
    const RUNNER = [process.execPath, resolve('dist/sidecar/main.mjs'), 'run-news', '--'];
    let runner: CommandRunner | undefined;
    afterEach(() => runner?.close());

    it('is told how each run ended', async () => {
      const out = join(folder, 'out');
      const words = await program(
        `const news = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
         require('node:fs').appendFileSync(process.argv[2], news.sequence + ' ' + process.argv[3] + '\\n');
         if (news.sequence === 2) { console.error('not two'); process.exitCode = 1; }`,
        out,
        '--help',
      );
      runner = new CommandRunner(RUNNER, words);
      await runner.carry(news(1), NEVER);
      await assert.rejects(runner.carry(news(2), NEVER), /ended with exit code 1: not two$/);
      await runner.carry(news(3), NEVER);
      assert.equal(await readFile(out, 'utf8'), '1 --help\n2 --help\n3 --help\n');
    });

    it('says when that process ended, and starts another', async () => {
      runner = new CommandRunner(['/bin/sh', '-c', 'read line; exit 7'], []);
      for (let time = 0; time < 2; time++)
        await assert.rejects(
          runner.carry(news(1), NEVER),
          /the process that runs the command ended: exit code 7$/,
        );
      runner = new CommandRunner(['/bin/sh', '-c', 'read line; echo nonsense; sleep 1'], []);
      await assert.rejects(runner.carry(news(1), NEVER), /said something strange$/);
    });

    it('ends the command for newer news', async () => {
      const pids = join(folder, 'pids');
      // Hangs over the first news, and over no other.
      const hang = `read line; case "$line" in *'"sequence":1}'*) ;; *) exit 0 ;; esac; sleep 1000 & echo $! > "$0"; wait`;
      runner = new CommandRunner(RUNNER, ['/bin/sh', '-c', hang, pids]);
      const old = new AbortController();
      const failed = assert.rejects(runner.carry(news(1), old.signal), /it was given up$/);
      let pid = 0;
      while (!(pid > 0)) pid = Number(await readFile(pids, 'utf8').catch(() => ''));
      old.abort();
      await failed;
      await runner.carry(news(2), NEVER);
      await gone(pid);
    });

    it('ends with the sidecar, and the command with it', async () => {
      const pids = join(folder, 'pids');
      runner = new CommandRunner(RUNNER, stubborn(pids));
      const run = runner.carry(news(1), NEVER);
      const failed = assert.rejects(run);
      let pid = 0;
      while (!(pid > 0)) pid = Number(await readFile(pids, 'utf8').catch(() => ''));
      await runner.close();
      await failed;
      await gone(pid);
    });
  });
});
