/**
 * Holds the arrows of the house (docs/architecture.md): who may import whom, and that the core is pure.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Folder → folders its files may import from besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  'sidecar/raft': ['shared'],
  'sidecar/store': ['shared'],
  'sidecar/peers': ['shared'],
  'sidecar/faults': ['shared', 'sidecar/peers'],
  'sidecar/app': ['shared'],
  'sidecar/http': ['shared'],
  'sidecar/routing': ['shared'],
  'sidecar/record': ['shared'],
  'sidecar/machine': ['shared'],
  'sidecar/news': ['shared'],
  'sidecar/tls': ['shared'],
  'sidecar/node': [
    'shared',
    'sidecar/raft',
    'sidecar/store',
    'sidecar/peers',
    'sidecar/faults',
    'sidecar/app',
    'sidecar/http',
    'sidecar/routing',
    'sidecar/record',
    'sidecar/machine',
    'sidecar/news',
    'sidecar/tls',
  ],
  // Offline: it works on folders and files while no node runs.
  'sidecar/recovery': ['shared', 'sidecar/store', 'sidecar/machine'],
  'sidecar/gateway': ['shared', 'sidecar/app', 'sidecar/http', 'sidecar/record', 'sidecar/tls'],
  // It judges apps by the protocol alone: nothing of the sidecar's own.
  'sidecar/conformance': ['shared'],
  // The demo's app where there is no Python is an example as well.
  'sidecar/cli': [
    'shared',
    'sidecar/node',
    'sidecar/gateway',
    'sidecar/recovery',
    'sidecar/conformance',
    'examples/typescript-kv',
  ],
  // The VS Code side knows the sidecar by its public surfaces alone.
  extension: ['shared'],
  'extension/aggregator': ['shared'],
  'extension/webview': ['shared'],
  // Apps copy this folder: it stands alone.
  'clients/typescript': [],
  // Read in five minutes, and run by Node.js as it is.
  'examples/typescript-kv': [],
};

/** Files that folders beside their arrows may import: the words that two sides share. */
const COMMON_FILES: readonly string[] = ['extension/protocol.ts'];

/** Data outside of the house that a file is built with. */
const BUILT_IN: Readonly<Record<string, string>> = {
  'shared/version.ts': 'package.json',
  'sidecar/cli/commands/conformance.ts': 'test/conformance/vectors.json',
};

/** Only this folder may name this package. */
const OWNED_PACKAGES: Readonly<Record<string, string>> = {
  sqlite3: 'sidecar/store',
  express: 'sidecar/http',
  'prom-client': 'sidecar/record',
  '@peculiar/asn1-x509': 'sidecar/cli',
  '@peculiar/asn1-schema': 'sidecar/cli',
  commander: 'sidecar/cli',
  vscode: 'extension',
  'vscode-languageclient/node': 'extension/client',
  'vscode-languageserver': 'extension/aggregator',
  'vscode-languageserver/node': 'extension/aggregator',
  lit: 'extension/webview',
  uplot: 'extension/webview',
};

/** Folders that run where there is no editor, or no node. */
const WITHOUT_VSCODE = ['extension/aggregator', 'extension/webview', 'shared', 'sidecar'];

const IMPURE =
  /\b(Date\.|performance\.|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|Promise\b|async\b|await\b)/;

interface Import {
  readonly file: string;
  readonly from: string;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file).replaceAll('\\', '/'));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^(?:import|export)\b[^;]*?from '([^']+)'/gms)].map((match) => ({
    file,
    from: match[1] as string,
  }));
}

function folderOf(file: string): string | undefined {
  return Object.keys(MAY_IMPORT)
    .filter((folder) => file.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)[0];
}

const files = ['shared', 'sidecar', 'extension', 'clients', 'examples/typescript-kv'].flatMap(sources);

describe('the arrows of the house', () => {
  it('finds the sources', () => {
    assert.ok(files.length > 50, `only ${files.length} files`);
  });

  it('every file stands in a folder that has a rule', () => {
    assert.deepEqual(
      files.filter((file) => folderOf(file) === undefined),
      [],
    );
  });

  it('modules import only where an arrow points', () => {
    const wrong: string[] = [];
    for (const { file, from } of files.flatMap(importsOf)) {
      if (!from.startsWith('.')) continue;
      const target = normalize(join(dirname(file), from)).replaceAll('\\', '/');
      if (BUILT_IN[file] === target) continue;
      const own = folderOf(file) as string;
      const other = folderOf(target);
      if (other === own || (MAY_IMPORT[own] ?? []).includes(other ?? '')) continue;
      if (own.startsWith('extension') && COMMON_FILES.includes(target)) continue;
      wrong.push(`${file} imports ${from}`);
    }
    assert.deepEqual(wrong, []);
  });

  it('the aggregator, the web UI and the sidecar do not know vscode', () => {
    const wrong = files
      .flatMap(importsOf)
      .filter(
        ({ file, from }) => from === 'vscode' && WITHOUT_VSCODE.some((own) => file.startsWith(`${own}/`)),
      )
      .map(({ file }) => file);
    assert.deepEqual(wrong, []);
  });

  it('each outside package has one owner', () => {
    const wrong = files
      .flatMap(importsOf)
      .filter(({ file, from }) => {
        const owner = OWNED_PACKAGES[from];
        return owner !== undefined && !file.startsWith(`${owner}/`);
      })
      .map(({ file, from }) => `${file} imports ${from}`);
    assert.deepEqual(wrong, []);
  });

  for (const folder of ['sidecar/raft', 'sidecar/routing', 'sidecar/machine']) {
    it(`${folder} is pure: no node modules, clock, randomness, timers or promises`, () => {
      const wrong: string[] = [];
      for (const file of sources(folder)) {
        for (const { from } of importsOf(file))
          if (!from.startsWith('.')) wrong.push(`${file} imports ${from}`);
        const code = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
        const impure = IMPURE.exec(code);
        if (impure !== null) wrong.push(`${file} uses ${impure[0]}`);
      }
      assert.deepEqual(wrong, []);
    });
  }

  it('the client and the example need nothing but Node.js', () => {
    const wrong = files
      .filter((file) => file.startsWith('clients/') || file.startsWith('examples/'))
      .flatMap(importsOf)
      .filter(({ from }) => !from.startsWith('./') && !from.startsWith('node:'))
      .map(({ file, from }) => `${file} imports ${from}`);
    assert.deepEqual(wrong, []);
  });

  it('the core reaches only pure files of shared/', () => {
    const reached = new Set<string>();
    const queue = sources('sidecar/raft');
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      if (reached.has(file)) continue;
      reached.add(file);
      for (const { from } of importsOf(file)) {
        assert.ok(from.startsWith('.'), `the core reaches ${from} through ${file}`);
        queue.push(normalize(join(dirname(file), from)).replaceAll('\\', '/'));
      }
    }
    assert.ok(reached.has('shared/term-runs.ts'));
  });
});
