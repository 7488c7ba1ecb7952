/**
 * Makes a build in which a process can be killed at a step: each comment `step: NAME` in the source of the sidecar becomes a
 * call (reach.mjs). The shipped source has no switch in it.
 *
 * MUST: fail where two steps have the same name, since a kill at one could not be told from a kill at the other.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';

const STEP = /\/\/ step: (.+)$/gm;
const FOLDER = 'sidecar';
const REACH = 'test/steps/reach.mjs';

/** The names of all steps in the source, by file. */
export function allSteps() {
  const files = readdirSync(FOLDER, { recursive: true }).filter((file) => file.endsWith('.ts'));
  const steps = files.flatMap((file) =>
    [...readFileSync(join(FOLDER, file), 'utf8').matchAll(STEP)].map(([, name]) => name),
  );
  const twice = steps.filter((name, at) => steps.indexOf(name) !== at);
  if (twice.length > 0) throw new Error(`several steps are called ${twice.join(', ')}`);
  return steps.sort();
}

/** esbuild plugin. */
export function stepsPlugin() {
  return {
    name: 'steps',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!relative(process.cwd(), path).startsWith(FOLDER)) return undefined;
        const source = await readFile(path, 'utf8');
        const contents = source.replace(STEP, (_, name) => `reachStep(${JSON.stringify(name)});`);
        if (contents === source) return undefined;
        return {
          contents: `import { reachStep } from ${JSON.stringify(resolve(REACH))};\n${contents}`,
          loader: 'ts',
        };
      });
    },
  };
}
