/** The part of the single executable that must be a file: where it goes, and what is trusted there. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { carriedFile, carryFiles } from '../../shared/carried-files.ts';
import { cacheFolders } from '../../sidecar/cli/cache-folders.ts';
import { loadCarriedAddon, placeAddon } from '../../sidecar/cli/carried-addon.ts';
import { spokenName, startWords } from '../../sidecar/cli/shell.ts';

const CODE = Buffer.from('compiled code');

describe('the carried part of the executable', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-carried-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('goes into a folder of its own, for its owner alone', () => {
    const cache = join(folder, 'deep', 'outrigger');
    const file = placeAddon(cache, CODE);
    assert.deepEqual(readFileSync(file), CODE);
    assert.equal(statSync(cache).mode & 0o777, 0o700);
    assert.equal(statSync(file).mode & 0o777, 0o500);
    assert.deepEqual(readdirSync(cache).length, 1, 'nothing else is left there');
  });

  it('is left alone where it is the same, and replaced where it is not', () => {
    const file = placeAddon(folder, CODE);
    const { ino } = statSync(file);
    assert.equal(placeAddon(folder, CODE), file);
    assert.equal(statSync(file).ino, ino);
    for (const other of ['other bytes!!', 'short', '']) {
      chmodSync(file, 0o700);
      writeFileSync(file, other);
      const tampered = statSync(file).ino;
      placeAddon(folder, CODE);
      assert.deepEqual(readFileSync(file), CODE);
      assert.notEqual(statSync(file).ino, tampered, 'somebody may be running the old one');
    }
  });

  it('does not follow a link that lies in its place', () => {
    const file = placeAddon(folder, CODE);
    rmSync(file);
    const elsewhere = join(folder, 'elsewhere');
    writeFileSync(elsewhere, CODE);
    symlinkSync(elsewhere, file);
    placeAddon(folder, CODE);
    assert.equal(existsSync(elsewhere), true);
    assert.equal(
      readdirSync(folder, { withFileTypes: true }).filter((one) => one.isSymbolicLink()).length,
      0,
    );
  });

  it('refuses a folder that others may write to, a link and a file', () => {
    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    assert.throws(() => placeAddon(open, CODE), /other users may write/);
    const link = join(folder, 'link');
    mkdirSync(join(folder, 'real'));
    symlinkSync(join(folder, 'real'), link);
    assert.throws(() => placeAddon(link, CODE), /is not a folder/);
    writeFileSync(join(folder, 'file'), '');
    assert.throws(() => placeAddon(join(folder, 'file'), CODE), /EEXIST/);
  });

  it('is whole for everybody when many start at once', async () => {
    const file = fileURLToPath(new URL('../packages/place/main.mjs', import.meta.url));
    const children = Array.from({ length: 8 }, () => fork(file, [folder]));
    const codes = await Promise.all(children.map((child) => once(child, 'exit')));
    assert.deepEqual(new Set(codes.map(([code]) => code)), new Set([0]));
    assert.equal(readdirSync(folder).length, 1, 'no unfinished file is left');
  });

  it('says in one line where it could not be put, and what to do', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    try {
      carryFiles((path) => (path === 'node_sqlite3.node' ? CODE : undefined));
      const say = /SQLite's compiled part .*\(name a folder with OUTRIGGER_CACHE\): [^\n]+\.$/;
      assert.throws(() => loadCarriedAddon({ OUTRIGGER_CACHE: file }), say);
      // It can be put there, and is no code.
      assert.throws(() => loadCarriedAddon({ OUTRIGGER_CACHE: join(folder, 'new') }), say);
    } finally {
      carryFiles(() => undefined);
    }
    assert.equal(carriedFile('node_sqlite3.node'), undefined);
  });

  it('tries the folders in order, and only the named one where one is named', () => {
    const env = { CACHE_DIRECTORY: '/var/cache/a:/var/cache/b', XDG_CACHE_HOME: '/x', HOME: '/home/me' };
    assert.deepEqual(cacheFolders(env, '/tmp', '1000'), [
      '/var/cache/a/outrigger',
      '/x/outrigger',
      '/home/me/.cache/outrigger',
      '/tmp/outrigger-1000',
    ]);
    assert.deepEqual(cacheFolders({ XDG_CACHE_HOME: 'relative' }, '/tmp', '0'), ['/tmp/outrigger-0']);
    assert.deepEqual(cacheFolders({ ...env, OUTRIGGER_CACHE: '/mine' }, '/tmp', '1000'), ['/mine']);
  });
});

describe('how the command starts itself', () => {
  it('by Node.js and its script, or as the single executable', () => {
    assert.deepEqual(startWords('/a/main.mjs'), [process.execPath, '/a/main.mjs']);
    assert.deepEqual(startWords(process.execPath), [process.execPath]);
  });

  it('tells the user what to type', () => {
    assert.equal(spokenName('/p/dist/sidecar/main.mjs', '/usr/bin/outrigger', '/home'), 'outrigger');
    assert.equal(
      spokenName('/p/dist/sidecar/main.mjs', '/p/bin/outrigger.mjs', '/p'),
      'node bin/outrigger.mjs',
    );
    assert.equal(spokenName(process.execPath, '/d/outrigger-1-linux-x64', '/d'), './outrigger-1-linux-x64');
    assert.equal(spokenName(process.execPath, '/d/dist/outrigger-1', '/d'), 'dist/outrigger-1');
  });
});
