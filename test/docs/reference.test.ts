/** The pages in which things are looked up say all of what the code has, and nothing else. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { APP_CONDITIONS, APP_STATES } from '../../shared/app-conditions.ts';
import { DEFINITE_CODES, INDEFINITE_CODES, isDefinite } from '../../shared/codes.ts';
import { EntryKind } from '../../shared/entry.ts';
import { EVENT_KINDS } from '../../shared/events.ts';
import { EXPLAIN_CAUSES } from '../../shared/explain/types.ts';
import { LIMITS } from '../../shared/limits.ts';
import { SETTING_NAMES } from '../../sidecar/cli/config.ts';
import { ExitCode } from '../../sidecar/cli/errors.ts';
import { ROUTES } from '../../sidecar/http/routes.ts';
import { Metrics } from '../../sidecar/record/metrics.ts';
import { MUTANTS } from '../mutants/mutants.mjs';
import { codeSpans, links, readPage, tableRows } from './markdown.ts';
import { commands, defaults, settingOf, shownOptionsOfRun } from './options.ts';
import { nodeSample } from './samples.ts';
import { metricsOf, withUnit } from './tables.ts';

const PROTOCOL = readPage('docs/protocol.md').text;
const OPERATIONS = readPage('docs/operations.md').text;
const RUN_BOOKS = readPage('docs/run-books.md').text;
const APP_AUTHORS = readPage('docs/app-authors.md').text;
const INVARIANTS = readPage('docs/invariants.md').text;

/** What stands in code in the cells of one column of all tables. */
function codeInColumn(text: string, column: number): Set<string> {
  return new Set(tableRows(text).flatMap((row) => codeSpans(row[column] ?? '')));
}

/** The row of the settings table that is about this option. */
function settingRow(option: string): string[] {
  const found = tableRows(OPERATIONS).filter(
    (row) => row.length === 4 && row[0]?.startsWith(`\`${option}\``),
  );
  const [row] = found;
  assert(row !== undefined && found.length === 1, `operations.md has ${found.length} rows for ${option}`);
  return row;
}

describe('operations.md', () => {
  it('has every option of `outrigger run`', () => {
    for (const option of shownOptionsOfRun()) settingRow(option);
  });

  it('has every setting that is in the configuration file alone', () => {
    const flags = new Set(shownOptionsOfRun().map(settingOf));
    for (const name of SETTING_NAMES) if (!flags.has(name)) settingRow(name);
  });

  it('says the true default of each', () => {
    const known = defaults();
    for (const option of shownOptionsOfRun()) {
      const value = known.get(settingOf(option));
      if (!['number', 'boolean'].includes(typeof value)) continue;
      const [, said = ''] = settingRow(option);
      if (['--id', '--cluster', '--data'].includes(option)) continue;
      assert.equal(codeSpans(said)[0], String(value), `the default of ${option}`);
    }
    assert.equal(settingRow('--http-listen')[1], '`127.0.0.1:0`');
    assert.equal(settingRow('--log-level')[1], `\`${String(known.get('logLevel'))}\``);
  });

  it('has every exit code', () => {
    const rows = tableRows(OPERATIONS).filter(([code = '']) => /^\d$/.test(code));
    assert.deepEqual(
      rows.map(([code, name]) => [name?.toUpperCase(), Number(code)]),
      Object.entries(ExitCode),
    );
  });

  it('alarms by metrics that there are', async () => {
    const there = new Set(
      (await metricsOf(new Metrics({ sample: () => nodeSample }))).map(({ name }) => name),
    );
    const all = [OPERATIONS, RUN_BOOKS, APP_AUTHORS]
      .join('\n')
      .matchAll(/outrigger_(?!gateway_)[a-z_]+[a-z]/g);
    for (const [name] of all) assert(there.has(name.replace(/_bucket$/, '')), name);
  });

  it('has every check of /readyz', () => {
    const source = readFileSync('sidecar/node/http-host.ts', 'utf8');
    const checks = [...source.matchAll(/\bcheck\(\s*'([a-z-]+)'/g)].map(([, name = '']) => name);
    assert.ok(checks.length >= 6);
    for (const name of checks) assert.match(OPERATIONS, new RegExp(`\\(\`${name}\`\\)`), name);
  });
});

describe('limits.md', () => {
  it('has every limit with its value', () => {
    const rows = tableRows(readPage('docs/limits.md').text);
    const said = new Map<string, string>();
    for (const [names = '', values = ''] of rows) {
      const each = values.split(/, (?=\d)/);
      for (const [at, name] of codeSpans(names).entries()) said.set(name, each[at] ?? '');
    }
    for (const [name, value] of Object.entries(LIMITS))
      assert.equal(said.get(name), withUnit(name, value), name);
  });

  it('says values in the largest unit in which they are whole', () => {
    assert.equal(withUnit('commandBytes', 1024 * 1024), '1 MiB');
    assert.equal(withUnit('sessionTtlMsMax', 86_400_000), '1 d');
    assert.equal(withUnit('appLagMs', 1_500), '1,500 ms');
    assert.equal(withUnit('stateHashBytes', 64), '64 bytes');
    assert.equal(withUnit('members', 32), '32');
    assert.equal(withUnit('overloadedRestMs', 0), '0 ms');
  });
});

describe('protocol.md', () => {
  it('has every route, with the scope of those that change something', () => {
    const spans = new Set(codeSpans(PROTOCOL));
    for (const { method, path } of ROUTES) {
      const probe = ['/livez', '/readyz', '/leader'].includes(path) ? `${method} ${path}` : '';
      const said = `${method} ${path.replaceAll(':id', 'ID')}`;
      const found = [...spans].some((span) => span === said || span.startsWith(`${said}?`) || span === probe);
      assert(found, `${said} is not in protocol.md`);
    }
  });

  it('has every kind of event', () => {
    const kinds = codeInColumn(PROTOCOL, 0);
    for (const kind of EVENT_KINDS) assert(kinds.has(kind), kind);
  });

  it('has every cause that `explain` can name', () => {
    const spans = new Set(codeSpans(PROTOCOL));
    for (const cause of EXPLAIN_CAUSES) assert(spans.has(cause), cause);
  });

  it('has every kind of entry', () => {
    const spans = new Set(codeSpans(PROTOCOL));
    for (const kind of Object.keys(EntryKind)) assert(spans.has(kind), kind);
  });

  it('has every code, and the guide says of each whether it is definite', () => {
    const spans = new Set(codeSpans(PROTOCOL));
    const rows = new Map(tableRows(APP_AUTHORS).map((row) => [row[0]?.replaceAll('`', ''), row]));
    for (const code of [...DEFINITE_CODES, ...INDEFINITE_CODES]) {
      assert(spans.has(code), `${code} is not in protocol.md`);
      assert.equal(rows.get(code)?.[1], isDefinite(code) ? 'yes' : '**no**', code);
    }
  });

  it('has every condition and state of an app, and the run-book those that are trouble', () => {
    const spans = new Set(codeSpans(PROTOCOL));
    for (const word of [...APP_CONDITIONS, ...APP_STATES]) assert(spans.has(word), word);
    const known = new Set<string>([...APP_CONDITIONS, ...APP_STATES]);
    const section = RUN_BOOKS.slice(
      RUN_BOOKS.indexOf('| status shows |'),
      RUN_BOOKS.indexOf('**Diverged.**'),
    );
    for (const word of codeInColumn(section, 0)) if (/^[A-Z_]+$/.test(word)) assert(known.has(word), word);
  });

  it('has every command', () => {
    const block = PROTOCOL.slice(PROTOCOL.indexOf('## 2.'), PROTOCOL.indexOf('## 3.'));
    for (const command of commands())
      assert.match(block, new RegExp(`\\b${command.name()}\\b`), command.name());
  });

  it('has every word with which a peer refuses', () => {
    const sources = ['sidecar/peers/handshake.ts', 'sidecar/peers/tls.ts'].map((path) =>
      readFileSync(path, 'utf8'),
    );
    const words = [...sources.join('\n').matchAll(/efuse\((?:raw, )?'([A-Z_]+)'/g)].map(
      ([, word = '']) => word,
    );
    assert.ok(new Set(words).size >= 5);
    const spans = new Set(codeSpans(PROTOCOL));
    for (const word of words) assert(spans.has(word), word);
  });
});

describe('run-books.md', () => {
  it('has ten of them, each in the list above', () => {
    const headings = [...RUN_BOOKS.matchAll(/^## (\d+)\. /gm)].map(([, number]) => Number(number));
    assert.deepEqual(headings, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.equal(links(RUN_BOOKS).filter((link) => /^#\d+-/.test(link)).length >= 10, true);
  });

  it('names causes that `explain` can give, and events that there are', () => {
    const rows = tableRows(RUN_BOOKS);
    const causes = new Set<string>(EXPLAIN_CAUSES);
    for (const [about, said = ''] of rows) {
      const words = codeSpans(said).flatMap((span) => span.match(/^[A-Z][A-Z_]+$/)?.[0] ?? []);
      if (about === 'explain')
        for (const word of words) assert(causes.has(word) || word === 'APP_', `explain: ${word}`);
      if (about !== 'events') continue;
      for (const word of words) assert(isEventWord(word), `events: ${word}`);
    }
  });
});

/** A kind of event, or one of the causes that events have. */
function isEventWord(word: string): boolean {
  const source = ['events', 'causes'].map((file) => readFileSync(`shared/${file}.ts`, 'utf8')).join('\n');
  return source.includes(`'${word}'`);
}

describe('invariants.md', () => {
  it('names every deliberate bug, and none that there is not', () => {
    const said = new Set([...codeInColumn(INVARIANTS, 2), ...codeInColumn(INVARIANTS, 3)]);
    for (const { name } of MUTANTS) assert(said.has(name), `${name} is not in invariants.md`);
  });

  it('names every promise that the simulation can find broken', () => {
    const sources = ['checker', 'session-judge', 'runner'].map((file) =>
      readFileSync(`test/simulation/${file}.ts`, 'utf8'),
    );
    const promises = [...sources.join('\n').matchAll(/new Violation\(\s*'([^']+)'/g)].map(
      ([, name = '']) => name,
    );
    assert.ok(promises.length > 20);
    for (const name of promises) assert(INVARIANTS.includes(name), name);
  });
});
