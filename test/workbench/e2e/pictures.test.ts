/**
 * The pictures of the README, taken of a real cluster under load. They go to the folder of all screenshots; to make those of the
 * README anew: `OUTRIGGER_SCREENSHOTS=docs/images npm test -- --grep "pictures of the README"`.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Daemon } from '../../support/daemons.ts';
import { TEST_MS } from '../../support/patience.ts';
import { Load } from './load.ts';
import { packedExtension } from './packed.ts';
import { CALM, StagedCluster } from './staged-cluster.ts';
import { Workbench } from './workbench.ts';

const NAME = 'orders';
const VIEW = 'Clusters';
const SIZE = { width: 1440, height: 860 };
/** Timeline and charts stand one below the other. */
const TALL = { width: 1440, height: 1140 };
/** Pixels. */
const SIDE_BAR = 380;
const TERMS = 4;
/** Entries of each term, at least. */
const TERM_ENTRIES = 150;
/** So that a whole line of a log is in the picture. */
const SETTINGS = {
  'editor.fontSize': 11,
  'editor.lineNumbers': 'off',
  'editor.glyphMargin': false,
  'editor.minimap.enabled': false,
  'window.commandCenter': false,
  'workbench.layoutControl.enabled': false,
};

describe('the pictures of the README', function () {
  this.timeout(TEST_MS);
  let cluster: StagedCluster;
  let editor: Workbench;
  let load: Load;
  let stopped: Daemon;
  let workspace: string;

  before(async function () {
    const missing = Workbench.missing();
    if (missing !== '') {
      console.error(`      SKIPPED, the pictures of the README: ${missing}`);
      this.skip();
    }
    workspace = await mkdtemp(join(tmpdir(), 'outrigger-workspace-'));
    cluster = await StagedCluster.start(NAME, { flags: ['--control', ...CALM] });
    load = new Load(
      cluster.nodes.map(({ socket }) => socket),
      order,
    );
    editor = await Workbench.start({
      vsix: packedExtension(),
      workspace,
      runtimeDir: cluster.runtimeDir,
      settings: SETTINGS,
    });
    await editor.page.setViewportSize(SIZE);
    await editor.widenSideBar(SIDE_BAR);
    await editor.openView('Raft');
    await editor.statusItem(new RegExp(`${NAME}: \\S+ leads`));
    for (let term = 1; term < TERMS; term++) {
      const { leader, followers, term: before } = await cluster.settled();
      const [heir] = followers;
      assert.ok(heir);
      const { lastIndex } = await cluster.status(leader);
      await cluster.daemons.until(`term ${before} is long enough to be seen`, async () => {
        return (await cluster.status(leader)).lastIndex >= lastIndex + TERM_ENTRIES;
      });
      await cluster.transfer(leader, heir);
      await cluster.settled(before);
    }
  });

  after(async () => {
    try {
      await load?.stop();
    } finally {
      await editor?.stop();
      await cluster?.stop();
    }
    if (workspace !== undefined) await rm(workspace, { recursive: true, force: true });
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await cluster?.restore();
  });

  it('a follower that lags and why, the events, and the log with hints and a hover', async () => {
    const { leader, followers } = await cluster.settled();
    [stopped] = followers as [Daemon, Daemon];
    const index = (await cluster.status(leader)).commitIndex;
    cluster.pause(stopped);
    await editor.treeLine(VIEW, new RegExp(`^${stopped.id}\\b.*behind · [2-9].* s`));
    await editor.treeAsks(
      VIEW,
      new RegExp(`^${leader.id}`),
      'Open Log…',
      /Index of the entry/,
      String(index),
    );
    await editor.documentWith(new RegExp(`${index} .*committed`));
    const line = editor.page.locator('.view-line').filter({ hasText: new RegExp(`^\\s*${index - 6}\\s`) });
    await editor.hover(line.getByText('COMMAND').first(), /Payload, read as json/);
    await editor.screenshot('log');
    await editor.closeEditors();
  });

  it('the panel: log matrix, timeline and charts', async () => {
    await editor.palette.run('View: Toggle Primary Side Bar Visibility');
    await editor.palette.run('Raft: Open Cluster Panel');
    const panel = editor.webviewFrame();
    await panel.locator('[data-act=whole]').click();
    await editor.until(
      async () => /^Indexes 1 to/.test((await panel.locator('[data-range]').innerText()).trim()),
      () => 'the whole log is not shown',
    );
    await editor.screenshot('panel-log');
    cluster.resume(stopped);
    await panel.locator(`[data-node=${stopped.id}] [data-lag=replicated]`, { hasText: 'none' }).waitFor();
    await editor.page.setViewportSize(TALL);
    await panel.locator('#tab-time').click();
    await panel.locator('outrigger-charts canvas').first().waitFor();
    await panel.locator('[data-chart=throughput]').scrollIntoViewIfNeeded();
    await editor.screenshot('panel-time');
    await editor.page.setViewportSize(SIZE);
    await editor.closeEditors();
    await editor.palette.run('View: Toggle Primary Side Bar Visibility');
  });

  it('why the leader changed, with the evidence', async () => {
    const { leader, term } = await cluster.settled();
    await leader.child.kill();
    const after = await cluster.settled(term);
    await editor.statusItem(new RegExp(`${NAME}: ${after.leader.id} leads t${after.term}`));
    await editor.preview('Raft: Explain Leader Change', /LEADER_KILLED/);
    await editor.treeLine('Events', /which led term/);
    await editor.screenshot('explain');
  });
});

function order(number: number): string {
  return JSON.stringify({ order: 1000 + number, qty: (number % 7) + 1 });
}
