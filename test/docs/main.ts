/** Writes the tables of the pages that are made from the code: `node dist/test/docs/main.mjs --rewrite`. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pagesUnder } from './markdown.ts';
import { withTables } from './tables.ts';

const { values } = parseArgs({ options: { rewrite: { type: 'boolean', default: false } } });
for (const { path, text } of pagesUnder('docs')) {
  const now = await withTables(text);
  if (now === text) continue;
  if (values.rewrite) writeFileSync(path, now);
  else process.exitCode = 1;
  console.log(values.rewrite ? `${path} is written anew` : `${path} is not what the code says (--rewrite)`);
}
