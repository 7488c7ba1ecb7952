/** What holds for the extension whatever it does: it activates, fast, and provides what its manifest promises. */
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { note } from './notes.ts';

/** The promise is 50 ms; a test machine under load gets more, and the note says what it was. */
const ACTIVATION_MS = 250;

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

describe('the extension', () => {
  it('is not active before somebody wants something of it', () => {
    assert.equal(extension().extension.isActive, false);
  });

  it('activates, and fast', async () => {
    const began = performance.now();
    await extension().extension.activate();
    const took = performance.now() - began;
    note(`activation took ${took.toFixed(1)} ms`);
    assert.equal(extension().extension.isActive, true);
    assert.ok(took < ACTIVATION_MS, `activation took ${took.toFixed(1)} ms`);
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
