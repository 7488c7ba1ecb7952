/** The pages for readers: every link leads somewhere, every page is found, and nothing is named that does not exist. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { environmentName, SETTING_NAMES } from '../../sidecar/cli/config.ts';
import { anchors, codeBlocks, codeSpans, links, type Page, pagesUnder, readPage } from './markdown.ts';
import { commands, optionsOf } from './options.ts';
import { withTables } from './tables.ts';

const EVERYWHERE = pagesUnder('.');
const OURS: readonly Page[] = [...pagesUnder('docs'), readPage('README.md'), readPage('CONTRIBUTING.md')];

/** Options of other programs that the pages show. */
const OTHERS: ReadonlySet<string> = new Set([
  ...[
    '--cacert',
    '--data',
    '--from-file',
    '--help',
    '--max-old-space-size',
    '--offline',
    '--omit',
    '--strict',
    '--version',
  ],
  // Of this repository's own scripts.
  ...[
    '--against',
    '--at-least',
    '--bench',
    '--check',
    '--clients',
    '--cuts',
    '--edits',
    '--faults',
    '--histories',
    '--kills',
    '--minutes',
  ],
  ...[
    '--no-config',
    '--now',
    '--once',
    '--only',
    '--pairs',
    '--pauses',
    '--restart',
    '--rewrite',
    '--rounds',
  ],
  ...['--seed', '--seeds', '--sizes', '--spec', '--stale', '--timeout', '--transfer', '--watched'],
]);

/** Variables that only this repository's own tests and apps read. */
const OF_TESTS: ReadonlySet<string> = new Set([
  ...[
    'OUTRIGGER_SKIP_PAGE',
    'OUTRIGGER_SKIP_HAPROXY',
    'OUTRIGGER_SKIP_LANGUAGES',
    'OUTRIGGER_STRICT_TIMINGS',
  ],
  'OUTRIGGER_CONFORMANCE_FULL',
]);

/** What is read by its own name (a test below holds it to the page). */
const VARIABLES: readonly string[] = [
  ...['OUTRIGGER_CONFIG', 'OUTRIGGER_CLUSTER', 'OUTRIGGER_CACHE'],
  ...['OUTRIGGER_SOCKET', 'OUTRIGGER_NODE', 'OUTRIGGER_DATA', 'OUTRIGGER_TOKEN'],
];

function shownCode({ text }: Page): string {
  return [...codeSpans(text), ...codeBlocks(text).map(({ code }) => code)].join('\n');
}

/** What is wrong with the relative links of a page. */
function brokenLinks({ path, text }: Page): string[] {
  return links(text).flatMap((link) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : normalize(join(dirname(path), file));
    if (file !== '' && !existsSync(target)) return [`${path}: ${link}`];
    if (anchor === undefined || !target.endsWith('.md')) return [];
    const there = file === '' ? text : readPage(target).text;
    return anchors(there).has(anchor) ? [] : [`${path}: ${link}: no such heading`];
  });
}

describe('the pages', () => {
  it('have no link that leads nowhere', () => {
    assert.ok(EVERYWHERE.length > 20);
    assert.deepEqual(EVERYWHERE.flatMap(brokenLinks), []);
  });

  it('can tell a link that leads nowhere', () => {
    const text =
      '# A `b` & c\n[1](#a-b--c) [2](#a) [3](docs/none.md) [4](README.md#none) [5](https://example.org)';
    assert.deepEqual(brokenLinks({ path: 'x.md', text }), [
      'x.md: #a: no such heading',
      'x.md: docs/none.md',
      'x.md: README.md#none: no such heading',
    ]);
  });

  it('name no page that does not exist', () => {
    const named = OURS.flatMap(({ text }) =>
      [...text.matchAll(/\bdocs\/[a-z-]+\.md\b/g)].map(([name]) => name),
    );
    assert.deepEqual(
      [...new Set(named)].filter((name) => !existsSync(name)),
      [],
    );
  });

  it('are all in the table of contents', () => {
    const listed = new Set(links(readPage('README.md').text));
    const missing = pagesUnder('docs').filter(({ path }) => !listed.has(path.replaceAll('\\', '/')));
    assert.deepEqual(
      missing.map(({ path }) => path),
      [],
    );
  });

  it('have the tables that the code gives (node dist/test/docs/main.mjs --rewrite)', async () => {
    for (const { path, text } of OURS) assert.equal(await withTables(text), text, path);
  });

  it('name no option that does not exist', () => {
    const known = new Set(commands().flatMap(optionsOf));
    const unknown = OURS.flatMap((page) =>
      [...shownCode(page).matchAll(/(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9](?!-…)/g)]
        .map(([option]) => option)
        .filter((option) => !known.has(option) && !OTHERS.has(option))
        .map((option) => `${page.path}: ${option}`),
    );
    assert.deepEqual([...new Set(unknown)], []);
  });

  it('name no command that does not exist', () => {
    const known = new Set(commands().map((command) => command.name()));
    const unknown = OURS.flatMap((page) =>
      [...shownCode(page).matchAll(/(?:^|[\s(])outrigger(?:\.mjs)? ([a-z][a-z-]*)(?![/a-z-])/gm)]
        .map(([, name = '']) => name)
        .filter((name) => !known.has(name))
        .map((name) => `${page.path}: ${name}`),
    );
    assert.deepEqual(unknown, []);
  });

  it('name no variable that does not exist, and operations.md every one that does', () => {
    const settings = SETTING_NAMES.map(environmentName);
    const known = new Set([...settings, ...VARIABLES, ...OF_TESTS]);
    const unknown = OURS.flatMap((page) =>
      [...page.text.matchAll(/OUTRIGGER_[A-Z_]*[A-Z](?![A-Z_])/g)]
        .map(([name]) => name)
        .filter((name) => !known.has(name))
        .map((name) => `${page.path}: ${name}`),
    );
    assert.deepEqual(unknown, []);
    const { text } = readPage('docs/operations.md');
    for (const name of VARIABLES) assert.match(text, new RegExp(`^\\| .*\`${name}\``, 'm'), name);
  });
});
