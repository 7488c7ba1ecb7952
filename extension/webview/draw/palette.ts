/**
 * The theme's colours for canvases, read from the CSS variables of panel.css.
 *
 * MUST: be read again when the theme changes (`onThemeChange`): a canvas does not follow by itself.
 */

export interface Palette {
  readonly paper: string;
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly accent: string;
  readonly error: string;
  /** `raft.term1` … of the manifest, which terms take turns with; lines and glyphs that need colours take them too. */
  readonly terms: readonly string[];
  /** High contrast: outlines and patterns, no fills. */
  readonly contrast: boolean;
  /** Ink on a fill: whichever of black and white reads better. */
  inkOn(colour: string): string;
}

/** As many as the manifest contributes. */
const TERM_COLOURS = 8;

/** The colour of a term, the same everywhere. Its number is written too, where it fits. */
export function termColour({ terms, ink }: Palette, term: number): string {
  return terms[Math.max(0, term - 1) % terms.length] ?? ink;
}

export function readPalette(page: Document): Palette {
  // The body, since VS Code marks high contrast there.
  const style = getComputedStyle(page.body);
  const value = (name: string) => style.getPropertyValue(`--or-${name}`).trim();
  const rgb = colourReader(page);
  return {
    paper: value('paper'),
    ink: value('ink'),
    muted: value('muted'),
    line: value('line'),
    accent: value('accent'),
    error: value('error'),
    terms: Array.from({ length: TERM_COLOURS }, (_none, at) => value(`term-${at + 1}`)),
    contrast: value('contrast') === '1',
    inkOn: (colour) => (luminance(rgb(colour)) > 0.18 ? '#000000' : '#ffffff'),
  };
}

/** Reads any CSS colour by painting with it. Answers are kept: a theme has few colours. */
function colourReader(page: Document): (colour: string) => readonly number[] {
  const known = new Map<string, readonly number[]>();
  const canvas = page.createElement('canvas');
  canvas.width = 1;
  canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  return (colour) => {
    const before = known.get(colour);
    if (before !== undefined || context === null) return before ?? [0, 0, 0];
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const read = [...context.getImageData(0, 0, 1, 1).data];
    known.set(colour, read);
    return read;
  };
}

/** Relative luminance (WCAG 2). */
function luminance([red = 0, green = 0, blue = 0]: readonly number[]): number {
  const linear = (part: number) => {
    const unit = part / 255;
    return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** Calls back when colours may have changed. */
export function onThemeChange(page: Document, changed: () => void): void {
  const watch = new MutationObserver(changed);
  const attributes = {
    attributeFilter: ['class', 'style', 'data-vscode-theme-id', 'data-vscode-theme-kind'],
  };
  watch.observe(page.documentElement, attributes);
  watch.observe(page.body, attributes);
  for (const query of [
    '(prefers-color-scheme: dark)',
    '(prefers-contrast: more)',
    '(forced-colors: active)',
  ]) {
    matchMedia(query).addEventListener('change', changed);
  }
}
