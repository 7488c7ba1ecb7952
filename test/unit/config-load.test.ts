/** The configuration of `run`: which source wins, and the sentence for every mistake. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../sidecar/cli/config.ts';
import { CliError } from '../../sidecar/cli/errors.ts';

const GOOD = {
  id: 'n1',
  cluster: 'orders',
  data: '/tmp/orders/n1',
  members: 'n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003',
} as const;

describe('configuration of run', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-config-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function file(content: unknown): string {
    const path = join(folder, 'n1.json');
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }

  /** The one-line complaint about these settings. */
  function complaint(flags: Parameters<typeof loadConfig>[0], env: NodeJS.ProcessEnv = {}): string {
    let message = '';
    assert.throws(
      () => loadConfig(flags, env),
      (error) => {
        assert(error instanceof CliError, String(error));
        assert.equal(error.exitCode, 2);
        message = error.message;
        return true;
      },
    );
    assert(!message.includes('\n'), message);
    return message;
  }

  it('fills in the defaults', () => {
    assert.deepEqual(loadConfig(GOOD, {}), {
      id: 'n1',
      cluster: 'orders',
      dataDir: '/tmp/orders/n1',
      members: [
        { id: 'n1', host: '127.0.0.1', port: 7001 },
        { id: 'n2', host: '127.0.0.1', port: 7002 },
        { id: 'n3', host: '127.0.0.1', port: 7003 },
      ],
      peerListen: { host: '127.0.0.1', port: 7001 },
      httpListen: { host: '127.0.0.1', port: 0 },
      appSocket: '/tmp/orders/n1/app.sock',
      control: false,
      electionMinMs: 150,
      electionMaxMs: 300,
      heartbeatMs: 50,
      appGraceMs: 5_000,
      preVote: true,
      checkQuorum: true,
      leaseReads: false,
      leaseClockBound: 0.2,
      snapshotBytes: 64 * 1024 * 1024,
      snapshotEntries: 500_000,
      snapshotSendBytes: 32 * 1024 * 1024,
      logLevel: 'info',
    });
  });

  it('lets flags win over the environment, and that over the file', () => {
    const config = file({
      ...GOOD,
      members: { n1: '127.0.0.1:7001' },
      heartbeatMs: 50,
      electionMinMs: 200,
      logLevel: 'debug',
    });
    const env = {
      OUTRIGGER_ELECTION_MIN_MS: '250',
      OUTRIGGER_LOG_LEVEL: 'warn',
      OUTRIGGER_PRE_VOTE: 'false',
    };
    const merged = loadConfig({ config, logLevel: 'error' }, env);
    assert.equal(merged.heartbeatMs, 50);
    assert.equal(merged.electionMinMs, 250);
    assert.equal(merged.logLevel, 'error');
    assert.equal(merged.preVote, false);
    assert.deepEqual(merged.members, [{ id: 'n1', host: '127.0.0.1', port: 7001 }]);
    assert.equal(loadConfig({}, { OUTRIGGER_CONFIG: config }).logLevel, 'debug');
  });

  it('takes leases from all three sources', () => {
    const config = file({ leaseReads: true, leaseClockBound: 0.3 });
    const env = { OUTRIGGER_LEASE_CLOCK_BOUND: '0.25' };
    assert.equal(loadConfig({ ...GOOD, config }, {}).leaseClockBound, 0.3);
    assert.equal(loadConfig({ ...GOOD, config }, env).leaseClockBound, 0.25);
    assert.equal(loadConfig({ ...GOOD, config, leaseClockBound: '0.1' }, env).leaseClockBound, 0.1);
    assert.equal(loadConfig({ ...GOOD, config }, {}).leaseReads, true);
    assert.equal(loadConfig({ ...GOOD, config }, { OUTRIGGER_LEASE_READS: 'false' }).leaseReads, false);
  });

  it('takes an empty environment variable for an absent one', () => {
    assert.equal(loadConfig(GOOD, { OUTRIGGER_LOG_LEVEL: '', OUTRIGGER_CONFIG: '' }).logLevel, 'info');
  });

  it('takes a file of secrets that all nodes share', () => {
    assert.equal(
      loadConfig({ ...GOOD, tokenFile: '/etc/orders/tokens.json' }, {}).tokenFile,
      '/etc/orders/tokens.json',
    );
    assert.match(complaint({ ...GOOD, tokenFile: '' }), /^--token-file must be a file\.$/);
  });

  it('takes addresses that belong together', () => {
    assert.equal(loadConfig({ ...GOOD, peerListen: '127.0.0.1:0' }, {}).peerListen.port, 0);
    const six = { ...GOOD, members: 'n1=[::1]:7001', peerListen: '[::1]:7001' };
    assert.deepEqual(loadConfig(six, {}).peerListen, { host: '::1', port: 7001 });
    const tcp = loadConfig({ ...GOOD, appSocket: 'tcp://127.0.0.1:9001' }, {});
    assert.equal(tcp.appSocket, 'tcp://127.0.0.1:9001');
  });

  it('takes ways to tell balancers who leads', () => {
    const command = ['/usr/local/bin/tell', '--backend', 'orders'];
    const config = file({ ...GOOD, leaderNewsCommand: command, leaderNewsUrl: 'http://localhost:9000/x' });
    const loaded = loadConfig({ config, agentListen: '127.0.0.1:8101', agentReadyListen: '[::1]:0' }, {});
    assert.deepEqual(loaded.agentListen, { host: '127.0.0.1', port: 8101 });
    assert.deepEqual(loaded.agentReadyListen, { host: '::1', port: 0 });
    assert.deepEqual(loaded.leaderNewsCommand, command);
    assert.equal(loaded.leaderNewsUrl, 'http://localhost:9000/x');
  });

  it('takes a command from the file alone, and only as words', () => {
    const inFile = (leaderNewsCommand: unknown) => ({ config: file({ ...GOOD, leaderNewsCommand }) });
    for (const [words, sentence] of [
      ['/bin/tell now', /^"leaderNewsCommand" in .* must be a list in the configuration file: \[/],
      [[], /must begin with the absolute path of a program\.$/],
      [['tell'], /must begin with the absolute path of a program\.$/],
      [['/bin/tell', 7], /must be a list of texts\.$/],
      [['/bin/tell', 'a\0b'], /must be a list of texts\.$/],
    ] as const) {
      assert.match(complaint(inFile(words)), sentence);
    }
    assert.match(
      complaint(GOOD, { OUTRIGGER_LEADER_NEWS_COMMAND: '/bin/tell' }),
      /^OUTRIGGER_LEADER_NEWS_COMMAND must be a list in the configuration file/,
    );
  });

  const refused: readonly [string, Record<string, unknown>, RegExp][] = [
    ['a bad id', { id: 'n 1' }, /^--id must be 1 to 64 letters/],
    ['an id that is a path', { id: '../n1' }, /^--id must be 1 to 64 letters/],
    ['a bad cluster', { cluster: '.hidden' }, /^--cluster must be 1 to 64/],
    ['an empty folder', { data: '' }, /^--data must be a folder\.$/],
    [
      'an address without a port',
      { httpListen: '127.0.0.1' },
      /^--http-listen must be HOST:PORT .* not "127\.0\.0\.1"\.$/,
    ],
    [
      'a port out of range',
      { peerListen: '127.0.0.1:65536' },
      /^--peer-listen must be HOST:PORT with a port from 0 to 65535/,
    ],
    [
      'a foreign HTTP host',
      { httpListen: '0.0.0.0:8001' },
      /^--http-listen has the host 0\.0\.0\.0, .* needs TLS/,
    ],
    [
      'a foreign peer host',
      { members: 'n1=10.0.0.1:7001' },
      /^--members has the host 10\.0\.0\.1, .* needs TLS/,
    ],
    [
      'a foreign agent-check',
      { agentListen: '0.0.0.0:8101' },
      /^--agent-listen has the host 0\.0\.0\.0, .* agent-check knows no TLS/,
    ],
    [
      'a foreign agent-check of ready nodes',
      { agentReadyListen: '10.0.0.1:8101' },
      /^--agent-ready-listen has the host 10\.0\.0\.1, .* agent-check knows no TLS/,
    ],
    ['news to no URL', { leaderNewsUrl: 'balancer' }, /^--leader-news-url must be a URL such as/],
    ['news to https', { leaderNewsUrl: 'https://127.0.0.1/' }, /^--leader-news-url must be an http:\/\/ URL/],
    [
      'news to another machine',
      { leaderNewsUrl: 'http://balancer.example/' },
      /^--leader-news-url must be on this machine, since news goes by plain HTTP.*, not balancer\.example\.$/,
    ],
    [
      'news with a password',
      { leaderNewsUrl: 'http://me:secret@127.0.0.1/' },
      /^--leader-news-url must be a URL without user, password and fragment\.$/,
    ],
    ['a foreign app socket', { appSocket: 'tcp://10.0.0.1:1' }, /^--app-socket must be on this machine/],
    [
      'a long socket path',
      { appSocket: `/tmp/${'x'.repeat(120)}` },
      /^--app-socket must be at most \d+ bytes long/,
    ],
    [
      'a long default socket path',
      { data: `/tmp/${'x'.repeat(120)}` },
      /^--data .* is too long to hold the app socket/,
    ],
    [
      'a time that is no number',
      { heartbeatMs: 'soon' },
      /^--heartbeat-ms must be a whole number of milliseconds/,
    ],
    ['a time that is too long', { heartbeatMs: '999999' }, /^--heartbeat-ms must be .* from 10 to 30000\.$/],
    ['a bad log level', { logLevel: 'loud' }, /^--log-level must be one of debug, info, warn, error\.$/],
    [
      'an empty range',
      { electionMinMs: '500', electionMaxMs: '500' },
      /^--election-max-ms \(500\) must be more than --election-min-ms \(500\)\.$/,
    ],
    [
      'a slow heartbeat',
      { heartbeatMs: '300' },
      /^--heartbeat-ms \(300\) must be at most half of --election-min-ms \(150\)\.$/,
    ],
    ['a clock bound that is no share', { leaseClockBound: '20 %' }, /^--lease-clock-bound must be a number/],
    [
      'a clock bound of nothing',
      { leaseClockBound: '0' },
      /^--lease-clock-bound must be .* from 0\.01 to 0\.5/,
    ],
    [
      'leases of a leader that needs no quorum',
      { leaseReads: true, checkQuorum: false },
      /^--lease-reads needs check-quorum, and --check-quorum is off: .*\.$/,
    ],
    [
      'leases that end before they are renewed',
      { leaseReads: true, leaseClockBound: 0.5, electionMinMs: 100 },
      /^--lease-reads would give leases of 50 ms \(--election-min-ms 100 .* more than --heartbeat-ms \(50\)/,
    ],
    ['a list without this node', { id: 'n9' }, /^--members must list this node: n9 is not in it\.$/],
    [
      'a peer port that differs',
      { peerListen: '127.0.0.1:7002' },
      /^--peer-listen is 127\.0\.0\.1:7002, but --members says 127\.0\.0\.1:7001 for n1: they must match\.$/,
    ],
    [
      'a peer host that differs',
      { peerListen: '127.0.0.2:7001' },
      /^--peer-listen is 127\.0\.0\.2:7001, but .* must match\.$/,
    ],
  ];
  for (const [what, change, sentence] of refused) {
    it(`refuses ${what}`, () => assert.match(complaint({ ...GOOD, ...change }), sentence));
  }

  it('names the environment variable or the field that is wrong', () => {
    assert.match(
      complaint(GOOD, { OUTRIGGER_PRE_VOTE: 'maybe' }),
      /^OUTRIGGER_PRE_VOTE must be true or false\.$/,
    );
    const config = file({ heartbeatMs: '1.5' });
    assert.equal(
      complaint({ ...GOOD, config }),
      `"heartbeatMs" in ${config} must be a whole number of milliseconds from 10 to 30000.`,
    );
    const members = file({ members: ['n1'] });
    assert.match(
      complaint({ ...GOOD, members: undefined, config: members }),
      /^"members" in .* must be an object/,
    );
  });

  it('lists everything that is missing', () => {
    assert.equal(
      complaint({ id: 'n1', data: '/x' }),
      'missing --cluster (or OUTRIGGER_CLUSTER, or --config FILE).',
    );
  });

  it('refuses a file that is not there, not JSON, not an object, or has unknown fields', () => {
    assert.match(
      complaint({ config: join(folder, 'none.json') }),
      /none\.json cannot be read: there is no such file\.$/,
    );
    assert.match(complaint({ config: file('{ "id": ') }), /n1\.json is not JSON: /);
    assert.match(complaint({ config: file([1]) }), /n1\.json must hold one JSON object\.$/);
    assert.match(
      complaint({ config: file({ ...GOOD, heartBeat: 5 }) }),
      /has the unknown field "heartBeat"; known are id, /,
    );
  });
});
