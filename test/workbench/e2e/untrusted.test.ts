/** A workspace of a stranger: before it is trusted, nothing of it is contacted and nothing of it runs; then what its user asks for. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_MS } from '../../support/patience.ts';
import { Trap } from './hostile.ts';
import { packedExtension } from './packed.ts';
import { StagedCluster } from './staged-cluster.ts';
import { Workbench } from './workbench.ts';

const OWN = 'orders';
const VIEW = 'Clusters';

describe('a workspace that is not trusted', function () {
  this.timeout(TEST_MS);
  let trap: Trap;
  let own: StagedCluster;
  let editor: Workbench;
  let workspace: string;
  let ran: string;

  before(async function () {
    const missing = Workbench.missing();
    if (missing !== '') {
      console.error(`      SKIPPED, a workspace that is not trusted: ${missing}`);
      this.skip();
    }
    trap = await Trap.open();
    own = await StagedCluster.start(OWN, { nodes: 1 });
    workspace = await mkdtemp(join(tmpdir(), 'outrigger-workspace-'));
    ran = join(workspace, 'the-command-ran');
    await writeWorkspace();
    await own.propose((await own.settled()).leader, 'own entry');
    editor = await Workbench.start({
      vsix: packedExtension(),
      workspace,
      runtimeDir: own.runtimeDir,
      workspaceTrust: true,
      settings: { 'security.workspace.trust.startupPrompt': 'never' },
    });
    await editor.openView('Raft');
  });

  after(async () => {
    await editor?.stop();
    await own?.stop();
    await trap?.close();
    if (workspace !== undefined) await rm(workspace, { recursive: true, force: true });
  });

  /** One cluster of its own, and one that has the name of ours, to be mistaken for it. */
  async function writeWorkspace(): Promise<void> {
    const http = `http://${trap.address}`;
    const decoder = { kind: 'command', command: ['/bin/sh', '-c', `echo ran > '${ran}'`] };
    const clusters = [
      { name: 'bait', nodes: [{ id: 'n1', http }], decoder },
      { name: OWN, nodes: [{ id: 'n7', http }], decoder },
      {
        name: 'outside',
        nodes: [{ id: 'n1', http }],
        decoder: { kind: 'protobuf', file: '../../etc/outside.proto', type: 'a.B' },
      },
    ];
    await writeFile(join(workspace, 'outrigger.json'), JSON.stringify({ clusters }, null, 2));
    await mkdir(join(workspace, '.vscode'));
    await writeFile(join(workspace, '.vscode', 'outrigger.json'), JSON.stringify({ clusters }));
    const settings = { 'outrigger.command': ['/bin/sh', '-c', `echo ran > '${ran}'`] };
    await writeFile(join(workspace, '.vscode', 'settings.json'), JSON.stringify(settings));
  }

  async function openOwnLog(): Promise<void> {
    await editor.treeAsks(VIEW, /^n1/, 'Open Log…', /Index of the entry/, '1');
  }

  it('shows our own sidecars, and contacts and runs nothing of its files', async () => {
    await editor.statusItem(/Restricted Mode/);
    await editor.treeLine(VIEW, new RegExp(`^${OWN}\\b.*n1 leads`));
    await openOwnLog();
    await editor.documentWith(/utf8 +own entry/);
    await editor.closeEditors();
    await editor.page.keyboard.press('Control+P');
    await editor.palette.input.fill('outrigger.json');
    await editor.palette.pick(/outrigger\.json/);
    await editor.documentWith(/"bait"/);
    // The question that names what could be attached has been answered: the files had their chance.
    await editor.palette.run('Raft: Attach to Cluster');
    await editor.palette.shows((labels) => labels.some((label) => label.includes(OWN)));
    assert.ok((await editor.palette.labels()).every((label) => !/bait|outside/.test(label)));
    await editor.page.keyboard.press('Escape');
    await editor.preview('Raft: Open Doctor Page', /not trusted: its files are not read/);
    await editor.screenshot('untrusted');
    await editor.closeEditors();
    assert.equal(trap.connections, 0);
    assert.ok(!existsSync(ran), 'a command of the workspace was run');
    assert.deepEqual(editor.escapes, []);
  });

  it('refuses to change the cluster', async () => {
    await editor.treeRow(VIEW, new RegExp(`^${OWN}`)).click({ button: 'right' });
    for (const name of ['Transfer Leadership…', 'Plant a Fault…', 'End Planted Faults']) {
      const item = editor.page.locator('.monaco-menu').getByRole('menuitem', { name });
      await item.waitFor();
      assert.match((await item.locator('xpath=..').getAttribute('class')) ?? '', /disabled/, name);
    }
    await editor.page.keyboard.press('Escape');
    await editor.page.locator('.monaco-menu').waitFor({ state: 'hidden' });
  });

  it('is contacted, once it is trusted, only when somebody attaches', async () => {
    await editor.palette.run('Workspaces: Manage Workspace Trust');
    await editor.page
      .locator('.workspace-trust-editor')
      .getByRole('button', { name: /^Trust/ })
      .first()
      .click();
    await editor.until(
      async () => !(await editor.statusBar()).some((text) => /Restricted Mode/.test(text)),
      () => 'the workspace was not trusted',
    );
    await editor.closeEditors();
    // Its files are read now: they are among what can be attached.
    await editor.until(
      async () => {
        await editor.palette.run('Raft: Attach to Cluster');
        await editor.palette.shows((labels) => labels.length > 0);
        const offered = (await editor.palette.labels()).some((label) => label.includes('bait'));
        if (!offered) await editor.page.keyboard.press('Escape');
        return offered;
      },
      () => 'the clusters of the workspace are not offered',
    );
    assert.equal(trap.connections, 0, 'contacted before anybody attached');
    assert.ok(!existsSync(ran), 'a command was run before any payload of its cluster was shown');
    await editor.palette.pick(/bait/);
    await editor.treeLine(VIEW, /^bait\b/);
    await editor.until(
      async () => trap.connections > 0,
      () => 'what was attached is not contacted',
    );
  });
});
