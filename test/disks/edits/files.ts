/**
 * The files of a stopped node, and what an edit does to them.
 *
 * MUST: be a function of the folders and of the luck it is given.
 * MUST NOT: put guard and log of the same earlier time back together: that is a copy of the disk from the past, which no file of
 * that disk can tell from the present. Also a guard from the past beside a log that is cut short is not told in every case.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Prng } from '../../simulation/prng.ts';

export const KINDS = [
  'flip',
  'truncate',
  'zero page',
  'garbage',
  'missing',
  'older',
  'older several',
  'swapped',
  'foreign',
  'half fetched',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Folders {
  /** Of the node that is stopped. */
  readonly own: string;
  /** Its copy from an earlier stop. */
  readonly earlier: string;
  /** Of another node that is stopped or was copied while it was: an earlier copy too. */
  readonly foreign: string;
  /** Of a node that is up: only its snapshots are read. */
  readonly peer: string;
}

export interface Edit {
  readonly kind: Kind;
  /** For people: which files, where. */
  readonly what: string;
  /** Names of the files it touched, in the folder. */
  readonly files: readonly string[];
}

const LOG = 'log.sqlite';
const WAL = 'log.sqlite-wal';
const GUARD = 'guard';
const PAGE = 4096;
/** What several files are put back to an earlier time together. */
const SEVERAL: readonly (readonly string[])[] = [
  [LOG, WAL],
  [LOG, 'snapshots'],
  [WAL, 'snapshots'],
  [GUARD, 'snapshots'],
  [LOG, WAL, 'snapshots'],
];

/** The files of a data folder that hold what must not be lost, that are there and not empty. */
export function filesIn(folder: string): string[] {
  const snapshots = join(folder, 'snapshots');
  const inside = existsSync(snapshots) ? readdirSync(snapshots).sort() : [];
  return [LOG, WAL, GUARD, ...inside.map((name) => join('snapshots', name))].filter((name) => {
    const path = join(folder, name);
    return existsSync(path) && statSync(path).size > 0;
  });
}

/** Does an edit of this kind to these folders; undefined where there is nothing it could be done to. */
export function edit(kind: Kind, folders: Folders, random: Prng, only?: string): Edit | undefined {
  const files = filesIn(folders.own).filter((name) => only === undefined || name.endsWith(only));
  if (files.length === 0) return undefined;
  const name = random.pick(files);
  const path = join(folders.own, name);
  const done = (what: string, touched: readonly string[] = [name]): Edit => ({ kind, what, files: touched });
  switch (kind) {
    case 'flip':
      return done(`${name}: bits flipped at ${flip(path, random)}`);
    case 'truncate': {
      const { size } = statSync(path);
      const left = random.chance(0.2) ? 0 : random.int(size);
      writeFileSync(path, readFileSync(path).subarray(0, left));
      return done(`${name}: ${left} of ${size} bytes left`);
    }
    case 'zero page': {
      const bytes = readFileSync(path);
      const at = random.int(Math.ceil(bytes.length / PAGE)) * PAGE;
      writeFileSync(path, bytes.fill(0, at, Math.min(bytes.length, at + PAGE)));
      return done(`${name}: zeros from ${at} on`);
    }
    case 'garbage': {
      const extra = Buffer.from(Array.from({ length: 1 + random.int(3 * PAGE) }, () => random.int(256)));
      writeFileSync(path, Buffer.concat([readFileSync(path), extra]));
      return done(`${name}: ${extra.length} bytes of garbage behind its end`);
    }
    case 'missing': {
      const all = random.chance(0.15) && only === undefined;
      rmSync(all ? join(folders.own, 'snapshots') : path, { recursive: true });
      return all ? done('snapshots: gone', ['snapshots']) : done(`${name}: gone`);
    }
    case 'older':
      return putBack([name], folders.own, folders.earlier, kind);
    case 'older several':
      return putBack(random.pick(SEVERAL), folders.own, folders.earlier, kind);
    case 'foreign':
      return putBack([name], folders.own, folders.foreign, kind);
    case 'swapped':
      return swap(name, random.pick(files), folders.own);
    case 'half fetched':
      return halfFetched(folders, random);
  }
}

/** One to three bits. Returns where. */
function flip(path: string, random: Prng): string {
  const bytes = readFileSync(path);
  const places = Array.from({ length: 1 + random.int(3) }, () => random.int(bytes.length));
  for (const at of places) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8));
  writeFileSync(path, bytes);
  return places.join(', ');
}

/** Files (or folders) get what they were in `from`; what was not there goes. Undefined where that changes nothing. */
function putBack(names: readonly string[], own: string, from: string, kind: Kind): Edit | undefined {
  const changed = names.filter((name) => !same(join(own, name), join(from, name)));
  if (changed.length === 0) return undefined;
  for (const name of changed) {
    rmSync(join(own, name), { recursive: true, force: true });
    if (existsSync(join(from, name))) cpSync(join(from, name), join(own, name), { recursive: true });
  }
  const source = kind === 'foreign' ? 'of another node' : 'of an earlier time';
  return { kind, what: `${changed.join(', ')}: ${source}`, files: changed };
}

function same(a: string, b: string): boolean {
  if (!existsSync(a) || !existsSync(b)) return existsSync(a) === existsSync(b);
  if (statSync(a).isDirectory()) return readdirSync(a).join() === readdirSync(b).join();
  return readFileSync(a).equals(readFileSync(b));
}

function swap(one: string, other: string, own: string): Edit | undefined {
  if (one === other) return undefined;
  const [first, second] = [readFileSync(join(own, one)), readFileSync(join(own, other))];
  writeFileSync(join(own, one), second);
  writeFileSync(join(own, other), first);
  return { kind: 'swapped', what: `${one} and ${other} swapped`, files: [one, other] };
}

/** The log and the snapshots are gone, and a snapshot of a peer is there in part, not all of it as it was sent. */
function halfFetched({ own, peer }: Folders, random: Prng): Edit | undefined {
  const name = filesIn(peer).findLast((file) => file.endsWith('.snap'));
  if (name === undefined) return undefined;
  const bytes = readFileSync(join(peer, name));
  const digest = bytes
    .subarray(bytes.length - 40, bytes.length - 8)
    .toString('hex')
    .slice(0, 16);
  const part = name.replace(/\.snap$/, `-${digest}.part`);
  for (const gone of filesIn(own).filter((file) => file !== GUARD)) rmSync(join(own, gone));
  rmSync(join(own, WAL), { force: true });
  const half = bytes.subarray(0, 1 + random.int(bytes.length));
  half[random.int(half.length)] = random.int(256);
  writeFileSync(join(own, part), half);
  return {
    kind: 'half fetched',
    what: `only the guard and ${half.length} bytes of ${part} are left`,
    files: [LOG, WAL, part],
  };
}
