/**
 * Documents of the aggregator that are asked for before it runs (an editor restored with its window, a link).
 *
 * MUST: start it and pass its text on. The aggregator's own provider comes later and is asked first from then on.
 */
import * as vscode from 'vscode';
import type { Aggregator } from '../client/aggregator.ts';
import { SCHEME } from '../protocol.ts';
import { messageOf } from '../util/errors.ts';

export function provideEarly(aggregator: Aggregator): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
    provideTextDocumentContent: async (uri, token) => {
      try {
        return await aggregator.content(uri.toString(), token);
      } catch (error) {
        return `This document cannot be shown: ${messageOf(error)}\n`;
      }
    },
  });
}
