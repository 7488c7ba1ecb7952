/**
 * What a stranger may put into a cluster to fool who looks at it, and how to see that nobody was fooled.
 *
 * MUST: be accepted by a sidecar as it is: these are payloads, replies and names as an app may really send them.
 */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { AppClient } from '../../support/app-client.ts';
import type { Workbench } from './workbench.ts';

const MARK = '__outriggerEscaped';
/** Characters that must not reach the eye of a reader: bidi controls, escapes, bells, zero width. */
export const FORBIDDEN = [
  '\u202e',
  '\u202d',
  '\u2066',
  '\u2067',
  '\u2069',
  '\u001b',
  '\u0007',
  '\u0000',
  '\u009b',
];
/** Under the limit of one command, 1 MiB. */
const LARGE_BYTES = 1_000_000;

/** Each with a word that is found again: `payload-N`. `trap` is an address that nobody may ask. */
export function hostilePayloads(trap: string): readonly string[] {
  const run = `window.${MARK}=1;top.${MARK}=1`;
  return [
    `payload-0 <script>${run}</script><img src=x onerror="${run}"><svg onload="${run}">`,
    `payload-1 [click](javascript:${run}) <a href="javascript:${run}">x</a> javascript:${run}`,
    `payload-2 [quit](command:workbench.action.closeWindow) ![pixel](http://${trap}/a.png) <img src="http://${trap}/b.png">`,
    'payload-3 \u202egnp.exe\u202c \u2066abc\u2069 \u200b\ufeff',
    'payload-4 \u001b]0;owned\u0007\u001b[31mred\u001b[2J\u001b]8;;http://evil.test\u0007link\u009b1A',
    'payload-5 ``` \n```\n</code></pre></body><!-- {{7*7}} --><style>*{display:none}</style>\r\n# heading',
    JSON.stringify({
      name: 'payload-6',
      '<script>': `</script><script>${run}</script>`,
      bidi: '\u202e\u001b',
    }),
    `payload-7 ${'<b onclick=x>\u202e'.repeat(LARGE_BYTES)}`.slice(0, LARGE_BYTES / 2),
  ];
}

/** An app that has a bad name and gives bad answers. */
export class HostileApp {
  readonly #client: AppClient;

  private constructor(client: AppClient) {
    this.#client = client;
  }

  /** Resolves when the sidecar has taken it. */
  static async attach(socket: string, name: string, reply: string): Promise<HostileApp> {
    const client = await AppClient.open(socket, 'json');
    const stateMachine = { appliedIndex: 0, snapshots: 'NONE' } as const;
    client.send({ type: 'hello', protocol: 1, app: name, group: '', stateMachine });
    await client.next('welcome');
    const app = new HostileApp(client);
    void app.#run(Buffer.from(reply));
    return app;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #run(reply: Buffer): Promise<void> {
    for (;;) {
      const frame = await this.#client.next('entries').catch(() => undefined);
      // The connection is gone: the test has ended.
      if (frame === undefined) return;
      const results = frame.entries.map(({ index }) => ({ index, result: reply }));
      this.#client.send({ type: 'applied', through: frame.through, results });
    }
  }
}

/** Listens, and counts who comes. */
export class Trap {
  readonly address: string;
  readonly #server: Server;
  connections = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
    server.on('connection', (socket) => {
      this.connections += 1;
      socket.destroy();
    });
  }

  static async open(): Promise<Trap> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const bound = server.address();
    assert.ok(typeof bound === 'object' && bound !== null);
    return new Trap(server, bound.port);
  }

  close(): Promise<void> {
    return new Promise((done) => this.#server.close(() => done()));
  }
}

/** Fails when anything of a payload runs, leads somewhere, or is shown as it is in any document of the window. */
export async function assertHarmless(workbench: Workbench, where: string): Promise<void> {
  assert.deepEqual(workbench.escapes, [], where);
  const text = await workbench.allText();
  for (const bad of FORBIDDEN) {
    const at = text.indexOf(bad);
    const around = JSON.stringify(text.slice(Math.max(0, at - 80), at + 80));
    assert.equal(at, -1, `${where} shows U+${bad.codePointAt(0)?.toString(16)}: ${around}`);
  }
  for (const frame of workbench.page.frames()) {
    // What runs in a page may look at it; a frame that is just being replaced has nothing to look at.
    const found = await frame
      .evaluate<string[]>(
        `[...(window.${MARK} === undefined ? [] : ['a payload ran']),
          ...[...document.querySelectorAll('a[href^="javascript:" i], a[data-href^="javascript:" i], [onerror], [onload], img[src*="b.png"], img[src*="a.png"], a[href^="command:workbench"], a[data-href^="command:workbench"]')].map((one) => one.outerHTML.slice(0, 200))]`,
      )
      .catch((error: unknown) => {
        if (error instanceof Error && /detached|destroyed|navigat/i.test(error.message)) return [];
        throw error;
      });
    assert.deepEqual(found, [], where);
  }
}
