/**
 * A real editor on three real sidecars: what its user sees when nodes lead, die, stop and come back (issue 3, "Must show").
 * Times are measured from outside: from the moment that a sidecar's own event names to the moment the window shows it.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boundTime, TEST_MS } from '../../support/patience.ts';
import { KvCluster } from './kv-cluster.ts';
import { packedExtension } from './packed.ts';
import { CALM } from './staged-cluster.ts';
import { Workbench } from './workbench.ts';

const NAME = 'orders';
const CONTAINER = 'Raft';
const VIEW = 'Clusters';
const APPEARS_MS = 2_000;
const NEW_LEADER_MS = 1_000;
const WRITES = 12;
/** Pixels. */
const SIDE_BAR = 460;

describe('the editor on three sidecars', function () {
  this.timeout(TEST_MS);
  let cluster: KvCluster | undefined;
  let workbench: Workbench | undefined;
  let workspace: string;

  before(async function () {
    const missing = Workbench.missing();
    if (missing !== '') {
      console.error(`      SKIPPED, the editor on three sidecars: ${missing}`);
      this.skip();
    }
    workspace = await mkdtemp(join(tmpdir(), 'outrigger-workspace-'));
    cluster = await KvCluster.start(NAME, CALM);
    await cluster.write('n1', 'first', 3);
    workbench = await Workbench.start({ vsix: packedExtension(), workspace, runtimeDir: cluster.runtimeDir });
    await workbench.widenSideBar(SIDE_BAR);
  });

  after(async () => {
    await workbench?.stop();
    await cluster?.stop();
    if (workspace !== undefined) await rm(workspace, { recursive: true, force: true });
  });

  it('shows the cluster within 2 s of opening the view', async () => {
    const [editor, sidecars] = running();
    const leader = await sidecars.leader();
    await editor.openView(CONTAINER);
    const began = performance.now();
    await editor.treeLine(VIEW, new RegExp(`^${leader.node}\\b.*leader · t${leader.term}\\b`));
    for (const follower of sidecars.followersOf(leader)) {
      await editor.treeLine(VIEW, new RegExp(`^${follower.id}\\b.*follower`));
    }
    const took = performance.now() - began;
    await editor.statusItem(new RegExp(`${NAME}: ${leader.node} leads t${leader.term}\\b`));
    await editor.screenshot('cluster');
    boundTime('the cluster appeared', took, APPEARS_MS);
  });

  it('names the new leader and its term within 1 s of its election after kill -9 of the old one', async () => {
    const [editor, sidecars] = running();
    const old = await sidecars.leader();
    await sidecars.local.kill(sidecars.local.node(old.node), 'sidecar');
    try {
      const leader = await sidecars.leader(old.term);
      const term = `t${leader.term}\\b`;
      await Promise.all([
        editor.treeLine(VIEW, new RegExp(`^${leader.node}\\b.*leader · ${term}`)),
        editor.statusItem(new RegExp(`${NAME}: ${leader.node} leads ${term}`)),
      ]);
      const shown = Date.now();
      const took = shown - (await sidecars.electedAt(leader));
      assert.ok(took >= 0, 'shown before it was elected');
      await editor.treeLine(VIEW, new RegExp(`^${old.node}\\b.*unreachable`));
      await editor.screenshot('leader-killed');
      boundTime('the new leader was shown', took, NEW_LEADER_MS);
    } finally {
      await sidecars.local.startSidecar(sidecars.local.node(old.node));
    }
    await editor.treeLine(VIEW, new RegExp(`^${old.node}\\b.*follower · up to date`));
  });

  it('shows how far a stopped follower is behind, and why, and that it is back', async () => {
    const [editor, sidecars] = running();
    const leader = await sidecars.leader();
    const [follower] = sidecars.followersOf(leader);
    assert.ok(follower);
    const nodeLine = new RegExp(`^${follower.id}\\b`);
    // What the reader has chosen must stay chosen when problems come and go.
    await editor.treeRow(VIEW, new RegExp(`^${leader.node}`)).click();
    sidecars.local.signal(follower, 'sidecar', 'SIGSTOP');
    try {
      await sidecars.write(leader.node, 'missed', WRITES);
      const behind = new RegExp(`^${follower.id}\\b.* (\\d+) behind · [\\d.]+ s \\(replicated\\)`);
      const reason = /paused/;
      const isBehind = (text: string): boolean => Number(behind.exec(text)?.[1] ?? 0) >= WRITES;
      const what = `${follower.id} with its lag in entries and seconds, and the reason below it`;
      await editor.treeShows(VIEW, what, (lines) => {
        const at = lines.findIndex(({ text }) => isBehind(text));
        const [node, below] = lines.slice(at, at + 2);
        return at >= 0 && node !== undefined && below?.level === node.level + 1 && reason.test(below.text);
      });
      await editor.screenshot('follower-behind');
      assert.equal(await editor.selectedLine(VIEW), leader.node);
      // A reader who closes it is not contradicted by the seconds that go on.
      await editor
        .treeRow(VIEW, new RegExp(`^${follower.id}`))
        .locator('.monaco-tl-twistie')
        .click();
      const lines = await editor.treeShows(VIEW, 'closed node', (all) => all.every(({ level }) => level < 3));
      const was = lines.find(({ text }) => nodeLine.test(text))?.text;
      const later = await editor.treeShows(VIEW, `other text than ${was}`, (all) =>
        all.some(({ text }) => nodeLine.test(text) && text !== was),
      );
      assert.ok(later.every(({ level }) => level < 3));
    } finally {
      sidecars.local.signal(follower, 'sidecar', 'SIGCONT');
    }
    await editor.treeLine(VIEW, new RegExp(`^${follower.id}\\b.*follower · up to date`));
  });

  it('refuses to transfer leadership and to plant faults where the sidecars do not allow control', async () => {
    const [editor, sidecars] = running();
    const { term } = await sidecars.leader();
    for (const command of ['Transfer Leadership', 'Plant a Fault', 'End Planted Faults']) {
      await editor.palette.run(`Raft: ${command}`);
      await editor.toast(/do not allow control/);
      await editor.palette.run('Notifications: Clear All Notifications');
    }
    assert.equal((await sidecars.leader()).term, term);
  });

  it('comes back by itself after all nodes were down', async () => {
    const [editor, sidecars] = running();
    const before = await sidecars.leader();
    const { nodes } = sidecars.local;
    await Promise.all(nodes.map((node) => sidecars.local.kill(node, 'sidecar')));
    try {
      await editor.statusItem(new RegExp(`${NAME}: no node answers`));
      await editor.treeLine(VIEW, new RegExp(`^${NAME}\\b.*no node answers`));
      await editor.screenshot('all-down');
    } finally {
      await Promise.all(nodes.map((node) => sidecars.local.startSidecar(node)));
    }
    const leader = await sidecars.leader(before.term);
    await editor.statusItem(new RegExp(`${NAME}: ${leader.node} leads t${leader.term}\\b`));
    await editor.treeLine(VIEW, new RegExp(`^${leader.node}\\b.*leader · t${leader.term}\\b`));
  });

  it('is not noticed by the sidecars when it is killed', async () => {
    const [editor, sidecars] = running();
    const before = await sidecars.leader();
    const witness = await sidecars.witness();
    const lines = sidecars.log.length;
    await editor.kill();
    await witness.until(await sidecars.write(before.node, 'alone', WRITES));
    for (const status of await sidecars.statuses()) {
      assert.deepEqual([status?.term, status?.leader], [before.term, before.node]);
    }
    assert.deepEqual(witness.unrest, []);
    await witness.end();
    assert.deepEqual(sidecars.log.slice(lines), []);
  });

  function running(): [Workbench, KvCluster] {
    assert.ok(workbench && cluster);
    return [workbench, cluster];
  }
});
