/** A data folder on a disk of its own that is small, and can be filled by somebody else. Needs root on Linux. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const PIECE = Buffer.alloc(64 * 1024, 1);
/** The last pieces are small, so that nothing is left. */
const CRUMB = 512;

/** Why there can be none here, '' where there can. */
export function whyNot(): string {
  if (process.platform !== 'linux') return 'needs a tmpfs, which Linux has';
  if (process.getuid?.() !== 0) return 'needs root, to mount a small disk';
  const tried = spawnSync('mount', ['--fake', '-t', 'tmpfs', 'none', '/tmp']);
  return tried.status === 0 ? '' : 'needs a system where a disk can be mounted';
}

export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Mounts it at `path`. Throws where that is not allowed. */
  static mount(path: string, megabytes: number): SmallDisk {
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=0700,size=${megabytes}m`, 'none', path], {
      stdio: 'pipe',
    });
    return new SmallDisk(path);
  }

  /** Takes all the space that is left, also what becomes free meanwhile. Returns how much it has. */
  fill(): number {
    const file = openSync(this.#filler, 'a');
    try {
      for (let piece = PIECE.length; piece >= CRUMB; ) {
        try {
          writeSync(file, PIECE, 0, piece);
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
          piece /= 2;
        }
      }
      return fstatSync(file).size;
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  get isFilled(): boolean {
    return existsSync(this.#filler);
  }

  unmount(): void {
    execFileSync('umount', ['--lazy', this.path], { stdio: 'pipe' });
  }

  get #filler(): string {
    return join(this.path, 'filler');
  }
}
