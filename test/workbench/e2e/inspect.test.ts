/**
 * What the editor lets its user see and do, on three real sidecars that allow control (issue 3): the log as a document, live
 * tails, comparing, explaining, the panel, attaching by hand, transferring leadership, planting faults.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { TEST_MS } from '../../support/patience.ts';
import { compareLogs } from './diff.ts';
import { packedExtension } from './packed.ts';
import { CALM, StagedCluster } from './staged-cluster.ts';
import { Workbench } from './workbench.ts';

const NAME = 'orders';
const OTHER = 'ledger';
const CONTAINER = 'Raft';
const VIEW = 'Clusters';
const ENTRIES = 12;
const STRANDED = 4;
/** Pixels. */
const SIDE_BAR = 420;

/** As much of a canvas as `colours` needs. */
interface Canvas {
  readonly width: number;
  readonly height: number;
  getContext(kind: '2d'): {
    getImageData(x: number, y: number, w: number, h: number): { readonly data: Uint8ClampedArray };
  };
}

/** How many colours are in it. */
function colours(canvas: Locator): Promise<number> {
  return canvas.evaluate((one: Canvas) => {
    const { data } = one.getContext('2d').getImageData(0, 0, one.width, one.height);
    return new Set(new Uint32Array(data.buffer)).size;
  });
}

describe('in the editor', function () {
  this.timeout(TEST_MS);
  let cluster: StagedCluster;
  let other: StagedCluster;
  let editor: Workbench;
  let workspace: string;
  /** Of each order. */
  const terms: number[] = [];

  before(async function () {
    const missing = Workbench.missing();
    if (missing !== '') {
      console.error(`      SKIPPED, what the editor shows: ${missing}`);
      this.skip();
    }
    workspace = await mkdtemp(join(tmpdir(), 'outrigger-workspace-'));
    [cluster, other] = await Promise.all([
      StagedCluster.start(NAME, { flags: ['--control', ...CALM] }),
      StagedCluster.start(OTHER, { nodes: 1 }),
    ]);
    const { leader } = await cluster.settled();
    for (let at = 1; at <= ENTRIES; at++) terms[at] = (await cluster.propose(leader, order(at))).term;
    editor = await Workbench.start({
      vsix: packedExtension(),
      workspace,
      runtimeDir: cluster.runtimeDir,
      settings: { 'diffEditor.useInlineViewWhenSpaceIsLimited': false },
    });
    await editor.widenSideBar(SIDE_BAR);
    await editor.openView(CONTAINER);
    await editor.statusItem(new RegExp(`${NAME}: \\S+ leads`));
  });

  after(async () => {
    await editor?.stop();
    await Promise.all([cluster?.stop(), other?.stop()]);
    if (workspace !== undefined) await rm(workspace, { recursive: true, force: true });
  });

  afterEach(async function () {
    await cluster?.restore();
    if (this.currentTest?.state === 'failed') await editor?.tidy();
  });

  it('a log opens from the tree, with hints, folds by term, symbols, and payloads decoded in hovers', async () => {
    const { leader, followers } = await cluster.settled();
    const [follower] = followers;
    const term = terms[7];
    assert.ok(follower);
    await editor.treeAsks(VIEW, new RegExp(`^${follower.id}`), 'Open Log…', /Index of the entry/, '5');
    await editor.documentWith(/"order":\s?7/);
    // Hints come after the text: committed, and by whom acknowledged.
    const text = await editor.documentWith(/"order":\s?7.*committed/);
    assert.match(text, new RegExp(`\\bt${term} +command\\b`, 'i'));
    const payload = editor.page.locator('.view-line').filter({ hasText: /"order":\s?7\b/ });
    const said = await editor.hover(payload.getByText('order').first(), /Payload, read as json/);
    assert.match(said, new RegExp(`${follower.id}@\\d+ · term ${term}`));
    for (const { id } of [leader, ...followers]) assert.match(said, new RegExp(`\\b${id}@`));
    await editor.screenshot('log-hover');
    // The same entry on another node, at its line.
    await editor.page.locator('.monaco-hover:visible').getByText(`${leader.id}@`).first().click();
    await editor.page.locator('.tab.active', { hasText: new RegExp(`${NAME}-${leader.id}-1-`) }).waitFor();
    await editor.palette.run('Go to Symbol in Editor');
    const symbols = editor.page.locator('.quick-input-list .label-name');
    await symbols
      .filter({ hasText: new RegExp(`\\bt${term}\\b`) })
      .first()
      .waitFor();
    await editor.page.keyboard.press('Escape');
    await editor.palette.run('Fold All');
    await editor.until(
      async () => !/"order":\s?7/.test(await editor.openDocumentText()),
      () => 'the terms were not folded',
    );
    await editor.closeEditors();
    // Opened again it is as the log is now, also where the editor still keeps its text.
    await cluster.propose(leader, 'since then');
    await editor.treeAsks(VIEW, new RegExp(`^${follower.id}`), 'Open Log…', /Index of the entry/, '5');
    await editor.documentWith(/since then/);
    await editor.closeEditors();
  });

  it('a live tail follows, and stands still from the moment that its reader selects', async () => {
    const { leader } = await cluster.settled();
    await editor.treeRow(VIEW, new RegExp(`^${leader.id}`)).hover();
    await editor
      .treeRow(VIEW, new RegExp(`^${leader.id}`))
      .getByRole('button', { name: /Live Tail/ })
      .click();
    await editor.statusItem(/Following/);
    await cluster.propose(leader, 'seen at once');
    await editor.documentWith(/seen at once/);
    await editor.page.locator('.view-line').filter({ hasText: '"order"' }).first().dblclick();
    await editor.statusItem(/Paused/);
    const { index } = await cluster.propose(leader, 'not to be seen');
    // The tree has heard of it: the document would have, too.
    await editor.treeLine(VIEW, new RegExp(`^${leader.id}\\b.*commit ${index}\\b`));
    assert.doesNotMatch(await editor.openDocumentText(), /not to be seen/);
    await editor.palette.run('Raft: Follow or Pause This Live Tail');
    await editor.documentWith(/not to be seen/);
    await editor.statusItem(/Following/);
    await editor.closeEditors();
  });

  it('the panel draws the cluster, and shows an entry with its payload', async () => {
    const { leader } = await cluster.settled();
    await editor.palette.run('Raft: Open Cluster Panel');
    const panel = editor.webviewFrame();
    await panel.locator('[data-leader]', { hasText: leader.id }).waitFor();
    const canvas = panel.locator('outrigger-matrix canvas');
    // Background, terms, marks, letters.
    await editor.until(
      async () => (await colours(canvas)) > 8,
      () => 'the matrix is not drawn',
    );
    await panel.locator('[role=grid]').focus();
    await editor.page.keyboard.press('Home');
    for (let steps = 0; steps < 6; steps++) await editor.page.keyboard.press('ArrowRight');
    await editor.page.keyboard.press('Enter');
    const entry = panel.locator('[data-entry=ANSWERED] pre');
    await entry.waitFor();
    assert.match(await entry.innerText(), /"order":\s?\d+/);
    await panel.locator('#tab-time').click();
    await panel.locator('outrigger-charts canvas').first().waitFor();
    await editor.screenshot('panel-time');
    await editor.closeEditors();
  });

  it('another cluster is attached by an address and a token that are typed', async () => {
    const { leader } = await other.settled();
    const secret = `secret of ${OTHER}`;
    await other.propose(leader, secret);
    const { view } = await other.tokens(leader);
    await editor.palette.run('Raft: Attach to Cluster');
    await editor.palette.pick(/Enter the address/);
    await editor.palette.type(/HTTP address/, `http://${leader.http}`);
    await editor.palette.type(/view token/, view);
    await editor.treeLine(VIEW, new RegExp(`^${OTHER}\\b.*${leader.id} leads`));
    // Its log is for those who know the token.
    await editor.palette.run('Raft: Open Log');
    await editor.palette.pick(new RegExp(OTHER));
    await editor.palette.pick(new RegExp(leader.id));
    await editor.palette.type(/Index of the entry/, '');
    await editor.documentWith(new RegExp(secret));
    await editor.closeEditors();
    await editor.palette.run('Raft: Detach from Cluster');
    await editor.palette.pick(new RegExp(OTHER));
    await editor.treeShows(VIEW, `view without ${OTHER}`, (lines) =>
      lines.every(({ text }) => !text.startsWith(OTHER)),
    );
  });

  it('leadership is transferred after a question that names cluster and node', async () => {
    const { leader, followers, term } = await cluster.settled();
    const [heir] = followers;
    assert.ok(heir);
    const question = editor.page.locator('.monaco-dialog-box');
    for (const agree of [false, true]) {
      await editor.palette.run('Raft: Transfer Leadership');
      await editor.palette.pick(new RegExp(`^${heir.id}`));
      await question.waitFor();
      assert.match(
        await question.innerText(),
        new RegExp(`leadership of ${NAME} from ${leader.id} to ${heir.id}\\?`),
      );
      await question.getByRole('button', { name: agree ? 'Transfer' : 'Cancel' }).click();
      await question.waitFor({ state: 'hidden' });
      if (!agree) assert.equal((await cluster.settled()).term, term, 'transferred though it was cancelled');
    }
    const after = await cluster.settled(term);
    assert.equal(after.leader.id, heir.id);
    await editor.toast(new RegExp(`${heir.id} leads ${NAME} in term ${after.term}`));
    await editor.statusItem(new RegExp(`${NAME}: ${heir.id} leads t${after.term}`));
  });

  it('a fault is planted after a question, shown, explained, and ended', async () => {
    const { leader, followers } = await cluster.settled();
    const [node] = followers;
    assert.ok(node);
    const question = editor.page.locator('.monaco-dialog-box');
    const row = new RegExp(`^${node.id}`);
    const does = 'loses all messages to and from all peers';
    for (const agree of [false, true]) {
      await editor.palette.run('Raft: Plant a Fault');
      await editor.palette.pick(row);
      await editor.palette.pick(/^Isolate from All Peers/);
      await editor.palette.pick(/^Both Directions/);
      await editor.palette.pick(/^Other/);
      await editor.palette.type(/Seconds until it ends by itself/, '600');
      await question.waitFor();
      assert.match(
        await question.innerText(),
        new RegExp(`in ${node.id} of ${NAME}, so that it ${does} for 10 min\\?`),
      );
      await question.getByRole('button', { name: agree ? 'Plant' : 'Cancel' }).click();
      await question.waitFor({ state: 'hidden' });
      if (!agree)
        assert.deepEqual((await cluster.status(node)).faults, [], 'planted though it was cancelled');
    }
    await editor.toast(new RegExp(`Planted in ${node.id} of ${NAME}: it ${does}, for 10 min`));
    assert.equal((await cluster.status(node)).faults?.length, 1);
    await editor.treeLine(VIEW, new RegExp(`^${node.id}\\b.*1 fault planted`));
    await editor.treeLine(VIEW, new RegExp(`^a fault is planted in it: it ${does}`));
    await cluster.propose(leader, 'what it misses');
    // Where nobody misses anything there is nothing to explain.
    await editor.treeLine(VIEW, new RegExp(`trails leader ${leader.id} .*the leader gets no answer from it`));
    await editor.screenshot('fault-planted');
    await editor.preview('Raft: Explain Lag', new RegExp(`${node.id} ${does}: fault f\\d`));
    await editor.closeEditors();
    await editor.treeMenu(VIEW, row, 'End Planted Faults');
    await editor.toast(new RegExp(`1 planted fault of ${node.id} was ended`));
    assert.deepEqual((await cluster.status(node)).faults, []);
    await editor.treeShows(VIEW, `${node.id} without a fault`, (lines) =>
      lines.every(({ text }) => !/planted/.test(text)),
    );
  });

  it('two logs that conflict are compared, from exactly the first index that differs', async () => {
    const { leader, followers, term } = await cluster.settled();
    const [witness] = followers;
    assert.ok(witness);
    const { lastIndex } = await cluster.status(leader);
    cluster.daemons.network.cutOff(leader.id);
    await cluster.strand(
      leader,
      Array.from({ length: STRANDED }, (_, at) => `stranded ${at}`),
    );
    const rest = followers.find(({ id }) => id !== witness.id);
    assert.ok(rest);
    await cluster.daemons.until('the others have a leader', async () => {
      const status = await cluster.status(witness);
      return (
        status.term > term &&
        status.leader !== null &&
        status.leader !== leader.id &&
        status.lastIndex > lastIndex
      );
    });
    const heir = cluster.node((await cluster.status(witness)).leader ?? '');
    for (let at = 0; at < STRANDED; at++) await cluster.propose(heir, `kept ${at}`);
    const start = await compareLogs(editor, heir.id, leader.id);
    assert.equal(start.original, lastIndex + 1);
    assert.equal(start.modified, lastIndex + 1);
    await editor.screenshot('compare');
    await editor.closeEditors();
  });

  it('a command explains why the leader changed, with the true cause', async () => {
    const { leader, term } = await cluster.settled();
    await leader.child.kill();
    const after = await cluster.settled(term);
    await editor.statusItem(new RegExp(`${NAME}: ${after.leader.id} leads t${after.term}`));
    const text = await editor.preview('Raft: Explain Leader Change', /LEADER_KILLED/);
    assert.match(text, new RegExp(`Why did the leader of ${NAME} change\\?`));
    assert.match(text, new RegExp(`\\b${leader.id}\\b`));
    await editor.screenshot('explain');
    await editor.closeEditors();
    // The next change has another answer, also where the editor still keeps the page of this one.
    const [heir] = after.followers.filter(({ id }) => id !== leader.id);
    assert.ok(heir);
    await cluster.transfer(after.leader, heir);
    const { term: next } = await cluster.settled(after.term);
    await editor.statusItem(new RegExp(`${NAME}: ${heir.id} leads t${next}`));
    await editor.preview('Raft: Explain Leader Change', /LEADER_TRANSFERRED/);
    await editor.closeEditors();
  });

  it('none of this asked anybody but the editor’s own server', () => {
    assert.deepEqual(editor.escapes, []);
  });
});

function order(number: number): string {
  return JSON.stringify({ order: number, customer: `c${number % 5}`, items: [{ sku: 'A-17', quantity: 2 }] });
}
