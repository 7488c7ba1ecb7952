/**
 * Programs that tests need, from the system's packages, where we may install them.
 *
 * MUST: use only what comes with Node.js; say what it does before it takes time, and what to do where it could not; run one apt-get at a
 * time, whoever asks meanwhile.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of the first of these programs that is installed, or undefined. */
export function findProgram(names) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin', '/usr/local/bin'];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
}

export function isProgram(file) {
  if (!existsSync(file)) return false;
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // There, and not for us.
    return false;
  }
}

let last = Promise.resolve();

/** Installs these packages where this is a Debian and we are root; elsewhere nothing happens. */
export function installPackages(names, why, say) {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return Promise.resolve();
  last = last.then(() => install(names, why, say));
  return last;
}

async function install(names, why, say) {
  say(`installing ${names.join(', ')} ${why} (apt-get, once)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  for (const args of [
    ['-qq', 'update'],
    ['-qq', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', 'install', ...names],
  ]) {
    const [code] = await once(spawn('apt-get', args, options), 'close');
    if (code === 0) continue;
    say(`apt-get ended with ${code}: install ${names.join(', ')} by hand`);
    return;
  }
}
