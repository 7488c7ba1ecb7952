/** `outrigger health`: what probes answer, as an exit code and one line. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../sidecar/main.mjs', import.meta.url));

describe('outrigger health', () => {
  let server: Server;
  let url = '';
  before(async () => {
    server = createServer((request, response) => {
      const ok = request.url === '/livez';
      const body = { code: 'NOT_READY', definite: true, message: 'app: no app has connected yet' };
      response.writeHead(ok ? 200 : 503).end(JSON.stringify(ok ? {} : body));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  function health(...args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
    return new Promise((done) => {
      execFile(process.execPath, [SCRIPT, 'health', ...args], (error, stdout, stderr) => {
        done({ code: error === null ? 0 : error.code, stdout, stderr });
      });
    });
  }

  it('is 0 where the probe says yes', async () => {
    assert.deepEqual(await health('--http', url, '--of', 'live'), {
      code: 0,
      stdout: `${url} works\n`,
      stderr: '',
    });
  });

  it('is 1 where it says no, and says why', async () => {
    const { code, stdout, stderr } = await health('--http', url);
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(stderr, `outrigger: ${url} answered NOT_READY: app: no app has connected yet.\n`);
    const json = JSON.parse((await health('--http', url, '--json')).stdout);
    assert.deepEqual([json[0].node, json[0].ok], [url, false]);
  });

  it('is 1 where nobody answers, and 2 for a probe that is none', async () => {
    assert.equal((await health('--http', 'http://127.0.0.1:1')).code, 1);
    assert.equal((await health('--http', url, '--of', 'fine')).code, 2);
  });
});
