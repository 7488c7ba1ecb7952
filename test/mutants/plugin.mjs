/** Plants one deliberate bug at build time, by exact text replacement: the shipped source has no switch in it. */
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { UNSYNCED } from './disks.mjs';
import { MUTANTS } from './mutants.mjs';
import { OLDER } from './older.mjs';

/** esbuild plugin. Throws when the mutant is unknown; the build fails when its text is not there exactly once. */
export function mutantPlugin(name) {
  const mutant = [...MUTANTS, ...OLDER, ...UNSYNCED].find((candidate) => candidate.name === name);
  if (mutant === undefined) throw new Error(`no mutant is called ${name}`);
  return {
    name: `mutant ${name}`,
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (relative(process.cwd(), path) !== mutant.file) return undefined;
        const source = await readFile(path, 'utf8');
        if (source.split(mutant.find).length !== 2) {
          return {
            errors: [{ text: `mutant ${name}: the text to replace is not exactly once in ${mutant.file}` }],
          };
        }
        return { contents: source.replace(mutant.find, () => mutant.replace), loader: 'ts' };
      });
    },
  };
}
