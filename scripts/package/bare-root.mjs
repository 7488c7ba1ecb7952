/**
 * A root folder with nothing in it but a program and the libraries that its loader wants: no shell, no Node.js, no Python, no
 * compiler, no /etc. What runs there runs on any machine with such a C library.
 *
 * MUST: leave nothing mounted: mounts live in a namespace that ends with the program.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const DEVICES = ['null', 'zero', 'random', 'urandom'];
/** Mounts what a Linux program may expect, and becomes the program, in an environment of its own. */
const ENTER = `set -e
root=$1; shift
mount -t proc proc "$root/proc"
for device in ${DEVICES.join(' ')}; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
exec "$(command -v env)" -i HOME=/root PATH=/bin NO_COLOR=1 "$(command -v chroot)" "$root" "$@"`;

/** The flags of `unshare` that work for us here, or a sentence that says why none do. */
export function waysIn() {
  if (process.platform !== 'linux') return { why: 'a bare root folder needs Linux' };
  const enough = ['--mount', '--pid', '--fork', '--kill-child'];
  for (const flags of [enough, [...enough, '--map-root-user']]) {
    if (spawnSync('unshare', [...flags, 'true'], { stdio: 'ignore' }).status === 0) return { flags };
  }
  return { why: 'a bare root folder needs root, or user namespaces, and `unshare` of util-linux' };
}

/** Makes it in `folder`. `files`: path inside → file outside, each with the libraries that it is linked with. */
export function makeBareRoot(folder, files) {
  for (const name of ['proc', 'dev', 'tmp', 'root']) mkdirSync(join(folder, name), { recursive: true });
  for (const [inside, outside] of Object.entries(files)) put(folder, inside, outside);
  for (const library of libraries(Object.values(files))) put(folder, library, realpathSync(library));
}

function put(folder, inside, outside) {
  const file = join(folder, inside);
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(outside, file);
  chmodSync(file, statSync(outside).mode & 0o777);
}

function libraries(programs) {
  const found = programs.flatMap((program) => {
    const { status, stdout, stderr } = spawnSync('ldd', [program], { encoding: 'utf8' });
    if (status !== 0) {
      // A script or a text.
      if (/not a dynamic executable/.test(stdout + stderr)) return [];
      throw new Error(`ldd ${program} ended with ${status}: ${stderr}`);
    }
    return stdout.split('\n').flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
  });
  return [...new Set(found)];
}

/** Every file in it, for people to see. */
export function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
    .sort();
}

/** Runs words of a command in it, and resolves to its exit code and all it said. */
export function runInBareRoot(folder, words, flags, timeoutMs) {
  const inside = ['sh', '-c', ENTER, 'sh', folder, ...words];
  const { status, signal, stdout, stderr } = spawnSync('unshare', [...flags, ...inside], {
    encoding: 'utf8',
    timeout: timeoutMs,
    // It ends by itself; a killed `unshare` takes all of it along.
    killSignal: 'SIGKILL',
  });
  return { code: status ?? signal, said: `${stdout}${stderr}` };
}
