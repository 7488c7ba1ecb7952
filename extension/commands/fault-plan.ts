/** Asks which fault it shall be, one thing after the other. `undefined`: the user changed their mind. */
import * as vscode from 'vscode';
import type { ClusterView, NodeView } from '../../shared/cluster-view.ts';
import {
  describeFault,
  FAULT_DIRECTIONS,
  FAULT_KINDS,
  type FaultDirection,
  type FaultKind,
  type FaultPlan,
  longestTtlMs,
} from '../../shared/faults.ts';
import { LIMITS } from '../../shared/limits.ts';
import { duration } from '../../shared/wording.ts';
import { plainLabel } from '../util/plain.ts';

/** What is offered; the rest is typed. */
const LASTING_MS = [10_000, 30_000, 120_000] as const;

interface Item<T> extends vscode.QuickPickItem {
  readonly value: T;
}

type Measures = Partial<Omit<FaultPlan, 'kind' | 'ttlMs'>>;

export async function askFault(cluster: ClusterView, node: NodeView): Promise<FaultPlan | undefined> {
  const kind = await askKind(node);
  if (kind === undefined) return undefined;
  const measures = await askMeasures(cluster, node, kind);
  if (measures === undefined) return undefined;
  const plan = {
    ...{ kind, peer: '', direction: 'BOTH' as const, delayMs: 0, jitterMs: 0, share: 0 },
    ...measures,
  };
  const ttlMs = await askLasting(kind);
  return ttlMs === undefined ? undefined : { ...plan, ttlMs };
}

async function pick<T>(items: readonly Item<T>[], placeHolder: string): Promise<T | undefined> {
  const picked = await vscode.window.showQuickPick(items, { placeHolder, ignoreFocusOut: true });
  return picked?.value;
}

function askKind({ id }: NodeView): Promise<FaultKind | undefined> {
  const words: Readonly<Record<FaultKind, readonly [label: string, detail: string]>> = {
    CUT: [
      vscode.l10n.t('Cut Off from One Peer'),
      vscode.l10n.t('Messages to and from that peer are lost. Connections stay.'),
    ],
    ISOLATE: [
      vscode.l10n.t('Isolate from All Peers'),
      vscode.l10n.t('Messages to and from all peers are lost. It still answers here.'),
    ],
    DELAY: [vscode.l10n.t('Delay Messages'), vscode.l10n.t('Messages come later, in their order.')],
    DROP: [vscode.l10n.t('Lose Messages'), vscode.l10n.t('A share of the messages is lost, by chance.')],
    PAUSE: [
      vscode.l10n.t('Pause the Process'),
      vscode.l10n.t('The whole process stands still and answers nothing, as if it were stopped.'),
    ],
  };
  const items = FAULT_KINDS.map((kind) => ({ label: words[kind][0], detail: words[kind][1], value: kind }));
  return pick(items, vscode.l10n.t('What shall go wrong in {0}?', plainLabel(id)));
}

/** What that kind needs besides its time. */
async function askMeasures(
  cluster: ClusterView,
  node: NodeView,
  kind: FaultKind,
): Promise<Measures | undefined> {
  if (kind === 'PAUSE') return {};
  const peer = kind === 'ISOLATE' ? '' : await askPeer(cluster, node, kind !== 'CUT');
  if (peer === undefined) return undefined;
  if (kind === 'CUT' || kind === 'ISOLATE') {
    const direction = await askDirection(node, kind, peer);
    return direction === undefined ? undefined : { peer, direction };
  }
  if (kind === 'DELAY') {
    const delayMs = await askNumber(
      vscode.l10n.t('Milliseconds that each message comes later (1 to {0})', LIMITS.faultDelayMs),
      (value) => Number.isInteger(value) && value >= 1 && value <= LIMITS.faultDelayMs,
    );
    return delayMs === undefined ? undefined : { peer, delayMs };
  }
  const percent = await askNumber(
    vscode.l10n.t('Percent of the messages that are lost (over 0, up to 100)'),
    (value) => value > 0 && value <= 100,
  );
  return percent === undefined ? undefined : { peer, share: percent / 100 };
}

function askPeer(cluster: ClusterView, node: NodeView, orAll: boolean): Promise<string | undefined> {
  const peers = cluster.nodes
    .filter(({ id }) => id !== node.id)
    .map(({ id }) => ({ label: plainLabel(id), value: id }));
  const all = orAll ? [{ label: `$(globe) ${vscode.l10n.t('All peers')}`, value: '' }] : [];
  return pick([...all, ...peers], vscode.l10n.t('Messages of which peer of {0}?', plainLabel(node.id)));
}

function askDirection(
  { id }: NodeView,
  kind: 'CUT' | 'ISOLATE',
  peer: string,
): Promise<FaultDirection | undefined> {
  const labels: Readonly<Record<FaultDirection, string>> = {
    BOTH: vscode.l10n.t('Both Directions'),
    IN: vscode.l10n.t('Only What It Gets'),
    OUT: vscode.l10n.t('Only What It Sends'),
  };
  const plan = { kind, peer, delayMs: 0, jitterMs: 0, share: 0, ttlMs: 0 };
  // What most want comes first.
  const items = [...FAULT_DIRECTIONS].reverse().map((direction) => ({
    label: labels[direction],
    description: plainLabel(`${id} ${describeFault({ ...plan, direction })}`),
    value: direction,
  }));
  return pick(items, vscode.l10n.t('Which messages of {0} are lost?', plainLabel(id)));
}

/** Milliseconds. */
async function askLasting(kind: FaultKind): Promise<number | undefined> {
  const longest = longestTtlMs(kind);
  const offered = LASTING_MS.filter((ms) => ms <= longest).map((ms) => ({ label: duration(ms), value: ms }));
  const other = { label: vscode.l10n.t('Other…'), value: 0 };
  const chosen = await pick([...offered, other], vscode.l10n.t('When does it end by itself?'));
  if (chosen !== 0) return chosen;
  const seconds = await askNumber(
    vscode.l10n.t('Seconds until it ends by itself (at most {0})', longest / 1_000),
    (value) => value >= 0.001 && value <= longest / 1_000,
  );
  return seconds === undefined ? undefined : Math.round(seconds * 1_000);
}

async function askNumber(prompt: string, fits: (value: number) => boolean): Promise<number | undefined> {
  const text = await vscode.window.showInputBox({
    prompt,
    ignoreFocusOut: true,
    validateInput: (typed) => (fits(numberOf(typed)) ? undefined : prompt),
  });
  return text === undefined ? undefined : numberOf(text);
}

function numberOf(text: string): number {
  return /^\s*\d{1,6}(\.\d{1,6})?\s*$/.test(text) ? Number(text) : Number.NaN;
}
