/**
 * Runs inside the extension host: activates the extension and uses it as a person would on a long log, one step after the
 * other, and notes what the host grew by.
 *
 * MUST: measure from before the extension's code is loaded; check after each step that it really happened.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as vscode from 'vscode';
import { WINDOW_ENTRIES } from '../../extension/aggregator/documents/uris.ts';
import type { TestApi } from '../../extension/api.ts';
import { note } from '../workbench/suite/notes.ts';
import { HOST_NOTE, HOST_TASK, type HostFigures, type HostTask } from './host-task.ts';

const TIMEOUT_MS = 120_000;
/** The host has its own start behind it before we look at its memory. */
const SETTLE_MS = 2_000;
const ATTACH_MS = 15_000;
/** Events are followed so long, and the panel is open so long. */
const LOOK_MS = 5_000;
const SAMPLE_MS = 100;
/** Between collections: pages are given back a moment later. */
const COLLECT_MS = 500;
/** Lines above the first entry. */
const HEADER_LINES = 2;

describe('the inspector on a long log', function () {
  this.timeout(TIMEOUT_MS);
  const task = JSON.parse(process.env[HOST_TASK] ?? '') as HostTask;
  const { cluster, nodes, entries } = task;
  const steps: { after: string; grown: number; heapGrown: number }[] = [];
  const windowMs: number[] = [];
  let before = 0;
  let heapBefore = 0;
  let peak = 0;
  let activationMs = 0;
  let api: TestApi;
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as (how: object) => void;

  /** Resident memory without what the main thread's collector gives back when memory is short; the worker's stays as it is. */
  async function kept(): Promise<number> {
    for (let pass = 0; pass < 3; pass++) {
      collectGarbage({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      await sleep(COLLECT_MS);
    }
    return process.memoryUsage().rss;
  }

  function look(): number {
    const now = process.memoryUsage().rss;
    peak = Math.max(peak, now);
    return now - before;
  }
  const sampler = setInterval(look, SAMPLE_MS);
  after(() => clearInterval(sampler));

  function step(name: string): void {
    steps.push({ after: name, grown: look(), heapGrown: process.memoryUsage().heapTotal - heapBefore });
  }

  it('activates', async () => {
    // The sidecars of the bench and no others are found: the aggregator reads it when it starts.
    process.env['XDG_RUNTIME_DIR'] = task.runtimeDir;
    const extension = vscode.extensions.all.find((one) => one.packageJSON.isUnderDevelopment === true);
    assert.ok(extension, 'the editor knows no extension under development');
    assert.equal(extension.isActive, false);
    await sleep(SETTLE_MS);
    before = await kept();
    heapBefore = process.memoryUsage().heapTotal;
    peak = before;
    const began = performance.now();
    api = (await extension.activate()) as TestApi;
    activationMs = performance.now() - began;
    step('activation');
  });

  it('shows the cluster', async () => {
    await vscode.commands.executeCommand('outrigger.clusters.focus');
    await api.whenClusters(
      (all) => all.find(({ name }) => name === cluster)?.nodes.every((node) => isWhole(node)) ?? false,
      ATTACH_MS,
    );
    await sleep(LOOK_MS);
    assert.equal(api.tree()[0]?.children.length, nodes.length);
    step('tree');
  });

  it('opens windows at the start, in the middle and at the end of the log', async () => {
    for (const [at, share] of [0, 0.5, 1].entries()) {
      const index = Math.max(1, Math.floor((entries - WINDOW_ENTRIES) * share));
      const began = performance.now();
      await vscode.commands.executeCommand('outrigger.openLog', { cluster, node: nodes[at], index });
      windowMs.push(performance.now() - began);
      checkWindow(vscode.window.activeTextEditor?.document);
      // Otherwise the next one takes its place.
      await vscode.commands.executeCommand('workbench.action.keepEditor');
    }
    await sleep(LOOK_MS);
    assert.equal(vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs).length, 3);
    step('three windows');
  });

  it('follows events', async () => {
    await vscode.commands.executeCommand('outrigger.events.focus');
    await sleep(LOOK_MS);
    assert.ok(api.events().length > 0, 'no events are shown');
    step('events');
  });

  it('opens the panel', async () => {
    await vscode.commands.executeCommand('outrigger.openPanel', { cluster });
    await sleep(LOOK_MS);
    assert.deepEqual(api.panels(), [cluster]);
    step('panel');
    const keptGrown = (await kept()) - before;
    const ownActivationMs = api.activationMs;
    const figures: HostFigures = {
      activationMs,
      ownActivationMs,
      steps,
      keptGrown,
      peakGrown: peak - before,
      windowMs,
    };
    note(`${HOST_NOTE}${JSON.stringify(figures)}`);
  });

  /** Every entry is on its line. Looks at few lines, so that looking costs no memory. */
  function checkWindow(document: vscode.TextDocument | undefined): void {
    assert.ok(document, 'no document is shown');
    const [first, last] = [HEADER_LINES, HEADER_LINES + WINDOW_ENTRIES - 1].map((line) =>
      document.lineCount > line ? Number.parseInt(document.lineAt(line).text, 10) : Number.NaN,
    );
    assert.equal(
      Number(last) - Number(first),
      WINDOW_ENTRIES - 1,
      `${document.uri} begins: ${document.lineAt(0).text}`,
    );
  }

  function isWhole(node: ReturnType<TestApi['clusters']>[number]['nodes'][number]): boolean {
    return node.link.state === 'CONNECTED' && (node.status?.lastIndex ?? 0) >= entries;
  }
});
