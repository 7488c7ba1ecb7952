/** The licences of everything that is bundled, read from what the source maps say was bundled. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGE = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//;
const LICENCE = /^(licen[cs]e|notice|copying)/i;

/** One text about `what`. Throws for a package without a licence. */
export function notices(root, folder, what = 'extension') {
  const names = new Set();
  for (const file of readdirSync(folder, { recursive: true })) {
    if (!file.endsWith('.map')) continue;
    for (const source of JSON.parse(readFileSync(join(folder, file), 'utf8')).sources) {
      const name = PACKAGE.exec(source)?.[1];
      if (name !== undefined) names.add(name);
    }
  }
  const parts = [...names].sort().map((name) => notice(join(root, 'node_modules', name)));
  return `This ${what} contains the following packages.\n\n${parts.join('\n')}`;
}

function notice(home) {
  const { name, version, license } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  if (!existsSync(home) || typeof license !== 'string') throw new Error(`${name} does not name its licence`);
  const texts = readdirSync(home)
    .filter((file) => LICENCE.test(file))
    .map((file) => readFileSync(join(home, file), 'utf8').trim());
  return `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${texts.join('\n\n')}\n`;
}
