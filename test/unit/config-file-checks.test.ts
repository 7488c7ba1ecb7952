import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { ConfigFeatures } from '../../extension/aggregator/config/features.ts';
import { outriggerFileSchema, outriggerJsonSchema } from '../../extension/aggregator/config/schema.ts';

const SCHEMA = 'extension/schemas/outrigger.schema.json';

function open(text: string): TextDocument {
  return TextDocument.create('file:///w/outrigger.json', 'jsonc', 1, text);
}

function features(editorChecksSchema = false): ConfigFeatures {
  return new ConfigFeatures({ cluster: () => undefined }, { editorChecksSchema, trusted: () => true });
}

/** Each diagnostic: its code, the text under it, its message. */
function check(text: string, editorChecksSchema = false): [string, string, string][] {
  const document = open(text);
  return features(editorChecksSchema)
    .diagnostics(document)
    .map(({ code, range, message }) => [String(code), document.getText(range), String(message)]);
}

/** The only diagnostic. */
function only(text: string): [string, string, string] {
  const [first, ...rest] = check(text);
  assert.ok(first !== undefined && rest.length === 0, JSON.stringify([first, ...rest], null, 1));
  return first;
}

/** A file with one cluster, its fields as JSON without the braces. */
function cluster(fields: string): string {
  return `{ "clusters": [ { "name": "orders", ${fields} } ] }`;
}

function nodes(...list: string[]): string {
  return `"nodes": [ ${list.map((fields) => `{ ${fields} }`).join(', ')} ]`;
}

/** The document after its only quick fix at the place of its only diagnostic. */
function fixed(text: string): string {
  const document = open(text);
  const [diagnostic] = features().diagnostics(document);
  assert.ok(diagnostic);
  const [action, ...rest] = features().codeActions(document, diagnostic.range);
  assert.ok(action?.edit?.changes !== undefined && rest.length === 0);
  return TextDocument.applyEdits(document, action.edit.changes[document.uri] ?? []);
}

const GOOD = `// The clusters of this shop.
{
  "$schema": "./outrigger.schema.json",
  "clusters": [
    {
      "name": "orders",
      "nodes": [
        { "id": "n1", "http": "http://127.0.0.1:8001", "peer": "127.0.0.1:7001" },
        { "id": "n2", "http": "http://localhost:8002", "peer": "[::1]:7002" },
        { "id": "n3" }, /* asked of the others */
        { "id": "n4", "learner": true },
      ],
      "electionMinMs": 250, "electionMaxMs": 500, "heartbeatMs": 50,
      "decoder": { "kind": "protobuf", "file": "proto/order.proto", "type": "shop.Order", "skipBytes": 5 },
    },
    { "name": "stock", "nodes": [{ "id": "n1" }], "decoder": { "kind": "command", "command": ["python3", "decode.py"] } },
  ],
}
`;

describe('diagnostics of outrigger.json', () => {
  it('finds nothing wrong with a good file, comments and trailing commas included', () => {
    assert.deepEqual(check(GOOD), []);
    assert.deepEqual(check('{ "clusters": [] }'), []);
  });

  it('places syntax errors, one for each place', () => {
    assert.deepEqual(only('{ "clusters": [ }'), ['syntax', '}', 'A value is expected here.']);
    assert.deepEqual(only('{ "clusters": []\n\n'), ['syntax', ']', 'A closing brace is expected here.']);
    assert.equal(only('{ "clusters": [] } x')[2], 'This word means nothing in JSON.');
    assert.equal(only('')[2], 'A value is expected here.');
  });

  it('names unknown fields, at any depth, and removes them', () => {
    const text = cluster(nodes('"id": "n1", "htpp": "http://127.0.0.1:1"'));
    assert.deepEqual(only(text), ['unknown-field', '"htpp"', 'The field "htpp" is not known here.']);
    assert.deepEqual(JSON.parse(fixed(text)), { clusters: [{ name: 'orders', nodes: [{ id: 'n1' }] }] });
    assert.equal(only('{ "clusters": [], "__proto__": {} }')[1], '"__proto__"');
  });

  it('names wrong types and values in words', () => {
    for (const [fields, under, message] of [
      [nodes('"id": 1'), '1', '"id" must be a string.'],
      ['"nodes": {}', '{}', '"nodes" must be a list.'],
      ['"nodes": []', '[]', '"nodes" must not be empty.'],
      ['"nodes": [ 7 ]', '7', 'This must be an object.'],
      [`${nodes('"id": "n1"')}, "heartbeatMs": 20.5`, '20.5', '"heartbeatMs" must be a whole number.'],
      [`${nodes('"id": "n1"')}, "heartbeatMs": "50"`, '"50"', '"heartbeatMs" must be a number.'],
      [`${nodes('"id": "n1"')}, "heartbeatMs": 5`, '5', '"heartbeatMs" must be at least 10.'],
      [nodes('"id": "n1", "learner": 1'), '1', '"learner" must be true or false.'],
      [nodes('"id": "n1", "peer": "x"'), '"x"', '"peer" must be HOST:PORT (an IPv6 host in [ ]).'],
      [
        `${nodes('"id": "n1"')}, "decoder": { "kind": "xml" }`,
        '"xml"',
        '"kind" must be one of messagepack, cbor, json, utf8, hex, protobuf and command.',
      ],
      [`${nodes('"id": "n1"')}, "decoder": { "kind": "command" }`, '{', '"command" is missing.'],
    ] as const) {
      assert.deepEqual(only(cluster(fields)).slice(1), [under, message], fields);
    }
    assert.match(only(cluster(nodes('"id": "../n1"')))[2], /^"id" is not valid: a name is 1 to 64 letters/);
    assert.deepEqual(only('{}'), ['missing-field', '{', '"clusters" is missing.']);
    assert.deepEqual(only('[]').slice(1), ['[]', 'This must be an object.']);
  });

  it('finds fields that are written twice', () => {
    const text = '{ "clusters": [], "clusters": [] }';
    assert.equal(only(text)[0], 'duplicate-field');
  });

  it('finds duplicate ids and removes the second node', () => {
    const text = cluster(nodes('"id": "n1"', '"id": "n2"', '"id": "n1"'));
    const document = open(text);
    const [diagnostic] = features().diagnostics(document);
    assert.equal(diagnostic?.message, 'The node "n1" is in this cluster already.');
    assert.equal(diagnostic.range.start.character, text.lastIndexOf('"n1"'));
    const [other] = diagnostic.relatedInformation ?? [];
    assert.equal(other?.location.range.start.character, text.indexOf('"n1"'));
    assert.deepEqual(JSON.parse(fixed(text)).clusters[0].nodes, [{ id: 'n1' }, { id: 'n2' }]);
    const others = `{ "clusters": [ { "name": "a", ${nodes('"id": "n1"')} }, { "name": "b", ${nodes('"id": "n1"')} } ] }`;
    assert.deepEqual(check(others), [], 'clusters may have nodes of the same name');
  });

  it('finds duplicate clusters and removes the second', () => {
    const text = `{ "clusters": [ { "name": "a", ${nodes('"id": "n1"')} }, { "name": "a", ${nodes('"id": "n2"')} } ] }`;
    assert.equal(only(text)[2], 'The cluster "a" is written above already.');
    assert.deepEqual(JSON.parse(fixed(text)).clusters, [{ name: 'a', nodes: [{ id: 'n1' }] }]);
  });

  it('finds duplicate addresses, between kinds and clusters and under both names of this machine', () => {
    const text = cluster(
      nodes(
        '"id": "n1", "http": "http://127.0.0.1:8001"',
        '"id": "n2", "http": "http://LOCALHOST:8001/"',
        '"id": "n3", "peer": "127.0.0.1:8001"',
      ),
    );
    assert.deepEqual(
      check(text).map(([code, under]) => [code, under]),
      [
        ['duplicate-address', '"http://LOCALHOST:8001/"'],
        ['duplicate-address', '"127.0.0.1:8001"'],
      ],
    );
    const one = cluster(
      nodes('"id": "n1", "peer": "127.0.0.1:1"', '"id": "n2", "peer": "127.0.0.1:1"', '"id": "n3"'),
    );
    assert.deepEqual(JSON.parse(fixed(one)).clusters[0].nodes[1], { id: 'n2' });
  });

  it('warns of an even number of voters, and says why', () => {
    const [code, under, message] = only(
      cluster(nodes('"id": "n1"', '"id": "n2"', '"id": "n3"', '"id": "n4"')),
    );
    assert.deepEqual([code, under], ['even-voters', '"nodes"']);
    assert.match(message, /^4 voters bear the failure of 1, as 3 do, and need 3 to agree instead of 2:/);
    assert.match(
      only(cluster(nodes('"id": "n1"', '"id": "n2"')))[2],
      /^2 voters bear the failure of none, as 1 does/,
    );
    assert.deepEqual(check(cluster(nodes('"id": "n1"', '"id": "n2", "learner": true'))), []);
  });

  it('judges election timeouts by the heartbeat, with the defaults where nothing is written', () => {
    const judge = (fields: string): [string, string, string][] =>
      check(cluster(`${nodes('"id": "n1"')}, ${fields}`));
    const severity = (fields: string): number | undefined =>
      features().diagnostics(open(cluster(`${nodes('"id": "n1"')}, ${fields}`)))[0]?.severity;
    assert.deepEqual(judge('"electionMinMs": 300, "electionMaxMs": 900, "heartbeatMs": 100'), []);
    const near = '"electionMinMs": 250, "electionMaxMs": 900, "heartbeatMs": 100';
    assert.match(judge(near)[0]?.[2] ?? '', /electionMinMs \(250\) is less than 3 times heartbeatMs \(100\)/);
    assert.equal(severity(near), 2);
    const below = '"electionMinMs": 100, "electionMaxMs": 900, "heartbeatMs": 100';
    assert.match(judge(below)[0]?.[2] ?? '', /must be more than heartbeatMs \(100\): followers would stand/);
    assert.equal(severity(below), 1);
    const refused = '"heartbeatMs": 100';
    assert.match(
      judge(refused)[0]?.[2] ?? '',
      /electionMinMs \(150, the default\) must be at least 2 times heartbeatMs \(100\), or the sidecar does not start/,
    );
    assert.equal(severity(refused), 1);
    const range = '"electionMinMs": 400, "electionMaxMs": 400';
    assert.match(
      judge(range)[0]?.[2] ?? '',
      /^electionMaxMs \(400\) must be more than electionMinMs \(400\)/,
    );
    assert.equal(severity(range), 1);
    const text = cluster(`${nodes('"id": "n1"')}, ${near}`);
    assert.equal(JSON.parse(fixed(text)).clusters[0].electionMinMs, 300);
  });

  it('says of each address that would not be used why', () => {
    const judge = (http: string): string =>
      only(cluster(nodes(`"id": "n1", "http": ${JSON.stringify(http)}`)))[2];
    assert.match(judge('http://10.0.0.7:8001'), /is not on this machine: only loopback/);
    assert.match(judge('http://127.0.0.1.evil.example:8001'), /is not on this machine/);
    assert.match(judge('ftp://127.0.0.1:8001'), /is not http or https/);
    assert.match(judge('http://user@127.0.0.1:8001'), /more than a host and a port/);
    const peer = only(cluster(nodes('"id": "n1", "peer": "10.0.0.7:7001"')));
    assert.match(peer[2], /Without TLS .* sidecars listen for each other on loopback only/);
    assert.match(only(cluster(nodes('"id": "n1", "peer": "127.0.0.1:70000"')))[2], /no port 70000/);
  });

  it('leaves to an editor with the JSON schema what that says', () => {
    const text = `{ "clusters": [ { "name": "a", "x": 1, ${nodes('"id": 1', '"id": "n"', '"id": "n"')} } ], }`;
    assert.deepEqual(
      check(text).map(([code]) => code),
      ['unknown-field', 'schema', 'duplicate-id'],
    );
    assert.deepEqual(
      check(text, true).map(([code]) => code),
      ['duplicate-id'],
    );
    const document = open(text);
    const all = { start: document.positionAt(0), end: document.positionAt(text.length) };
    assert.deepEqual(
      features(true)
        .codeActions(document, all)
        .map(({ title }) => title),
      ['Remove the field "x"', 'Remove this node'],
    );
  });

  it('survives hostile documents', () => {
    assert.match(only('['.repeat(100_000))[2], /nested more than 32 levels/);
    assert.match(only(' '.repeat(300_000))[2], /longer than 262144 characters/);
    const bidi = only('{ "clusters": [], "\u202egpj": 1 }');
    assert.doesNotMatch(bidi[2], /\u202e/);
    const many = cluster(nodes(...Array.from({ length: 1_000 }, () => '"id": "n1"')));
    assert.equal(check(many).length, 200);
  });
});

describe('the JSON schema of outrigger.json', () => {
  it('is what the code checks by', () => {
    // UPDATE_SCHEMA=1 writes it anew (and `biome check --write` lays it out).
    if (process.env['UPDATE_SCHEMA'] === '1') {
      writeFileSync(SCHEMA, `${JSON.stringify(outriggerJsonSchema(), null, 2)}\n`);
    }
    assert.deepEqual(JSON.parse(readFileSync(SCHEMA, 'utf8')), outriggerJsonSchema());
  });

  it('describes every field', () => {
    const missing: string[] = [];
    const look = (schema: unknown, path: string): void => {
      if (typeof schema !== 'object' || schema === null) return;
      for (const [key, value] of Object.entries(schema)) {
        if (key === 'properties') {
          for (const [name, field] of Object.entries(value)) {
            if (typeof field !== 'object' || field === null || !('description' in field)) {
              missing.push(`${path}.${name}`);
            }
          }
        }
        look(value, `${path}.${key}`);
      }
    };
    look(outriggerJsonSchema(), '');
    assert.deepEqual(missing, []);
    assert.equal(outriggerFileSchema.safeParse({ clusters: [] }).success, true);
  });
});
