/** What holds for the extension whatever it does: it activates, at little cost, and provides what its manifest promises. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import * as vscode from 'vscode';
import type { TestApi } from '../../../extension/api.ts';
import { tellTime } from '../../support/patience.ts';
import { note } from './notes.ts';

/** Judged by the bench, which has the machine for itself. */
const ACTIVATION_MS = 50;
/** What the editor has to read and compile before `activate` can be called. */
const SCRIPT_BYTES = 200_000;
/** The heaviest of what is for later. */
const HEAVY = /LanguageClient/;

interface Manifest {
  readonly isUnderDevelopment: boolean;
  readonly contributes: { readonly commands: readonly { readonly command: string }[] };
}

/** The one that this editor was started with. */
function extension(): { readonly extension: vscode.Extension<unknown>; readonly manifest: Manifest } {
  for (const extension of vscode.extensions.all) {
    const manifest: Manifest = extension.packageJSON;
    if (manifest.isUnderDevelopment) return { extension, manifest };
  }
  return assert.fail('the editor knows no extension under development');
}

/** The scripts of the extension that the host has loaded. */
function loaded({ extensionPath }: vscode.Extension<unknown>): readonly string[] {
  return Object.keys(require.cache)
    .map((file) => relative(extensionPath, file))
    .filter((file) => !file.startsWith('..'));
}

describe('the extension', () => {
  it('is not active before somebody wants something of it', () => {
    assert.equal(extension().extension.isActive, false);
  });

  it('activates from one small script, and begins nothing that nobody looks at', async () => {
    const { extension: ours } = extension();
    assert.deepEqual(loaded(ours), []);
    const began = performance.now();
    const api = (await ours.activate()) as TestApi;
    tellTime('activation', performance.now() - began, ACTIVATION_MS, note);
    assert.equal(ours.isActive, true);
    assert.deepEqual(loaded(ours), ['main.js']);
    assert.equal(api.aggregatorRunning, false);
    const script = readFileSync(join(ours.extensionPath, 'main.js'));
    assert.ok(script.length <= SCRIPT_BYTES, `${script.length} bytes`);
    assert.doesNotMatch(script.toString(), HEAVY);
    // It is there, and only later: otherwise the look at what was loaded would prove nothing.
    assert.match(readFileSync(join(ours.extensionPath, 'client.js'), 'utf8'), HEAVY);
  });

  it('has registered every command of its manifest', async () => {
    const registered = new Set(await vscode.commands.getCommands(true));
    const promised = extension().manifest.contributes.commands.map(({ command }) => command);
    assert.ok(promised.length > 0, 'the manifest promises no command');
    assert.deepEqual(
      promised.filter((command) => !registered.has(command)),
      [],
    );
  });
});
