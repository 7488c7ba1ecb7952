/**
 * Data folders on a disk whose power can be cut: durable-image.c keeps, beside each, what would be left of it.
 *
 * MUST: leave nothing in a folder that was not synced, be it content or a name.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

const SOURCE = 'test/disks/cuts/durable-image.c';
/** A process whose image could not be kept ends with it. */
export const IMAGE_FAILED = 99;

/** Why it cannot be done here, '' where it can. */
export function whyNot(): string {
  if (process.platform !== 'linux') return 'needs LD_PRELOAD, which Linux has';
  return spawnSync('cc', ['--version']).status === 0 ? '' : 'needs a C compiler (cc)';
}

/** Compiles the part that is preloaded, into `folder`. */
export function compileShim(folder: string): string {
  const shim = join(folder, 'durable-image.so');
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, resolve(SOURCE), '-ldl', '-lpthread']);
  return shim;
}

export class DurableFolder {
  readonly #data: string;
  readonly #image: string;
  readonly #shim: string;

  /** `data` need not be there; the image is kept beside it. */
  constructor(data: string, shim: string) {
    this.#data = data;
    this.#image = `${data}.image`;
    this.#shim = shim;
    mkdirSync(data, { recursive: true, mode: 0o700 });
    this.#adopt();
  }

  /** For the process that has the folder. */
  get env(): NodeJS.ProcessEnv {
    // io_uring would write past the functions that are replaced.
    const [DURABLE_DATA, DURABLE_IMAGE] = [this.#data, this.#image];
    return { LD_PRELOAD: this.#shim, DURABLE_DATA, DURABLE_IMAGE, UV_USE_IO_URING: '0' };
  }

  /** After its process was killed: the folder is what the disk has. */
  cut(): void {
    const restored = `${this.#data}.restored`;
    rmSync(restored, { recursive: true, force: true });
    mkdirSync(restored, { mode: 0o700 });
    this.#restore('', restored);
    rmSync(this.#data, { recursive: true });
    cpSync(restored, this.#data, { recursive: true });
    rmSync(restored, { recursive: true });
    this.#adopt();
  }

  /** Files that the folder holds now, by their paths in it. */
  files(): string[] {
    return readdirSync(this.#data, { recursive: true }).map(String);
  }

  #restore(folder: string, to: string): void {
    const names = join(this.#image, 'names', nameOf(folder));
    if (!existsSync(names)) return;
    for (const line of readFileSync(names, 'utf8').split('\n').slice(0, -1)) {
      const space = line.indexOf(' ');
      const [inode, name] = [line.slice(0, space), line.slice(space + 1)];
      const inside = `${folder}/${name}`;
      const content = join(this.#image, 'content', inode);
      if (existsSync(join(this.#image, 'folders', inode))) {
        mkdirSync(join(to, name), { mode: 0o700 });
        this.#restore(inside, join(to, name));
      } else if (existsSync(content)) copyFileSync(content, join(to, name));
      // The name is there, and nothing behind it ever was.
      else writeFileSync(join(to, name), '', { mode: 0o600 });
    }
  }

  /** Everything that is there is on the disk. */
  #adopt(): void {
    rmSync(this.#image, { recursive: true, force: true });
    for (const part of ['content', 'names', 'keep', 'folders'])
      mkdirSync(join(this.#image, part), { recursive: true });
    this.#adoptFolder('');
  }

  #adoptFolder(folder: string): void {
    const at = join(this.#data, folder);
    const lines = readdirSync(at).map((name) => {
      const { ino } = statSync(join(at, name));
      if (statSync(join(at, name)).isDirectory()) {
        writeFileSync(join(this.#image, 'folders', String(ino)), '');
        this.#adoptFolder(`${folder}/${name}`);
      } else copyFileSync(join(at, name), join(this.#image, 'content', String(ino)));
      return `${ino} ${name}\n`;
    });
    writeFileSync(join(this.#image, 'names', nameOf(folder)), lines.join(''));
  }
}

/** As durable-image.c calls what it knows of a folder. */
function nameOf(folder: string): string {
  return `!${folder.replaceAll('/', '!')}`;
}
