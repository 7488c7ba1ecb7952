/**
 * The thin clients, with whatever toolchains this machine has: a program in each language that proposes the lines of its standard
 * input. test/conformance judges them by the rules; here are those that need several answers in a row, or patience, and real nodes
 * that are killed: each line takes effect once, in order.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Stage } from '../exactly-once/stage.ts';
import { AppClient } from '../support/app-client.ts';
import { type BuiltProgram, launchOf, prepare, THIN_CLIENTS } from '../support/built-programs.ts';
import { TEST_MS, until } from '../support/patience.ts';
import { type Asked, type ScriptedOptions, ScriptedSidecar } from '../support/scripted-sidecar.ts';

const SESSION = 77;
/** Answered before and after each kill. */
const LINES = 15;

/** The program, and what it printed. */
class Lines {
  readonly printed: string[] = [];
  readonly #child: ChildProcess;
  #said = '';
  #taken = 0;

  constructor(program: BuiltProgram, args: readonly string[]) {
    const launch = launchOf(program);
    this.#child = spawn(launch.command, [...launch.args, ...args], { stdio: 'pipe', detached: true });
    const { stdin, stdout, stderr } = this.#child;
    assert.ok(stdin !== null && stdout !== null && stderr !== null);
    stdin.on('error', () => undefined); // it ended: its exit says so
    createInterface({ input: stdout }).on('line', (text) => this.printed.push(text));
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
  }

  propose(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** The next line that it prints. */
  async next(): Promise<string> {
    await until(
      'it prints an answer',
      () => this.printed.length > this.#taken,
      () => this.#said,
    );
    this.#taken += 1;
    return this.printed[this.#taken - 1] ?? '';
  }

  /** Nothing more is proposed; resolves with its exit code and what it said. */
  async end(): Promise<{ code: number | null; said: string }> {
    const exited = this.#child.exitCode === null ? once(this.#child, 'close') : undefined;
    this.#child.stdin?.end();
    await exited;
    return { code: this.#child.exitCode, said: this.#said };
  }

  kill(): void {
    if (this.#child.exitCode === null && this.#child.pid !== undefined)
      process.kill(-this.#child.pid, 'SIGKILL');
  }
}

function isCommand(asked: Asked<'propose'>, command: string, sequence?: number): void {
  const { frame } = asked;
  const found = [Buffer.from(frame.command).toString(), frame.sequence, frame.session];
  assert.deepEqual(found, [command, sequence, sequence === undefined ? undefined : SESSION]);
}

function done(asked: Asked<'propose'>, index: number, result: string): void {
  asked.answer({ type: 'proposed', index, term: 1, result: Buffer.from(result) });
}

for (const program of THIN_CLIENTS) {
  describe(`the thin client in ${program.name}`, function () {
    this.timeout(TEST_MS);
    let dir: string;
    let nodes: ScriptedSidecar[] = [];
    let lines: Lines | undefined;

    before(async function () {
      await prepare(this, program);
    });

    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'outrigger-thin-'));
    });

    afterEach(async () => {
      lines?.kill();
      await Promise.all(nodes.map((node) => node.die()));
      nodes = [];
      await rm(dir, { recursive: true, force: true });
    });

    async function node(name: string, options: ScriptedOptions = {}): Promise<ScriptedSidecar> {
      const started = await ScriptedSidecar.start(dir, name, options);
      nodes.push(started);
      return started;
    }

    function start(...args: string[]): Lines {
      lines = new Lines(program, args);
      return lines;
    }

    /** A program with a session at the first of these nodes. */
    async function inSession(...at: ScriptedSidecar[]): Promise<Lines> {
      const started = start(...at.map(({ address }) => address));
      (await (at[0] as ScriptedSidecar).next('openSession')).answer({
        type: 'sessionOpened',
        session: SESSION,
      });
      return started;
    }

    it('sends a command of a session again under its number until it is answered', async () => {
      const [first, second] = [await node('n1'), await node('n2')];
      const started = await inSession(first, second);
      started.propose('one');
      let asked = await first.next('propose');
      isCommand(asked, 'one', 1);
      asked.refuse('TIMEOUT');
      asked = await first.next('propose');
      isCommand(asked, 'one', 1);
      await first.die();
      nodes.shift();
      asked = await second.next('propose');
      isCommand(asked, 'one', 1);
      // Definite says something of this try alone; one before it may have been taken.
      asked.refuse('BAD_REQUEST');
      asked = await second.next('propose');
      isCommand(asked, 'one', 1);
      done(asked, 5, 'first');
      assert.equal(await started.next(), '5 first');
      started.propose('two');
      asked = await second.next('propose');
      isCommand(asked, 'two', 2);
      assert.equal(asked.frame.ackBelow, 2);
      done(asked, 6, 'second');
      assert.equal(await started.next(), '6 second');
    });

    it('gives a number to another command only when every try was refused', async () => {
      const only = await node('n1');
      const started = await inSession(only);
      started.propose('one');
      let asked = await only.next('propose');
      asked.refuse('OVERLOADED', { retryAfterMs: 1 });
      asked = await only.next('propose');
      isCommand(asked, 'one', 1);
      asked.refuse('BAD_REQUEST');
      assert.match(await started.next(), /^! definite BAD_REQUEST: /);
      started.propose('two');
      asked = await only.next('propose');
      isCommand(asked, 'two', 1);
      asked.refuse('SKIPPED');
      assert.match(await started.next(), /^! definite SKIPPED: /);
      started.propose('three');
      asked = await only.next('propose');
      isCommand(asked, 'three', 2);
      done(asked, 9, 'third');
      assert.equal(await started.next(), '9 third');
      // It is held under its number although nobody knows what became of it, and then the session is gone.
      started.propose('four');
      (await only.next('propose')).refuse('LEADER_LOST');
      asked = await only.next('propose');
      isCommand(asked, 'four', 3);
      asked.refuse('SESSION_UNKNOWN');
      assert.match(await started.next(), /^! session-lost SESSION_UNKNOWN: .*unknown$/);
      started.propose('five');
      assert.match(await started.next(), /^! session-lost SESSION_UNKNOWN: .*not taken$/);
    });

    it('keeps to itself what the node would not take', async () => {
      const only = await node('n1', { commandBytes: 1_000 });
      const started = await inSession(only);
      started.propose('x'.repeat(1_200));
      assert.match(await started.next(), /^! definite TOO_LARGE: .*1000/);
      started.propose('two');
      const asked = await only.next('propose');
      isCommand(asked, 'two', 1);
      done(asked, 5, 'second');
      assert.equal(await started.next(), '5 second');
      assert.deepEqual(only.commands, ['two']);
    });

    it('leaves a node that says nothing, or that is going', async () => {
      const [first, second] = [await node('n1'), await node('n2')];
      const started = await inSession(first, second);
      first.silent = true;
      started.propose('one');
      let asked = await second.next('propose');
      isCommand(asked, 'one', 1);
      done(asked, 5, 'first');
      assert.equal(await started.next(), '5 first');
      first.silent = false;
      second.goodbye('SHUTTING_DOWN');
      started.propose('two');
      asked = await first.next('propose');
      isCommand(asked, 'two', 2);
      done(asked, 6, 'second');
      assert.equal(await started.next(), '6 second');
    });
  });
}

describe('thin clients at three daemons', function () {
  this.timeout(TEST_MS);
  let stage: Stage;

  before(async () => {
    stage = await Stage.open([]);
  });
  after(() => stage?.close());

  for (const program of THIN_CLIENTS) {
    it(`${program.name}: each line takes effect once, in order, while nodes are killed`, async function () {
      await prepare(this, program);
      await stage.allReady();
      const lines = new Lines(
        program,
        stage.ids.map((id) => stage.socketOf(id)),
      );
      try {
        let n = 0;
        const answered = async (): Promise<void> => {
          for (const enough = n + LINES; n < enough; ) {
            n += 1;
            lines.propose(JSON.stringify({ key: program.name, client: program.name, n }));
            assert.match(await lines.next(), new RegExp(`^\\d+ {"value": ${n}}$`));
          }
        };
        // The first node is the one that they speak to.
        for (const victim of [stage.ids[0] as string, await stage.leader()]) {
          await answered();
          const going = answered();
          await stage.killSidecar(victim);
          await going;
          await stage.startSidecar(victim);
          await stage.allReady();
        }
        const { code, said } = await lines.end();
        assert.equal(code, 0, said);
        assert.match(said, /has applied \d+/);
        await isCounted(program.name, n);
      } finally {
        lines.kill();
      }
    });
  }

  async function isCounted(key: string, count: number): Promise<void> {
    const client = await AppClient.greet(stage.socketOf(await stage.leader()), 'json');
    client.send({ type: 'propose', id: 1, command: Buffer.from('{"read":true}') });
    const { result } = await client.next('proposed');
    await client.close();
    const { counters, repeats, gaps } = JSON.parse(Buffer.from(result ?? []).toString());
    assert.deepEqual([counters[key], repeats, gaps], [count, 0, 0]);
  }
});
