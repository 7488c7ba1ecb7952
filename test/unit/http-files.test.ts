import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  endpointPath,
  endpointRoot,
  listEndpoints,
  NAME_PATTERN,
  readEndpointFile,
  readTokenFile,
  removeEndpointFile,
  writeEndpointFile,
} from '../../shared/endpoint-files.ts';
import type { EndpointFile } from '../../shared/inspect.ts';
import { PrivateFileError } from '../../shared/private-file.ts';
import {
  allows,
  mintTokens,
  openTokenFile,
  readGivenTokenFile,
  tokenCheck,
} from '../../sidecar/http/tokens.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outrigger-http-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('http: the token file', () => {
  it('is made once, 0600, with three secrets of 256 bits', async () => {
    const path = join(folder, 'data', 'tokens.json');
    const before = process.umask(0);
    const tokens = await openTokenFile(path).finally(() => process.umask(before));
    assert.equal(await modeOf(path), 0o600);
    assert.equal(await modeOf(join(folder, 'data')), 0o700);
    assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), tokens);
    const secrets = Object.values(tokens);
    assert.equal(new Set(secrets).size, 3);
    for (const secret of secrets) assert.equal(Buffer.from(secret, 'base64url').length, 32);
    assert.deepEqual(await openTokenFile(path), tokens, 'the second start reuses it');
    assert.deepEqual(await readTokenFile(path), tokens);
    assert.deepEqual(await readdir(join(folder, 'data')), ['tokens.json']);
  });

  it('is never made where the operator named it: each node would have secrets of its own', async () => {
    const path = join(folder, 'shared.json');
    await assert.rejects(readGivenTokenFile(path), (error: Error) => {
      assert.ok(error instanceof PrivateFileError);
      assert.match(error.message, /shared\.json is not there: copy the tokens\.json/);
      return true;
    });
    assert.deepEqual(await readdir(folder), []);
    const tokens = await openTokenFile(path);
    assert.deepEqual(await readGivenTokenFile(path), tokens);
  });

  it('is one and the same for two who make it at once', async () => {
    const path = join(folder, 'tokens.json');
    const all = await Promise.all(Array.from({ length: 8 }, () => openTokenFile(path)));
    for (const tokens of all) assert.deepEqual(tokens, all[0]);
    assert.deepEqual(await readdir(folder), ['tokens.json']);
  });

  it('is refused when others may read it', async () => {
    const path = join(folder, 'tokens.json');
    await openTokenFile(path);
    for (const mode of [0o640, 0o604, 0o644, 0o622, 0o660]) {
      await chmod(path, mode);
      await assert.rejects(openTokenFile(path), (error: Error) => {
        assert.ok(error instanceof PrivateFileError);
        assert.match(error.message, /may be read by other users; make it private with: chmod 600/);
        return true;
      });
    }
    assert.equal(await modeOf(path), 0o660, 'it is not changed behind the back of its owner');
  });

  it('is refused when it is a link, a folder or no token file, without quoting it', async () => {
    const path = join(folder, 'tokens.json');
    const target = join(folder, 'elsewhere');
    await writeFile(target, JSON.stringify(mintTokens()), { mode: 0o600 });
    await symlink(target, path);
    await assert.rejects(openTokenFile(path), /symbolic link/);
    await rm(path);
    await mkdir(path);
    await assert.rejects(openTokenFile(path), /not an ordinary file/);
    await rm(path, { recursive: true });
    const { view, write } = mintTokens();
    for (const text of [
      '',
      'hunter2',
      '{}',
      JSON.stringify({ view, write, admin: write }),
      JSON.stringify({ view, write, admin: 'hunter2' }),
    ]) {
      await writeFile(path, text, { mode: 0o600 });
      await assert.rejects(openTokenFile(path), (error: Error) => {
        assert.ok(error instanceof PrivateFileError);
        assert.match(error.message, /is not a token file/);
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      });
    }
  });

  it('belonging to another user is refused', async function () {
    if (process.getuid?.() !== 0) this.skip();
    const { chown } = await import('node:fs/promises');
    const path = join(folder, 'tokens.json');
    await openTokenFile(path);
    await chown(path, 12345, 12345);
    await assert.rejects(openTokenFile(path), /belongs to user 12345/);
  });

  it('gives each secret its scope, and nothing to anything else', () => {
    const tokens = mintTokens();
    const check = tokenCheck(tokens);
    for (const scope of ['view', 'write', 'admin'] as const) {
      assert.equal(check.scopeOf(tokens[scope]), scope);
      assert.equal(check.scopeOf(tokens[scope].slice(0, -1)), undefined);
      assert.equal(check.scopeOf(`${tokens[scope]}x`), undefined);
    }
    assert.equal(check.scopeOf(''), undefined);
    assert.deepEqual(
      (['view', 'write', 'admin'] as const).map((held) => [
        allows(held, 'view'),
        allows(held, 'write'),
        allows(held, 'admin'),
      ]),
      [
        [true, false, false],
        [true, true, false],
        [true, true, true],
      ],
    );
  });
});

describe('http: endpoint files', () => {
  const endpoint = (more: Partial<EndpointFile> = {}): EndpointFile => ({
    pid: process.pid,
    cluster: 'orders',
    node: 'n1',
    http: 'http://127.0.0.1:8001',
    appSocket: '/run/app.sock',
    tokenFile: '/data/tokens.json',
    control: false,
    version: '0.1.0',
    ...more,
  });

  it('lie where the protocol says', () => {
    assert.equal(endpointRoot({ XDG_RUNTIME_DIR: '/run/user/5', HOME: '/home/a' }), '/run/user/5/outrigger');
    for (const unset of [{}, { XDG_RUNTIME_DIR: '' }, { XDG_RUNTIME_DIR: 'relative' }]) {
      assert.equal(endpointRoot({ HOME: '/home/a', ...unset }), '/home/a/.outrigger/run/outrigger');
    }
    assert.equal(endpointPath('orders', 'n1', '/r'), '/r/orders/n1.json');
  });

  it('take no name that could be a path', () => {
    for (const name of [
      '',
      '.',
      '..',
      '../x',
      'a/b',
      'a\\b',
      '/etc',
      '-x',
      '_x',
      'a b',
      'a\0b',
      'é',
      'a'.repeat(65),
      'a\n',
    ]) {
      assert.ok(!NAME_PATTERN.test(name), name);
      assert.throws(() => endpointPath(name, 'n1', '/r'), RangeError);
      assert.throws(() => endpointPath('orders', name, '/r'), RangeError);
    }
    for (const name of ['a', 'N-1', '0.x_y', 'a'.repeat(64)])
      assert.equal(endpointPath(name, name, '/r'), `/r/${name}/${name}.json`);
  });

  it('are private, replaced whole, and removed only by their own process', async () => {
    const root = join(folder, 'run', 'outrigger');
    const before = process.umask(0);
    const path = await writeEndpointFile(endpoint(), root).finally(() => process.umask(before));
    assert.equal(await modeOf(path), 0o600);
    assert.equal(await modeOf(join(root, 'orders')), 0o700);
    assert.equal(await modeOf(root), 0o700);
    assert.deepEqual(await readEndpointFile(path), endpoint());
    await chmod(root, 0o755);
    await writeEndpointFile(endpoint({ http: 'http://127.0.0.1:9009' }), root);
    assert.equal(await modeOf(root), 0o700, 'a folder that was open is closed');
    assert.equal((await readEndpointFile(path))?.http, 'http://127.0.0.1:9009');
    assert.deepEqual(await readdir(join(root, 'orders')), ['n1.json']);

    await removeEndpointFile(path, process.pid + 1);
    assert.notEqual(await readEndpointFile(path), undefined, 'the file of a successor stays');
    await removeEndpointFile(path);
    assert.equal(await readEndpointFile(path), undefined);
    await removeEndpointFile(path);
  });

  it('are listed by cluster and node; what does not count is named with its reason', async () => {
    const root = join(folder, 'outrigger');
    assert.deepEqual(await listEndpoints(root), { endpoints: [], skipped: [] });
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    await writeEndpointFile(endpoint({ node: 'n2' }), root);
    await writeEndpointFile(endpoint(), root);
    await writeEndpointFile(endpoint({ cluster: 'books' }), root);
    const stale = await writeEndpointFile(endpoint({ node: 'n3', pid: gone }), root);
    const open = await writeEndpointFile(endpoint({ node: 'n4' }), root);
    await chmod(open, 0o644);
    const broken = join(root, 'orders', 'n5.json');
    await writeFile(broken, '{', { mode: 0o600 });
    const lying = join(root, 'orders', 'n6.json');
    await writeFile(lying, JSON.stringify(endpoint()), { mode: 0o600 });
    await writeFile(join(root, 'orders', '.n7.json.tmp'), 'x');
    await writeFile(join(root, 'stray'), 'x');

    const { endpoints, skipped } = await listEndpoints(root);
    assert.deepEqual(
      endpoints.map(({ cluster, node }) => `${cluster}/${node}`),
      ['books/n1', 'orders/n1', 'orders/n2'],
    );
    assert.deepEqual(
      skipped.map(({ path }) => path),
      [stale, open, broken, lying],
    );
    assert.match(skipped[0]?.reason ?? '', new RegExp(`process ${gone} is gone`));
    assert.match(skipped[1]?.reason ?? '', /other users/);
    assert.match(skipped[2]?.reason ?? '', /not JSON/);
    assert.match(skipped[3]?.reason ?? '', /names orders\/n1/);
  });
});
