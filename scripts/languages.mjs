/**
 * What the apps and clients in other languages need besides their compilers: libraries of C++, and programs that shell scripts use.
 * Compilers themselves are never installed: tests of languages that are not here say so and are skipped.
 *
 * MUST: use only what comes with Node.js.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, installPackages } from './apt.mjs';

/** Debian package → the file by which it is known, or the program. */
const CPP = {
  'pkg-config': 'pkg-config',
  'protobuf-compiler': 'protoc',
  'libprotobuf-dev': '/usr/include/google/protobuf/message.h',
  'nlohmann-json3-dev': '/usr/include/nlohmann/json.hpp',
  'libcpp-httplib-dev': '/usr/include/httplib.h',
  'libssl-dev': '/usr/include/openssl/evp.h',
};
const SHELL = { socat: 'socat', jq: 'jq', openssl: 'openssl' };

/** Where apps and clients are, and the file in each folder that says how it is compiled. */
const PROGRAMS = { examples: 'outrigger-app.json', clients: 'outrigger-client.json' };

function isThere(file) {
  return file.startsWith('/') ? existsSync(file) : findProgram([file]) !== undefined;
}

/** Makes ready what their tests need, where it can be, and compiles them: the tests would, and find it done. */
export async function prepareLanguages(root, say) {
  if (process.platform !== 'linux' || process.env.OUTRIGGER_SKIP_LANGUAGES) return;
  const wanted = { ...SHELL, ...(isThere('g++') ? CPP : {}) };
  const missing = Object.keys(wanted).filter((name) => !isThere(wanted[name]));
  const compiled = new Set();
  const meanwhile = compileAll(root, compiled);
  if (missing.length > 0) await installPackages(missing, 'for the examples in C++ and shell', say);
  await meanwhile;
  await compileAll(root, compiled);
}

/** Compiles, one after the other and behind everything else, those whose compilers are here and that are not among `compiled`. */
async function compileAll(root, compiled) {
  for (const [parent, file] of Object.entries(PROGRAMS)) {
    for (const name of readdirSync(join(root, parent))) {
      const folder = join(root, parent, name);
      if (compiled.has(folder) || !existsSync(join(folder, file))) continue;
      const { needs, build } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      if (build.length === 0 || !needs.every(isThere)) continue;
      compiled.add(folder);
      // What is wrong with it, its test says.
      await once(spawn('nice', ['-n', '10', ...build], { cwd: folder, stdio: 'ignore' }), 'close');
    }
  }
}
