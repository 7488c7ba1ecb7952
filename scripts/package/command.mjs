/**
 * The `outrigger` command as a package that npm installs: complete in itself, with SQLite's compiled part for this platform, without
 * any dependency and without install scripts. On other platforms the package `sqlite3`, installed beside it, serves.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { npm } from '../npm.mjs';
import { notices } from './notices.mjs';
import { compiledPart, makeSidecar, neededGlibc } from './sidecar.mjs';

/** Makes the package in `folder`. `from` is the build's output folder. */
export async function stageCommand(root, from, folder) {
  await makeSidecar(root, from, folder);
  // The package's own starter is bin/outrigger.mjs.
  await rm(join(folder, 'main.mjs'));
  await cp(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
  await mkdir(join(folder, 'dist', 'extension', 'aggregator'), { recursive: true });
  for (const name of ['stdio.js', 'stdio.js.map']) {
    const file = join('extension', 'aggregator', name);
    await cp(join(from, file), join(folder, 'dist', file));
  }
  // The package's own files are modules, this one is CommonJS.
  await writeFile(join(folder, 'dist', 'extension', 'package.json'), '{ "type": "commonjs" }\n');
  await writeFile(join(folder, 'THIRD-PARTY-NOTICES.txt'), notices(root, folder, 'package'));
  await dropMaps(folder);
  for (const name of ['LICENSE', 'CHANGELOG.md']) await cp(join(root, name), join(folder, name));
  const readme = await readFile(join(root, 'scripts', 'package', 'command.md'), 'utf8');
  await writeFile(join(folder, 'README.md'), readme.replace('GLIBC', neededGlibc(compiledPart(root))));
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(await manifest(root), null, 2)}\n`);
}

/** Source maps stay outside: they are as large as everything else together. */
async function dropMaps(folder) {
  for (const file of await readdir(folder, { recursive: true })) {
    if (file.endsWith('.map')) await rm(join(folder, file));
    else if (/\.(js|css)$/.test(file)) {
      const text = await readFile(join(folder, file), 'utf8');
      await writeFile(join(folder, file), text.replace(/\n?\/[/*]# sourceMappingURL=[^\n]*\n?$/, '\n'));
    }
  }
}

/** Ours without what is for work on the sources: whatever it needs is bundled. */
async function manifest(root) {
  const own = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const { name, version, description, license, type, engines, bin, dependencies } = own;
  return {
    ...{ name, version, description, license, type, engines, bin },
    keywords: ['raft', 'consensus', 'replication', 'sidecar'],
    // Only where this package has no compiled part for the platform: npm does not install it by itself.
    peerDependencies: { sqlite3: dependencies.sqlite3 },
    peerDependenciesMeta: { sqlite3: { optional: true } },
  };
}

/** Packs the folder into `out` and resolves with the path of the tarball, which is named after the platform that it is for. */
export async function packCommand(folder, work, out) {
  await npm(['pack', folder, '--pack-destination', work], { cwd: work, silent: true });
  const { name, version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const file = join(out, `${name}-${version}-${process.platform}-${process.arch}.tgz`);
  await cp(join(work, `${name}-${version}.tgz`), file);
  return file;
}
