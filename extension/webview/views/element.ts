/**
 * What all elements of the page share.
 *
 * MUST: render into the document itself, so that one style sheet (and uPlot's) reaches everything and no style is inline.
 */
import { LitElement } from 'lit';

export abstract class PageElement extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}
