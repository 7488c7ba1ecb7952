/**
 * The files of deploy/: each one is checked by the tool that its field has, and against what our program says of itself. A tool that
 * is not there is named, and its test skipped.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, loadAll } from 'js-yaml';
import { findChecker } from '../../scripts/deploy/tools.mjs';
import { LIMITS } from '../../shared/limits.ts';
import { CACHE_VARIABLE } from '../../sidecar/cli/cache-folders.ts';
import { environmentName, loadConfig, SETTING_NAMES } from '../../sidecar/cli/config.ts';
import { CliError, ExitCode } from '../../sidecar/cli/errors.ts';
import { TEST_MS } from '../support/patience.ts';

const UNIT = 'deploy/systemd/outrigger@.service';
const MANIFESTS = 'deploy/kubernetes/outrigger.yaml';
const CONTAINER = 'deploy/container/Containerfile';
/** The oldest Kubernetes that knows all that the manifests say, and one that knows more. */
const KUBERNETES = ['1.30', '1.37'];
/** What `systemd-analyze security` may find at most, of 10: a sidecar needs the network, and V8 compiles. */
const EXPOSURE = 2;
const SECOND = 1_000;

type Env = Record<string, string>;

/** Runs a checker; undefined, and a line that says so, where it is not installed. */
function check(
  name: Parameters<typeof findChecker>[0],
  args: readonly string[],
): { code: number; said: string } | undefined {
  const checker = findChecker(name);
  const [program, ...first] = checker?.words ?? [];
  if (checker === undefined || program === undefined) {
    console.log(`      ${name} is not installed`);
    return undefined;
  }
  const env = { ...process.env, ...checker.env };
  const { status, stdout, stderr, error } = spawnSync(program, [...first, ...args], {
    env,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { code: status ?? -1, said: `${stdout}${stderr}` };
}

/** That a sidecar takes these settings as a whole, and knows all of them. */
function assertTaken(env: Env): void {
  const others = ['XDG_RUNTIME_DIR', CACHE_VARIABLE];
  const known = [...SETTING_NAMES.map(environmentName), ...others];
  const strange = Object.keys(env).filter(
    (name) => !known.includes(name) && !name.startsWith('OUTRIGGER_TLS_'),
  );
  assert.deepEqual(strange, [], 'settings that nobody reads');
  try {
    loadConfig({}, env);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    // A version without TLS refuses exactly the addresses, which are off this machine.
    assert.match(error.message, /needs TLS, which this version does not have/);
  }
}

describe('the systemd unit', function () {
  this.timeout(TEST_MS);
  const text = readFileSync(UNIT, 'utf8');
  const value = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1];
  let folder = '';

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-units-'));
    for (const name of ['outrigger', 'your-app']) {
      const unit = readFileSync(`deploy/systemd/${name}@.service`, 'utf8');
      // The checker wants programs that are there.
      copyFileSync(process.execPath, join(folder, name));
      const local = unit.replaceAll('/usr/local/bin/', `${folder}/`);
      for (const instance of ['', 'n1']) writeFileSync(join(folder, `${name}@${instance}.service`), local);
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  it('has no fault that systemd-analyze knows', function () {
    const units = ['outrigger@n1.service', 'your-app@n1.service'].map((name) => join(folder, name));
    const verified = check('systemd-analyze', ['verify', '--man=no', ...units]);
    if (verified === undefined) return this.skip();
    assert.equal(verified.said, '');
    assert.equal(verified.code, 0);
    const odd = join(folder, 'odd@n1.service');
    writeFileSync(odd, text.replace('KillMode=mixed', 'KillMode=mixt'));
    assert.match(
      check('systemd-analyze', ['verify', '--man=no', odd])?.said ?? '',
      /kill mode/,
      'it can fail',
    );
  });

  it('exposes little', function () {
    const args = ['security', '--offline=yes', '--no-pager', `--threshold=${EXPOSURE * 10}`];
    const judged = check('systemd-analyze', [...args, join(folder, 'outrigger@n1.service')]);
    if (judged === undefined) return this.skip();
    assert.equal(judged.code, 0, judged.said);
    console.log(`      ${judged.said.trim().split('\n').at(-1)}`);
  });

  it('waits longer than a sidecar needs to stop, and does not restart what a restart cannot cure', () => {
    assert.ok(Number(value('TimeoutStopSec')) * SECOND > LIMITS.shutdownMs);
    const hopeless = [ExitCode.USAGE, ExitCode.STORAGE, ExitCode.LOCKED];
    assert.equal(value('RestartPreventExitStatus'), hopeless.join(' '));
    const connections = LIMITS.httpConnections + LIMITS.appConnections + LIMITS.peerConnections;
    assert.ok(Number(value('LimitNOFILE')) > 2 * connections);
  });

  it('its environment file is taken by the program', () => {
    const lines = readFileSync('deploy/systemd/outrigger.env', 'utf8').split('\n');
    const own = text.split('\n').flatMap((line) => /^Environment=(.*)$/.exec(line)?.[1] ?? []);
    const pairs = [...own, ...lines.filter((line) => /^[A-Z]/.test(line))].map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1).replaceAll('%i', 'orders-n1')];
    });
    assertTaken(Object.fromEntries(pairs));
  });
});

describe('the container file', function () {
  this.timeout(TEST_MS);
  const text = readFileSync(CONTAINER, 'utf8');

  it('has no fault that hadolint knows', function () {
    const linted = check('hadolint', ['--failure-threshold', 'style', CONTAINER]);
    if (linted === undefined) return this.skip();
    assert.equal(linted.said, '');
    assert.equal(linted.code, 0);
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-lint-'));
    try {
      writeFileSync(join(folder, 'Containerfile'), text.replace('FROM debian:12-slim', 'FROM debian'));
      assert.match(check('hadolint', [join(folder, 'Containerfile')])?.said ?? '', /DL3006/, 'it can fail');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('runs as nobody special, and is of this version', () => {
    assert.match(text, /^USER 10001:10001$/m);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    assert.equal(/^ARG VERSION=(.*)$/m.exec(text)?.[1], version);
  });

  it('is built, where a container engine runs', function () {
    const engine = ['docker', 'podman'].find(
      (name) => spawnSync(name, ['info'], { stdio: 'ignore' }).status === 0,
    );
    if (engine === undefined) {
      console.log('      no container engine runs here');
      return this.skip();
    }
    const context = mkdtempSync(join(tmpdir(), 'outrigger-context-'));
    try {
      const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
      const name = `outrigger-${version}-linux-x64`;
      // A stand-in will do: what is tried here is the file.
      copyFileSync(process.execPath, join(context, name));
      writeFileSync(join(context, `${name}.NOTICES.txt`), '');
      const args = ['build', '--quiet', '-f', CONTAINER, context];
      const { status, stderr } = spawnSync(engine, args, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    } finally {
      rmSync(context, { recursive: true });
    }
  });
});

interface Probe {
  readonly httpGet: { readonly scheme: string; readonly port: string; readonly path: string };
}
interface Container {
  readonly name: string;
  readonly image: string;
  readonly restartPolicy?: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
}
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas: number;
    readonly serviceName: string;
    readonly publishNotReadyAddresses?: boolean;
    readonly maxUnavailable?: number;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly initContainers: readonly Container[];
        readonly containers: readonly Container[];
      };
    };
  };
}

describe('the Kubernetes manifests', function () {
  this.timeout(TEST_MS);
  const all = loadAll(readFileSync(MANIFESTS, 'utf8')).filter((one) => one !== null) as Manifest[];
  const find = (kind: string, name = 'orders'): Manifest => {
    const found = all.find((one) => one.kind === kind && one.metadata.name === name);
    assert.ok(found, `no ${kind} ${name}`);
    return found;
  };
  const set = find('StatefulSet').spec;
  const pod = set.template.spec;
  const [sidecar, app] = [pod.initContainers[0], pod.containers[0]];
  assert.ok(sidecar && app);
  const env = (container: Container, node = 'orders-0'): Env =>
    Object.fromEntries(
      container.env.map(({ name, value }) => [name, (value ?? node).replaceAll('$(OUTRIGGER_ID)', node)]),
    );

  for (const version of KUBERNETES) {
    it(`keep to the schemas of Kubernetes ${version}`, function () {
      const validated = check('kubernetes-validate', [
        '--strict',
        '--kubernetes-version',
        version,
        MANIFESTS,
      ]);
      if (validated === undefined) return this.skip();
      assert.equal(validated.code, 0, validated.said);
      assert.equal(validated.said.match(/passed for resource/g)?.length, all.length, validated.said);
    });
  }

  it('would not keep to them with a misspelt field', function () {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-manifests-'));
    try {
      const file = join(folder, 'odd.yaml');
      writeFileSync(file, readFileSync(MANIFESTS, 'utf8').replace('livenessProbe:', 'livenesProbe:'));
      const validated = check('kubernetes-validate', ['--strict', file]);
      if (validated === undefined) return this.skip();
      assert.notEqual(validated.code, 0);
      assert.match(validated.said, /livenesProbe/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('the sidecar takes its settings on each Pod, and its members are the Pods', () => {
    const pods = Array.from({ length: set.replicas }, (_, at) => `orders-${at}`);
    for (const node of pods) assertTaken(env(sidecar, node));
    const service = find('Service', set.serviceName).spec;
    const members = pods.map((node) => `${node}=${node}.${set.serviceName}:${service.ports[0]?.port}`);
    assert.equal(env(sidecar)['OUTRIGGER_MEMBERS'], members.join(','));
    assert.equal(service.publishNotReadyAddresses, true);
    assert.ok((find('PodDisruptionBudget').spec.maxUnavailable ?? 0) < set.replicas / 2);
  });

  it('probes and ports are those that the sidecar listens on', () => {
    const port = (name: string): number | undefined =>
      sidecar.ports.find((one) => one.name === name)?.containerPort;
    assert.equal(env(sidecar)['OUTRIGGER_HTTP_LISTEN'], `0.0.0.0:${port('http')}`);
    assert.equal(env(sidecar)['OUTRIGGER_PEER_LISTEN'], `0.0.0.0:${port('peers')}`);
    const asked = [sidecar.startupProbe, sidecar.livenessProbe, sidecar.readinessProbe].map(
      ({ httpGet }) => httpGet,
    );
    assert.deepEqual(
      asked.map(({ path }) => path),
      ['/livez', '/livez', '/readyz'],
    );
    for (const { scheme, port: on } of asked) assert.deepEqual([scheme, on], ['HTTPS', 'http']);
  });

  it('both containers have one socket, in a volume that both have', () => {
    const socket = env(sidecar)['OUTRIGGER_APP_SOCKET'] ?? '';
    assert.equal(env(app)['OUTRIGGER_SOCKET'], socket);
    const volume = (container: Container) =>
      container.volumeMounts.find(({ mountPath }) => socket.startsWith(`${mountPath}/`))?.name;
    assert.ok(volume(sidecar));
    assert.equal(volume(sidecar), volume(app));
    assert.equal(sidecar.restartPolicy, 'Always', 'it is up before the app, and stops after it');
  });

  it('gives both time to stop', () => {
    const sleepMs = (app.lifecycle?.preStop.sleep.seconds ?? 0) * SECOND;
    assert.ok(sleepMs > 0);
    assert.ok(pod.terminationGracePeriodSeconds * SECOND > sleepMs + 2 * LIMITS.shutdownMs);
  });

  it('the image is the one that the container file makes', () => {
    const { version } = load(readFileSync('package.json', 'utf8')) as { version: string };
    assert.equal(sidecar.image, `outrigger:${version}`);
  });
});
