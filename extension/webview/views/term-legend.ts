/**
 * The terms in view with their colours, for bars too narrow for their number.
 *
 * MUST: name each term in words; show no colours where the matrix shows none (high contrast).
 */
import { html, nothing, type TemplateResult } from 'lit';
import { count } from '../../../shared/wording.ts';
import { type Palette, termColour } from '../draw/palette.ts';
import type { View } from '../model/geometry.ts';
import { type MatrixRow, newestTerms } from '../model/matrix.ts';
import { text } from '../strings.ts';

/** As many as have a colour of their own; of more terms the newest. */
const MOST_TERMS = 8;

export function termLegend(
  rows: readonly MatrixRow[],
  view: View,
  palette: Palette | undefined,
): TemplateResult | typeof nothing {
  if (palette === undefined || palette.contrast) return nothing;
  const terms = newestTerms(rows, view, MOST_TERMS);
  return html`<p class="muted row" aria-label=${text('legendTerms')} role="note" data-legend="terms">
    ${terms.map(
      (term) =>
        html`<span>
          <svg class="swatch" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
            <rect width="1" height="1" fill=${termColour(palette, term)}></rect></svg
          >${text('term', count(term))}</span
        >`,
    )}
  </p>`;
}
