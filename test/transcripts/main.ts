/**
 * Regenerates what transcripts expect:
 *
 *   node dist/test/transcripts/main.mjs --rewrite [part of a name]
 *
 * Read the difference before you keep it: it is what the protocol does now.
 */
import { parseArgs } from 'node:util';
import { readScript, rewriteScript, runScript, scriptNames } from './runner.ts';

const { values, positionals } = parseArgs({
  options: { rewrite: { type: 'boolean', default: false } },
  allowPositionals: true,
});

for (const name of scriptNames(positionals[0])) {
  try {
    if (values.rewrite) console.log(`${rewriteScript(name) ? 'rewritten' : 'unchanged'}  ${name}`);
    else console.log([`== ${name}`, ...runScript(readScript(name)).flat()].join('\n'));
  } catch (error) {
    console.error(`FAILED     ${name}: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
