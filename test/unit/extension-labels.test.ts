import assert from 'node:assert/strict';
import {
  allowsControl,
  clusterContext,
  clusterDescription,
  nodeContext,
  nodeDescription,
  nodeIcon,
  nodeSpeech,
  statusBarText,
  worstLag,
} from '../../extension/views/labels.ts';
import { clusterTooltip, nodeTooltip } from '../../extension/views/tooltip.ts';
import { LINK_STATES } from '../../shared/cluster-view.ts';
import { cluster, leader, node, status } from './extension-support.ts';

const NONE = { entries: 0, ms: 0 };

describe('the words of the clusters tree', () => {
  it('a leader is shown with its term and what is committed', () => {
    assert.equal(nodeDescription(leader('n1')), 'leader · t7 · commit 1,204,331');
  });

  it('a follower is shown with its lag in entries and time, and which lag it is', () => {
    const lag = { replicated: { entries: 812, ms: 40 }, committed: NONE, applied: { entries: 812, ms: 41 } };
    assert.equal(nodeDescription(node('n2', { lag })), 'follower · 812 behind · 40 ms (replicated)');
    assert.equal(nodeDescription(node('n2')), 'follower · up to date');
  });

  it('of several lags the one that explains the others is shown', () => {
    // Not replicated for five seconds: what is applied trails because of that.
    const replicated = { entries: 5, ms: 5_000 };
    const applied = { entries: 9, ms: 5_100 };
    assert.equal(worstLag({ replicated, committed: NONE, applied })?.kind, 'replicated');
    // An app that stalls is not hidden by the entry that is just on its way.
    assert.equal(worstLag({ replicated: { entries: 1, ms: 0 }, committed: NONE, applied })?.kind, 'applied');
    assert.equal(
      worstLag({ replicated: NONE, committed: { entries: 2, ms: 3 }, applied: NONE })?.kind,
      'committed',
    );
    assert.equal(worstLag({ replicated: NONE, committed: NONE, applied: NONE }), undefined);
    assert.equal(worstLag(undefined), undefined);
  });

  it('planted faults come first, and what is right with the node stays as it is', () => {
    const one = { id: 'f1', what: 'stands still', leftMs: 5_000, messages: 0 };
    assert.equal(nodeDescription(node('n2', { planted: [one] })), '1 fault planted · follower · up to date');
    const two = node('n2', { planted: [one, { ...one, id: 'f2' }] });
    assert.equal(nodeSpeech(two), 'node n2, 2 faults planted, follower, up to date');
    assert.deepEqual(nodeIcon(two), nodeIcon(node('n2')));
  });

  it('a node that does not answer is shown by its link and what it was', () => {
    const link = { state: 'SILENT', reason: 'it answers nothing', since: 0 } as const;
    const lag = { replicated: { entries: 3, ms: 4_200 }, committed: NONE, applied: NONE };
    assert.equal(
      nodeDescription(node('n2', { link, lag })),
      'silent · was follower · 3 behind · 4.2 s (replicated)',
    );
  });

  it('a leader of an older term is not called the leader', () => {
    assert.equal(nodeDescription(leader('n1', { isLeader: false })), 'leader of an older term · t7');
  });

  it('no state is told by colour alone: every link state and role has an icon of its own', () => {
    const links = LINK_STATES.filter((state) => state !== 'CONNECTED').map((state) =>
      nodeIcon(node('n1', { link: { state, reason: '', since: 0 } })),
    );
    const roles = (['LEADER', 'FOLLOWER', 'CANDIDATE', 'LEARNER', ''] as const).map((role) =>
      nodeIcon(node('n1', { role })),
    );
    const ids = [...links, ...roles].map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, ids.join(' '));
  });

  it('a screen reader hears words, not signs', () => {
    const speech = nodeSpeech(
      leader('n1', { problems: [{ code: 'A', severity: 'WARNING', text: 'slow disk' }] }),
    );
    assert.equal(speech, 'node n1, leader, term 7, commit 1,204,331, 1 problem');
  });

  it('control acts are offered only where the leader allows control', () => {
    const open = leader('n1', { status: status('n1', { role: 'LEADER', control: true }) });
    const allowed = cluster({ nodes: [open, node('n2')] });
    assert.equal(allowsControl(allowed), true);
    assert.equal(nodeContext(allowed, node('n2')), 'node connected addressed control');
    assert.equal(clusterContext(allowed), 'cluster control');
    const followerOnly = cluster({
      nodes: [leader('n1'), node('n2', { status: status('n2', { control: true }) })],
    });
    assert.equal(allowsControl(followerOnly), false);
    assert.equal(clusterContext(followerOnly), 'cluster');
  });

  it('a cluster says who leads and how many answer', () => {
    assert.equal(clusterDescription(cluster()), 'n1 leads · t7 · 3 nodes');
    const away = node('n3', { link: { state: 'RETRYING', reason: 'refused', since: 0 } });
    const two = cluster({ health: 'DEGRADED', nodes: [leader('n1'), node('n2'), away] });
    assert.equal(clusterDescription(two), 'n1 leads · t7 · 2 of 3 nodes answer');
    assert.equal(
      clusterDescription(cluster({ health: 'NO_LEADER', leader: '' })),
      'no leader · t7 · 3 nodes',
    );
    assert.equal(clusterDescription(cluster({ health: 'UNREACHABLE' })), 'no node answers');
  });
});

describe('the status bar', () => {
  it('says who leads in which term, and that there is no leader', () => {
    assert.equal(statusBarText([cluster({ leader: 'n2' })]), '$(server) orders: n2 leads t7');
    const without = cluster({ health: 'NO_LEADER', leader: '', term: 8 });
    assert.equal(statusBarText([without]), '$(error) orders: no leader t8');
    assert.equal(statusBarText([]), '');
  });

  it('shows the cluster that is worst off, and counts the others', () => {
    const down = cluster({ name: 'billing', health: 'UNREACHABLE', leader: '' });
    assert.equal(statusBarText([cluster(), down]), '$(debug-disconnect) billing: no node answers +1');
  });

  it('a name cannot bring icons of its own', () => {
    const text = statusBarText([cluster({ name: 'a$(flame)', leader: 'n1' })]);
    assert.equal(text, '$(server) a$ (flame): n1 leads t7');
  });
});

describe('tooltips', () => {
  it('name all three lags', () => {
    const lag = { replicated: { entries: 3, ms: 40 }, committed: NONE, applied: { entries: 9, ms: 1_500 } };
    const text = nodeTooltip(cluster(), node('n2', { lag }), 5_000);
    assert.match(text, /replicated lag: 3 entries\\?, for 40 ms/);
    assert.match(text, /committed lag: none/);
    assert.match(text, /applied lag: 9 entries\\?, for 1\\?\.5 s/);
  });

  it('say since when a node is silent, why, and that its numbers are old', () => {
    const link = { state: 'SILENT', reason: 'nothing was heard', since: 2_000 } as const;
    const text = nodeTooltip(cluster(), node('n2', { link }), 5_000);
    assert.match(text, /link: silent for 3 s/);
    assert.match(text, /nothing was heard/);
    assert.match(text, /last heard: 4 s ago/);
  });

  it('say what each planted fault does, how long still, and to how many messages', () => {
    const cut = { id: 'f1', what: 'loses all messages to and from n3', leftMs: 12_000, messages: 1_204 };
    const pause = { id: 'f2', what: 'stands still', leftMs: 500, messages: 0 };
    const text = nodeTooltip(cluster(), node('n2', { planted: [cut, pause] }), 0).replaceAll('\\', '');
    const line =
      'planted fault f1: loses all messages to and from n3, for another 12 s; 1,204 messages so far';
    assert.ok(text.includes(line), text);
    assert.match(text, /planted fault f2: stands still, for another 500 ms$/m);
  });

  it('markup in what nodes say stays text', () => {
    const hostile = '[click](command:evil) <img src=x> **bold**';
    const app = { ...status('n2').app, name: hostile, reason: hostile };
    const planted = [{ id: hostile, what: hostile, leftMs: 1, messages: 0 }];
    const text = nodeTooltip(cluster(), node('n2', { planted, status: status('n2', { app }) }), 0);
    assert.doesNotMatch(text, /[^\\]\[click\]\(command:/);
    assert.doesNotMatch(text, /[^\\]<img/);
    const problems = [{ code: 'X', severity: 'ERROR', text: hostile }] as const;
    assert.doesNotMatch(clusterTooltip(cluster({ problems })), /[^\\]\[click\]\(command:/);
  });
});
