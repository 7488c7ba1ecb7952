/** What the aggregator is told at each start, and when the workspace changes. */
import * as vscode from 'vscode';
import type { AggregatorOptions, ToAggregator } from '../protocol.ts';
import type { Memory } from './memory.ts';

/** Folders on this machine, none before the workspace is trusted: a stranger's file must not make us connect anywhere. */
export function workspaceState(): ToAggregator['raft/workspace'] {
  const trusted = vscode.workspace.isTrusted;
  const folders = vscode.workspace.workspaceFolders ?? [];
  return {
    trusted,
    workspaceFolders: trusted
      ? folders.filter(({ uri }) => uri.scheme === 'file').map(({ uri }) => uri.fsPath)
      : [],
  };
}

/** `OUTRIGGER_ENDPOINT_ROOT` is for tests: a folder of endpoint files in place of the real one. */
export function aggregatorOptions(memory: Memory): AggregatorOptions {
  return {
    ...workspaceState(),
    remembered: memory.attachments(),
    detached: memory.detached(),
    endpointRoot: process.env['OUTRIGGER_ENDPOINT_ROOT'] ?? '',
  };
}
