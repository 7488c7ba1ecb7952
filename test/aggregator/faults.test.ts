/** Faults that are planted in scripted nodes and ended, on a person's word, and seen in the view. */
import assert from 'node:assert/strict';
import { endFaults, plantFault } from '../../extension/aggregator/clusters/acts.ts';
import type { Clusters } from '../../extension/aggregator/clusters/clusters.ts';
import { InspectError } from '../../extension/aggregator/contract.ts';
import type { FaultPlan, FaultStatus } from '../../shared/faults.ts';
import { LIMITS } from '../../shared/limits.ts';
import { ScriptedNode, TOKENS } from './scripted-node.ts';
import { Bench, HASTY, nodeOf, stateOf, until } from './support.ts';

const IDS = ['n1', 'n2', 'n3'];

function plan(more: Partial<FaultPlan> = {}): FaultPlan {
  return {
    ...{ kind: 'CUT', peer: 'n2', direction: 'BOTH', delayMs: 0, jitterMs: 0, share: 0, ttlMs: 30_000 },
    ...more,
  };
}

function planted(id: string, more: Partial<FaultStatus> = {}): FaultStatus {
  return { id, ...plan(), since: 1, until: 30_001, messages: 0, ...more };
}

describe('planted faults, from the editor', () => {
  let bench: Bench;
  let clusters: Clusters;
  let nodes: [ScriptedNode, ScriptedNode, ScriptedNode];

  beforeEach(async () => {
    bench = await Bench.create();
    const [a, b, c] = IDS.map((id) => new ScriptedNode('c', id, { control: true }));
    assert.ok(a && b && c);
    nodes = [a, b, c];
    for (const node of nodes) await bench.node(node);
    const members = nodes.map(({ id, http }) => ({
      ...{ id, http, peer: '127.0.0.1:1', kind: 'VOTER' as const },
      ...{ self: false, connected: true, reason: '' },
    }));
    for (const node of nodes) {
      node.set({ members, role: node === a ? 'LEADER' : 'FOLLOWER', leader: 'n1' });
      await bench.announce(node);
    }
    clusters = bench.clusters({ timing: HASTY });
    clusters.attend(true);
    await until('all connected', () => IDS.every((id) => stateOf(clusters, 'c', id) === 'CONNECTED'));
  });
  afterEach(() => bench.close());

  const words = (id: string) => nodeOf(clusters, 'c', id)?.planted?.map(({ what }) => what);
  const adminUses = () =>
    nodes.flatMap(({ requests }) => requests).filter(({ token }) => token === TOKENS.admin).length;
  const refused = (work: Promise<unknown>, why: RegExp) =>
    assert.rejects(work, (error) => error instanceof InspectError && why.test(error.message));

  it('are planted with the admin token, as that kind takes it, and seen before the node tells of them', async () => {
    const cluster = clusters.watched('c');
    assert.equal(adminUses(), 0);
    const work = plantFault(cluster, 'n3', plan({ kind: 'PAUSE', peer: '' }));
    // From its answer on it says nothing any more.
    await until('the fault', () => nodes[2].planted.length === 1);
    nodes[2].behaviour = 'HANG';
    assert.equal((await work).id, 'f1');
    assert.equal(adminUses(), 1);
    assert.deepEqual(JSON.parse(nodes[2].planted[0] ?? ''), { kind: 'PAUSE', ttlMs: 30_000 });
    await until('n3 is silent', () => stateOf(clusters, 'c', 'n3') === 'SILENT');
    assert.deepEqual(words('n3'), ['stands still']);
  });

  it('are seen as the node tells of them, and go with them', async () => {
    nodes[1].set({ faults: [planted('f1', { kind: 'DROP', peer: '', share: 0.5 })] });
    await until('the fault', () => words('n2') !== undefined);
    assert.deepEqual(words('n2'), ['loses 50 % of the messages to and from all peers']);
    assert.equal(clusters.cluster('c')?.nodes[1]?.problems[0]?.code, 'FAULT_PLANTED');
    nodes[1].set({ faults: [] });
    await until('its end', () => words('n2') === undefined);
  });

  it('are looked for at once when an event says that one began or ended', async () => {
    clusters.attend(false);
    const slow = bench.clusters({ timing: { ...HASTY, pollMs: 600_000 } });
    slow.attend(true);
    await until('n1', () => stateOf(slow, 'c', 'n1') === 'CONNECTED' && nodes[0].streams === 1);
    nodes[0].set({ faults: [planted('f1')] });
    nodes[0].emit({ kind: 'FAULT_BEGAN', cause: 'OPERATOR', state: 'CUT', ms: 30_000 });
    await until('the fault', () => nodeOf(slow, 'c', 'n1')?.planted !== undefined);
  });

  it('are refused without asking the node where it would refuse', async () => {
    const cluster = clusters.watched('c');
    await refused(plantFault(cluster, 'n7', plan()), /has no node n7/);
    await refused(plantFault(cluster, 'n1', plan({ peer: 'n9' })), /n9 is no peer of n1.*n2, n3/);
    await refused(plantFault(cluster, 'n2', plan()), /n2 is no peer of n2/);
    await refused(plantFault(cluster, 'n1', plan({ ttlMs: LIMITS.faultTtlMs + 1 })), /at most 10 min/);
    nodes[1].set({ control: false });
    await until('n2 forbids', () => nodeOf(clusters, 'c', 'n2')?.status?.control === false);
    await refused(plantFault(cluster, 'n2', plan({ peer: 'n1' })), /n2 does not allow control/);
    await refused(endFaults(cluster, 'n2'), /n2 does not allow control/);
    for (const node of nodes) node.set({ control: false });
    await until('none allows', () => IDS.every((id) => !nodeOf(clusters, 'c', id)?.status?.control));
    await refused(endFaults(cluster, ''), /no node of c allows control/);
    assert.equal(adminUses(), 0);
  });

  it('are not planted twice when the answer is lost', async () => {
    nodes[0].losesAnswers = true;
    await refused(plantFault(clusters.watched('c'), 'n1', plan()), /^n1: .*the connection was cut/);
    assert.equal(nodes[0].count('POST /v1/faults'), 1);
  });

  it('end, of one node or of all, and a node that does not answer is named', async () => {
    for (const node of nodes) node.set({ faults: [planted('f1'), planted('f2')] });
    const cluster = clusters.watched('c');
    assert.deepEqual(await endFaults(cluster, 'n1'), { ended: 2, unanswered: [] });
    assert.deepEqual(await endFaults(cluster, 'n1'), { ended: 0, unanswered: [] });
    nodes[2].behaviour = 'HANG';
    await until('n3 is silent', () => stateOf(clusters, 'c', 'n3') === 'SILENT');
    const { ended, unanswered } = await endFaults(cluster, '');
    assert.equal(ended, 2);
    assert.deepEqual(
      unanswered.map(({ node }) => node),
      ['n3'],
    );
    assert.match(unanswered[0]?.reason ?? '', /^n3: .*paused or stuck/);
    assert.equal(nodes[1].count('DELETE /v1/faults/f2'), 1);
    assert.equal(nodes[2].requests.filter(({ line }) => line.startsWith('DELETE')).length, 0);
  });

  it('end nothing else, whatever a node calls its faults', async () => {
    nodes[0].set({ faults: [planted('../leader/transfer')] });
    const { ended, unanswered } = await endFaults(clusters.watched('c'), 'n1');
    assert.equal(ended, 0);
    assert.match(unanswered[0]?.reason ?? '', /an id that is no name/);
    assert.equal(adminUses(), 0);
  });
});
