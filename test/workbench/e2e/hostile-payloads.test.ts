/** Payloads, replies and names that want to do harm, really committed, and looked at in every view: nothing happens. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Daemon } from '../../support/daemons.ts';
import { TEST_MS } from '../../support/patience.ts';
import { assertHarmless, HostileApp, hostilePayloads, Trap } from './hostile.ts';
import { packedExtension } from './packed.ts';
import { StagedCluster } from './staged-cluster.ts';
import { Workbench } from './workbench.ts';

const NAME = 'hostile';
const VIEW = 'Clusters';

describe('hostile payloads in the editor', function () {
  this.timeout(TEST_MS);
  let trap: Trap;
  let cluster: StagedCluster;
  let app: HostileApp;
  let editor: Workbench;
  let node: Daemon;
  let workspace: string;
  /** Index of each payload. */
  const indexes: number[] = [];

  before(async function () {
    const missing = Workbench.missing();
    if (missing !== '') {
      console.error(`      SKIPPED, hostile payloads in the editor: ${missing}`);
      this.skip();
    }
    trap = await Trap.open();
    const payloads = hostilePayloads(trap.address);
    workspace = await mkdtemp(join(tmpdir(), 'outrigger-workspace-'));
    cluster = await StagedCluster.start(NAME, { nodes: 1, apps: false });
    node = (await cluster.settled()).leader;
    app = await HostileApp.attach(node.socket, '<img src=x onerror=alert(1)>\u202e', payloads[0] ?? '');
    for (const payload of payloads) indexes.push((await cluster.propose(node, payload)).index);
    editor = await Workbench.start({
      vsix: packedExtension(),
      workspace,
      runtimeDir: cluster.runtimeDir,
      // So that every payload is in the document, not only those that are in sight at one width.
      settings: { 'editor.wordWrap': 'on' },
    });
    await editor.openView('Raft');
    await editor.treeLine(VIEW, new RegExp(`^${node.id}\\b.*leader`));
  });

  after(async () => {
    await editor?.stop();
    await app?.close();
    await cluster?.stop();
    await trap?.close();
    if (workspace !== undefined) await rm(workspace, { recursive: true, force: true });
  });

  afterEach('nobody outside was asked', () => assert.equal(trap.connections, 0));

  it('do nothing in the log, its hovers and the pages of its entries', async () => {
    await editor.treeAsks(
      VIEW,
      new RegExp(`^${node.id}`),
      'Open Log…',
      /Index of the entry/,
      String(indexes[0]),
    );
    await editor.documentWith(/payload-0 <script>/);
    await assertHarmless(editor, 'the log');
    for (const [at, index] of indexes.entries()) {
      const line = editor.page.locator('.view-line').filter({ hasText: new RegExp(`^\\s*${index}\\s`) });
      // The time of the entry is beside the payload, and in sight whatever that is.
      const said = await editor.hover(line.getByText('COMMAND').first(), new RegExp(`@${index} `));
      // Bytes that no text has are shown as such.
      const shown = new RegExp(
        `payload-${at}|${Buffer.from(`payload-${at}`).toString('hex').match(/../g)?.join(' ')}`,
      );
      assert.match(said, shown);
      await assertHarmless(editor, `the hover of payload ${at}`);
      await editor.page
        .locator('.monaco-hover:visible')
        .filter({ hasText: `@${index} ` })
        .getByText('Entry in full')
        .click();
      const page = await editor.webviewWith(new RegExp(`Entry ${index} of ${node.id}[\\s\\S]*Chain hash`));
      assert.match(page, shown);
      await assertHarmless(editor, `the page of payload ${at}`);
      if (at === 0) await editor.screenshot('hostile-entry');
      await editor.palette.run('View: Close Editor');
      await editor.documentWith(/payload-0/);
    }
    await editor.closeEditors();
  });

  it('do nothing in the tree, the events and their tooltips', async () => {
    await editor.treeRow('Events', /app/).first().click();
    await editor.hover(editor.treeRow(VIEW, new RegExp(`^${node.id}`)), /App/i);
    await assertHarmless(editor, 'the tooltip of the node');
    await editor.hover(editor.treeRow('Events', /app/), /app/i);
    await assertHarmless(editor, 'the tooltip of the event');
  });

  it('do nothing in the panel', async () => {
    await editor.palette.run('Raft: Open Cluster Panel');
    const panel = editor.webviewFrame();
    await panel.locator('[role=grid]').focus();
    await editor.page.keyboard.press('End');
    for (const at of [...indexes.keys()].reverse()) {
      await editor.page.keyboard.press('Enter');
      await panel.locator('#entry-title', { hasText: new RegExp(`\\b${indexes[at]}\\b`) }).waitFor();
      await panel.locator('[data-entry=ANSWERED] pre').waitFor();
      await assertHarmless(editor, `the panel with payload ${at}`);
      await panel.locator('[role=grid]').focus();
      await editor.page.keyboard.press('ArrowLeft');
    }
    await panel.locator('#tab-time').click();
    await panel.locator('outrigger-timeline').waitFor();
    await assertHarmless(editor, 'the timeline');
    await editor.closeEditors();
  });

  it('do nothing in the answer to a proposal', async () => {
    await editor.palette.run('Raft: Propose Text');
    await editor.palette.pick(new RegExp(`^${node.id}$`));
    await editor.palette.type(/command as the app understands it/, 'harmless');
    await editor.toast(/Committed as #\d+[\s\S]*payload-0/);
    await assertHarmless(editor, 'the message');
  });
});
