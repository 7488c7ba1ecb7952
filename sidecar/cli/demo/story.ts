/**
 * What the demo does, step by step: three nodes, writes through all of them, `kill -9` of the leader under load, its
 * return, and the check of every acknowledged write.
 *
 * MUST: end with a verdict that is true: anything that was acknowledged and is missing anywhere is a failure.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeStatus } from '../../../shared/inspect.ts';
import type { LocalCluster, LocalNode } from '../cluster/local-cluster.ts';
import { CliError } from '../errors.ts';
import type { Terminal } from '../terminal.ts';
import { type Copy, check } from './check.ts';
import { Load } from './load.ts';

const FIRST_WRITES = 300;
const WRITERS = 6;
/** The load runs for so long before the kill, and after the new leader is known. */
const UNDER_LOAD_MS = 1_000;
const LEADER_MS = 15_000;
/** With nodes deliberately kept down there will be no leader: no need to wait for long. */
const NO_LEADER_MS = 4_000;
const CATCH_UP_MS = 15_000;
const CHECK_MS = 10_000;
/** With a node deliberately kept down the check will fail: likewise. */
const FAILING_CHECK_MS = 1_000;
const POLL_MS = 20;

export interface Stage {
  readonly cluster: LocalCluster;
  readonly copies: readonly Copy[];
  readonly out: Terminal;
  /** How many nodes are deliberately kept down after the kill. */
  readonly keepDown: number;
}

/** Runs all of it. Throws CliError when anything was lost or did not come back. */
export async function tellStory(stage: Stage): Promise<void> {
  const { cluster, copies, out } = stage;
  const load = new Load(copies.map(({ app }) => app));
  const say = teller(out);
  try {
    const leader = await cluster.waitForLeader(LEADER_MS);
    if (leader === undefined) throw new CliError(`no node led within ${LEADER_MS / 1000} s of the start.`);
    say(`${leader.node} leads in term ${leader.term}`);

    await load.write('before', FIRST_WRITES, WRITERS * 2);
    const through = copies.map(({ node }, at) => `${load.through[at]} through ${node}`).join(', ');
    say(`${load.acked.length} writes acknowledged: ${through}`);

    load.start('during', WRITERS);
    await sleep(UNDER_LOAD_MS);
    const down = await killUnderLoad(stage, leader, load, say);
    if (stage.keepDown === 0) for (const node of down) await bringBack(cluster, node, say);
    await load.stop();
    say(
      `writers stopped: ${load.acked.length} acknowledged, ${load.unsure} unknown, ${load.refused} refusals tried again`,
    );
  } finally {
    await load.abandon();
  }
  const verdict = await check(copies, load.acked, stage.keepDown === 0 ? CHECK_MS : FAILING_CHECK_MS);
  if (verdict.problems.length > 0) throw new CliError(verdict.problems.join(' '));
  say(`all ${load.acked.length} acknowledged writes are on all ${copies.length} nodes, and nothing differs:`);
  out.line(`      ${verdict.keys} keys, index ${verdict.appliedIndex}, the same bytes on each`);
}

/** Says each step with the time since the one before. */
function teller(out: Terminal): (text: string) => void {
  let since = performance.now();
  return (text) => {
    const now = performance.now();
    const took = `${((now - since) / 1000).toFixed(1)} s`.padStart(6);
    since = now;
    out.line(`${out.colors.dim(took)}  ${text}`);
  };
}

/** `kill -9` of the leader's sidecar (and of more, where they are to stay down). Resolves with what was killed. */
async function killUnderLoad(
  { cluster, keepDown, out }: Stage,
  leader: NodeStatus,
  load: Load,
  say: (text: string) => void,
): Promise<LocalNode[]> {
  const others = cluster.nodes.filter((node) => node.id !== leader.node);
  const down = [cluster.node(leader.node), ...others.slice(0, Math.max(0, keepDown - 1))];
  const before = load.acked.length;
  const killed = performance.now();
  await Promise.all(down.map((node) => cluster.kill(node, 'sidecar')));
  const names = down.map((node) => node.id).join(' and ');
  say(`${out.colors.red('kill -9')} of the sidecar of ${names} while ${WRITERS} writers write`);

  const firstAck = load.nextAck().then(() => performance.now() - killed);
  const deadline = keepDown === 0 ? LEADER_MS : NO_LEADER_MS;
  const next = await cluster.waitForLeader(deadline, leader.term);
  if (next === undefined) {
    const up = cluster.nodes.length - down.length;
    throw new CliError(
      `no new leader within ${deadline / 1000} s: ${up} of ${cluster.nodes.length} nodes run, and a majority is needed.`,
    );
  }
  const led = performance.now() - killed;
  say(`${next.node} leads in term ${next.term}, ${Math.round(led)} ms after the kill`);
  const acked = await Promise.race([firstAck, sleep(deadline)]);
  if (acked === undefined)
    throw new CliError(`no write was acknowledged within ${deadline / 1000} s of the new leader.`);
  await sleep(UNDER_LOAD_MS);
  say(`writes go on: ${load.acked.length - before} acknowledged since`);
  return down;
}

/** Starts the sidecar again and waits until it has committed and its app has applied what the leader had then. */
async function bringBack(cluster: LocalCluster, node: LocalNode, say: (text: string) => void): Promise<void> {
  const started = performance.now();
  await cluster.startSidecar(node);
  const first = await cluster.status(node);
  const leader = await cluster.waitForLeader(LEADER_MS);
  if (leader === undefined) throw new CliError(`no node leads after the return of ${node.id}.`);
  const target = leader.commitIndex;
  for (;;) {
    const status = await cluster.status(node);
    if (status !== undefined && status.commitIndex >= target && status.appliedIndex >= target) break;
    if (performance.now() - started > CATCH_UP_MS) {
      const at = status === undefined ? 'it does not answer' : `it is at ${status.appliedIndex}`;
      throw new CliError(`${node.id} did not catch up to ${target} within ${CATCH_UP_MS / 1000} s: ${at}.`);
    }
    await sleep(POLL_MS);
  }
  const missed = target - (first?.lastIndex ?? target);
  const entries = missed > 0 ? `${missed} entries behind, ` : '';
  say(
    `${node.id} is back: ${entries}caught up to index ${target} in ${Math.round(performance.now() - started)} ms`,
  );
}
