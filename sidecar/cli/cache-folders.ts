/** Where the single executable may keep the one part of it that must be a file: SQLite's compiled code. */
import { isAbsolute, join } from 'node:path';

/** Names the folder; then no other is tried. */
export const CACHE_VARIABLE = 'OUTRIGGER_CACHE';

/** The folders to try, best first. `temporary`: the system's folder for temporary files; `user`: a number or name of ours. */
export function cacheFolders(env: NodeJS.ProcessEnv, temporary: string, user: string): readonly string[] {
  const named = env[CACHE_VARIABLE];
  if (named) return [named];
  const { CACHE_DIRECTORY, XDG_CACHE_HOME, HOME } = env;
  return [
    // Of systemd, for a unit with `CacheDirectory=`.
    ...(CACHE_DIRECTORY ?? '').split(':').slice(0, 1),
    XDG_CACHE_HOME ?? '',
    HOME ? join(HOME, '.cache') : '',
  ]
    .filter(isAbsolute)
    .map((folder) => join(folder, 'outrigger'))
    .concat(join(temporary, `outrigger-${user}`));
}
