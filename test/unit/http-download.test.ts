/** `GET /v1/snapshot`: bytes from any place on, and what becomes of readers and of snapshots that give out. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { refusal } from '../../shared/codes.ts';
import { ask, exchange, type Fixture, requestBytes, startFixture, TOKENS } from './http-support.ts';

const BYTES = 'the bytes of a snapshot';

describe('http: reading a snapshot', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await startFixture();
  });
  afterEach(() => fixture.server.close(0));

  const get = (query: string, method = 'GET') =>
    ask(fixture.port, { method, target: `/v1/snapshot${query}`, token: TOKENS.admin });

  it('gives all of it, or the rest, with what it is', async () => {
    const whole = await get('');
    assert.equal(whole.body, BYTES);
    const { headers } = whole;
    assert.deepEqual(
      [headers['outrigger-index'], headers['outrigger-term'], headers['outrigger-snapshot-bytes']],
      ['7', '3', String(BYTES.length)],
    );
    assert.equal(headers['outrigger-snapshot-digest'], 'ab'.repeat(32));
    const rest = await get('?index=5&offset=4');
    assert.deepEqual([rest.body, rest.headers['content-length']], [BYTES.slice(4), String(BYTES.length - 4)]);
    assert.equal((await get(`?offset=${BYTES.length}`)).body, '');
    const head = await get('?offset=4', 'HEAD');
    assert.deepEqual([head.body, head.headers['outrigger-snapshot-bytes']], ['', String(BYTES.length)]);
    assert.deepEqual(fixture.calls.slice(0, 2), [
      ['snapshot', undefined],
      ['snapshot', 5],
    ]);
  });

  it('refuses what is not there and what makes no sense', async () => {
    for (const query of ['?offset=24', '?offset=x', '?index=-1', '?from=3'])
      assert.equal((await get(query)).status, 400, query);
    fixture.host.snapshot = () => refusal('NOT_FOUND', 'this node has no snapshot');
    assert.equal((await get('')).status, 404);
  });

  it('cuts the connection where the file cannot be read on: the length tells', async () => {
    fixture.host.snapshot = () => ({
      ...{ index: 7, term: 3, bytes: 20, digest: 'ab'.repeat(32) },
      read: async function* () {
        yield Buffer.from('some');
        throw new Error('the disk');
      },
    });
    const request = { target: '/v1/snapshot', token: TOKENS.admin };
    const answer = await exchange(fixture.port, requestBytes(fixture.port, request)).catch(() => undefined);
    assert.ok(answer === undefined || answer.body.length < 20);
    assert.equal(fixture.errors.length, 1);
  });

  it('reads no further than its reader, and stops when the reader is gone', async () => {
    const piece = Buffer.alloc(256 * 1024);
    let given = 0;
    let ended: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      ended = resolve;
    });
    fixture.host.snapshot = () => ({
      ...{ index: 7, term: 3, bytes: piece.length * 1_000, digest: 'ab'.repeat(32) },
      read: async function* () {
        try {
          for (; given < 1_000; given++) yield piece;
        } finally {
          ended();
        }
      },
    });
    const socket = connect(fixture.port, '127.0.0.1');
    socket.write(requestBytes(fixture.port, { target: '/v1/snapshot', token: TOKENS.admin }));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await done;
    assert.ok(given < 1_000, 'nobody read it, and all of it was read from the disk');
  });
});
