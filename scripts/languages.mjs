/**
 * What the apps and clients in other languages need besides their compilers: libraries of C++, and programs that shell scripts use.
 * Compilers themselves are never installed: tests of languages that are not here say so and are skipped.
 *
 * MUST: use only what comes with Node.js.
 */
import { existsSync } from 'node:fs';
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

function isThere(file) {
  return file.startsWith('/') ? existsSync(file) : findProgram([file]) !== undefined;
}

/** Makes them ready where it can be. */
export function prepareLanguages(say) {
  if (process.platform !== 'linux' || process.env.OUTRIGGER_SKIP_LANGUAGES) return;
  const wanted = { ...SHELL, ...(isThere('g++') ? CPP : {}) };
  const missing = Object.keys(wanted).filter((name) => !isThere(wanted[name]));
  if (missing.length > 0) installPackages(missing, 'for the examples in C++ and shell', say);
}
