/**
 * Builds that bring less to the disk than they say. Only a cut of the power shows it, so `npm run disks:cuts` must find each of
 * them (test/disks/cuts), and no other suite can.
 */
export const UNSYNCED = [
  {
    name: 'log-unsynced',
    title: 'commits the log with synchronous=NORMAL',
    file: 'sidecar/store/schema.ts',
    find: "{ name: 'synchronous', set: 2, expect: 2 },",
    replace: "{ name: 'synchronous', set: 1, expect: 1 },",
  },
  {
    name: 'snapshot-unsynced',
    title: 'gives a snapshot its name before its content is on the disk',
    file: 'sidecar/store/snapshots/writer.ts',
    find: 'await this.#file.sync();',
    replace: '',
  },
  {
    name: 'snapshot-name-unsynced',
    title: 'builds on a snapshot whose name is not on the disk',
    file: 'sidecar/store/snapshots/folder.ts',
    find: "if (process.platform === 'win32') return;",
    replace: 'if (this.#folder.length > 0) return;',
  },
];
