/** The deliberate bugs of test/mutants: each must still fit the source, and must still compile. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNSYNCED } from '../mutants/disks.mjs';
import { MUTANTS } from '../mutants/mutants.mjs';

describe('mutants', () => {
  it('are at least ten, each with a name of its own', () => {
    assert.ok(MUTANTS.length >= 10);
    assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
  });

  for (const { name, file, find, replace } of [...MUTANTS, ...UNSYNCED]) {
    it(`${name} has its text exactly once in ${file}`, () => {
      assert.equal(readFileSync(file, 'utf8').split(find).length - 1, 1);
      assert.notEqual(find, replace);
    });
  }

  it('compile', () => {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-mutants-'));
    try {
      for (const { name } of MUTANTS) {
        const args = ['esbuild.config.mjs', '--only=test/simulation/main', `--out=${join(folder, name)}`];
        const { status, stderr } = spawnSync(process.execPath, [...args, `--mutant=${name}`], {
          encoding: 'utf8',
        });
        assert.equal(status, 0, `${name}: ${stderr}`);
        assert.doesNotMatch(stderr, /WARNING/, name);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
