/** The manifest against the code: what one declares the other has. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LENS_COMMANDS } from '../../extension/aggregator/documents/lenses.ts';
import { TOKEN_MODIFIERS, TOKEN_TYPES } from '../../extension/aggregator/documents/tokens.ts';
import { COMMANDS, CONTEXT_KEYS } from '../../extension/commands/ids.ts';
import { VERSION } from '../../shared/version.ts';

const ROOT = 'extension';
const text = readFileSync(join(ROOT, 'package.json'), 'utf8');
const manifest = JSON.parse(text);
const nls: Record<string, string> = JSON.parse(readFileSync(join(ROOT, 'package.nls.json'), 'utf8'));
const { contributes } = manifest;

function sources(): string {
  return readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/^(aggregator|webview)[\\/]/.test(file))
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
    .join('\n');
}

/** Every `when` and `enablement` of the manifest. */
function clauses(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    (key === 'when' || key === 'enablement') && typeof inner === 'string' ? [inner] : clauses(inner),
  );
}

describe('the manifest of the extension', () => {
  it('has the version of the package', () => {
    assert.equal(manifest.version, VERSION);
  });

  it('declares exactly the commands that the code registers', () => {
    const declared = contributes.commands.map(({ command }: { command: string }) => command);
    assert.deepEqual([...declared].sort(), [...COMMANDS].sort());
    for (const command of contributes.commands) {
      assert.equal(command.category, '%category%', command.command);
      assert.match(nls[command.title.slice(1, -1)] ?? '', /^[A-Z]/, command.command);
    }
  });

  it('menus, links and lenses name commands that exist', () => {
    const known = new Set<string>([
      ...COMMANDS,
      ...contributes.views.outrigger.map(({ id }: { id: string }) => `${id}.focus`),
    ]);
    const menus = Object.values<{ command: string }[]>(contributes.menus).flat();
    for (const { command } of menus) assert.ok(known.has(command), command);
    const linked = [...JSON.stringify([nls, text]).matchAll(/(?:command|onCommand):(outrigger[\w.]*)/g)];
    assert.ok(linked.length > 5);
    for (const [, command] of linked) assert.ok(known.has(command ?? ''), command);
    for (const command of Object.values(LENS_COMMANDS)) assert.ok(known.has(command), command);
  });

  it('a command that needs an argument, or a cluster, is hidden from the palette without', () => {
    const palette: { command: string; when: string }[] = contributes.menus.commandPalette;
    const hidden = palette.filter(({ when }) => when === 'false').map(({ command }) => command);
    assert.deepEqual(hidden.sort(), [
      'outrigger.copyAddress',
      'outrigger.explain',
      'outrigger.openUri',
      'outrigger.revealNode',
      'outrigger.showEvent',
    ]);
    const always = COMMANDS.filter((command) => !palette.some((item) => item.command === command));
    assert.deepEqual([...always].sort(), [
      'outrigger.attach',
      'outrigger.doctor',
      'outrigger.showOutput',
      'outrigger.startDemoCluster',
      'outrigger.stopDemoCluster',
    ]);
  });

  it('when-clauses name contexts that exist', () => {
    const known = new Set<string>([
      ...Object.values(CONTEXT_KEYS),
      ...['view', 'viewItem', 'isWorkspaceTrusted', 'resourceScheme', 'resourceFilename', 'editorLangId'],
    ]);
    const all = clauses(contributes);
    assert.ok(all.length > 20);
    for (const clause of all) {
      const words = clause
        .replaceAll(/=~ \/[^/]*\//g, '')
        .replaceAll(/[!=]= \S+/g, '')
        .split(/[\s!()&|]+/)
        .filter((word) => word !== '' && word !== 'false');
      for (const word of words) assert.ok(known.has(word), `${word} in: ${clause}`);
    }
    const code = sources();
    for (const name of Object.keys(CONTEXT_KEYS)) {
      assert.ok(code.includes(`CONTEXT_KEYS.${name}`), `${name} is never set`);
    }
  });

  it('every text is in package.nls.json, and none is left over', () => {
    const used = new Set([...text.matchAll(/"%([\w.]+)%"/g)].map((match) => match[1] ?? ''));
    assert.deepEqual([...used].sort(), Object.keys(nls).sort());
  });

  it('every text of the code is in the l10n bundle, and none is left over', () => {
    const bundle: Record<string, string> = JSON.parse(
      readFileSync(join(ROOT, 'l10n', 'bundle.l10n.json'), 'utf8'),
    );
    const calls = [...sources().matchAll(/l10n\.t\(\s*('(?:[^'\\]|\\.)*')/g)].map((match) =>
      (match[1] ?? '').slice(1, -1).replaceAll("\\'", "'"),
    );
    assert.equal(calls.length, sources().split('l10n.t(').length - 1, 'a text is not one literal');
    assert.deepEqual(Object.keys(bundle).sort(), [...new Set(calls)].sort());
  });

  it('files it names are there', () => {
    const named = [...text.matchAll(/"(?:\.\/)?((?:media|language|l10n)\/[^"]+)"/g)].map(
      (match) => match[1] ?? '',
    );
    assert.ok(named.length > 6);
    for (const file of named) assert.ok(existsSync(join(ROOT, file)), file);
    assert.ok(existsSync(join(ROOT, manifest.icon)));
  });

  it('at most two inline actions on an item, and no keys are taken', () => {
    assert.equal('keybindings' in contributes, false);
    const inline: { when: string; group: string }[] = contributes.menus['view/item/context'].filter(
      ({ group }: { group: string }) => group.startsWith('inline'),
    );
    for (const item of [
      'cluster',
      'cluster control',
      'node connected leader addressed control',
      'node away',
    ]) {
      const matching = inline.filter(({ when }) => {
        const pattern = /viewItem =~ \/(.*?)\/(?:$| )/.exec(when)?.[1];
        return when.includes('outrigger.clusters') && pattern !== undefined && new RegExp(pattern).test(item);
      });
      assert.ok(matching.length >= 1 && matching.length <= 2, `${matching.length} on ${item}`);
    }
  });

  it('semantic tokens are those that the aggregator sends', () => {
    const ids = (list: { id: string }[]) => list.map(({ id }) => id).sort();
    assert.deepEqual(ids(contributes.semanticTokenTypes), [...TOKEN_TYPES].sort());
    assert.deepEqual(ids(contributes.semanticTokenModifiers), [...TOKEN_MODIFIERS].sort());
  });

  it('nothing runs before it is needed, and not before trust', () => {
    for (const event of manifest.activationEvents) assert.doesNotMatch(event, /^(\*|onStartupFinished)$/);
    assert.equal(manifest.capabilities.untrustedWorkspaces.supported, 'limited');
    const settings = Object.keys(contributes.configuration.properties);
    assert.deepEqual(
      manifest.capabilities.untrustedWorkspaces.restrictedConfigurations.sort(),
      settings.sort(),
    );
    assert.equal(contributes.configuration.properties['outrigger.command'].scope, 'machine');
    assert.deepEqual(manifest.extensionKind, ['workspace']);
  });

  it('has colours of terms that stand out from the ground of their theme (WCAG 2: 3 to 1)', () => {
    const grounds = {
      dark: '#1f1f1f',
      light: '#ffffff',
      highContrast: '#000000',
      highContrastLight: '#ffffff',
    };
    const luminance = (colour: string): number => {
      const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
        const unit = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
        return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    for (const { id, defaults } of contributes.colors) {
      for (const [theme, ground] of Object.entries(grounds)) {
        const [dark = 0, light = 0] = [luminance(defaults[theme]), luminance(ground)].sort((a, b) => a - b);
        const contrast = (light + 0.05) / (dark + 0.05);
        assert.ok(contrast >= 3, `${id} in ${theme}: ${contrast.toFixed(2)}`);
      }
    }
  });
});
