/**
 * The events of all nodes on one axis, with the shared time cursor, and the same as a list.
 *
 * MUST: say when something is not shown (forgotten, filtered, on another page of the list).
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { NodeEvent } from '../../../shared/events.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { clock, count } from '../../../shared/wording.ts';
import type { Palette } from '../draw/palette.ts';
import { surface } from '../draw/surface.ts';
import { drawTimeline, TIME_LANE } from '../draw/timeline-canvas.ts';
import { eventText, GROUP_GLYPH } from '../model/event-text.ts';
import { filterEvents, GROUPS, KIND_CHOICES, RANGES, type TimeWindow, timeAt } from '../model/time.ts';
import { text } from '../strings.ts';
import { type Acts, FIRST_UI, type Ui } from '../ui.ts';
import { PageElement } from './element.ts';

/** Events of the list that are in the page at once. */
const PAGE = 100;

export class Timeline extends PageElement {
  static override properties = {
    nodes: { attribute: false },
    events: { attribute: false },
    forgotten: { attribute: false },
    window: { attribute: false },
    ui: { attribute: false },
    acts: { attribute: false },
    palette: { attribute: false },
    offset: { state: true },
    chosen: { state: true },
  };
  declare nodes: readonly string[];
  declare events: readonly NodeEvent[];
  declare forgotten: number;
  declare window: TimeWindow;
  declare ui: Ui;
  declare acts: Acts | undefined;
  declare palette: Palette | undefined;
  /** Events newer than the list's first. */
  declare private offset: number;
  /** Name of the selected event, '' for none. */
  declare private chosen: string;
  #shown: readonly NodeEvent[] = [];
  readonly #resized = new ResizeObserver(() => this.#draw());

  constructor() {
    super();
    this.nodes = [];
    this.events = [];
    this.forgotten = 0;
    this.window = { from: 0, to: 1_000 };
    this.ui = FIRST_UI;
    this.offset = 0;
    this.chosen = '';
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resized.disconnect();
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has('events') || changed.has('ui')) {
      this.#shown = filterEvents(this.events, this.ui.filter).reverse();
    }
  }

  protected override updated(_changed: PropertyValues): void {
    const canvas = this.querySelector('canvas');
    if (canvas !== null) this.#resized.observe(canvas);
    this.#draw();
  }

  protected override render(): TemplateResult {
    return html`<section aria-labelledby="timeline-title">
      <h2 id="timeline-title">${text('timeline')}</h2>
      ${this.#filters()}
      <div class="lanes">
        <div>${this.nodes.map((node) => html`<div class="name" title=${safeLine(node)}>${safeLine(node, 60)}</div>`)}</div>
        ${this.#slider()}
      </div>
      <p class="muted row" role="note">
        ${GROUPS.map((group) => html`<span>${GROUP_GLYPH[group]} ${text(`group.${group}`)}</span>`)}
        <span>${text('clocks')}</span>
      </p>
      ${this.forgotten > 0 ? html`<p data-forgotten>${text('eventsForgotten', count(this.forgotten))}</p>` : nothing}
      ${this.#list()}
    </section>`;
  }

  #filters(): TemplateResult {
    const { filter, range } = this.ui;
    const choose = (
      label: string,
      name: string,
      value: string,
      choices: readonly (readonly [string, string])[],
      act: (value: string) => void,
    ) =>
      html`<label
        >${label}
        <select name=${name} @change=${(event: Event) => act((event.currentTarget as HTMLSelectElement).value)}>
          ${choices.map(([key, words]) => html`<option value=${key} ?selected=${key === value}>${words}</option>`)}
        </select></label
      >`;
    const kinds = KIND_CHOICES.map((kind) => {
      const group = GROUPS.find((one) => one === kind);
      return [kind, group === undefined ? kind : text(`group.${group}`)] as const;
    });
    return html`<div class="row tools">
      ${choose(text('kindFilter'), 'kind', filter.kind, [['', text('all')], ...kinds], (value) =>
        this.#filter({ ...filter, kind: KIND_CHOICES.find((one) => one === value) ?? '' }),
      )}
      ${choose(
        text('nodeFilter'),
        'node',
        filter.node,
        [['', text('all')], ...this.nodes.map((node) => [node, safeLine(node, 60)] as const)],
        (node) => this.#filter({ ...filter, node }),
      )}
      ${choose(
        text('timeRange'),
        'range',
        String(range),
        RANGES.map((one) => [String(one), text(`range.${one}`)] as const),
        (value) => this.acts?.set({ range: RANGES.find((one) => String(one) === value) ?? 0 }),
      )}
      <button
        type="button"
        data-act="now"
        ?disabled=${this.ui.timeCursor === undefined}
        @click=${() => this.acts?.set({ timeCursor: undefined })}
      >
        ${text('backToNow')}
      </button>
    </div>`;
  }

  #filter(filter: Ui['filter']): void {
    this.offset = 0;
    this.acts?.set({ filter });
  }

  #slider(): TemplateResult {
    const { from, to } = this.window;
    const at = this.ui.timeCursor ?? to;
    return html`<div
      role="slider"
      tabindex="0"
      aria-label=${text('timeCursor')}
      aria-describedby="timeline-help"
      aria-valuemin=${Math.round(from)}
      aria-valuemax=${Math.round(to)}
      aria-valuenow=${Math.round(Math.min(Math.max(at, from), to))}
      aria-valuetext=${text('cursorAt', clock(at))}
      @keydown=${(event: KeyboardEvent) => this.#key(event)}
      @pointermove=${(event: PointerEvent) => event.buttons === 1 && this.#point(event)}
      @pointerdown=${(event: PointerEvent) => this.#point(event)}
    >
      <canvas aria-hidden="true"></canvas>
      <span class="aloud" id="timeline-help">${text('timelineHelp')}</span>
    </div>`;
  }

  #point(event: PointerEvent): void {
    const place = (event.currentTarget as HTMLElement).getBoundingClientRect();
    this.acts?.set({ timeCursor: timeAt(this.window, place.width, event.clientX - place.left) });
  }

  #key(event: KeyboardEvent): void {
    const { from, to } = this.window;
    const at = this.ui.timeCursor ?? to;
    const step = (to - from) / 100;
    const keys: Readonly<Record<string, () => number | undefined>> = {
      ArrowLeft: () => Math.max(from, at - step),
      ArrowRight: () => Math.min(to, at + step),
      ArrowDown: () => Math.max(from, at - step),
      ArrowUp: () => Math.min(to, at + step),
      Home: () => from,
      End: () => to,
      // The list is newest first.
      PageUp: () => this.#shown.find((one) => one.at < at)?.at,
      PageDown: () => this.#shown.findLast((one) => one.at > at)?.at,
    };
    const move = keys[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const next = move();
    if (next !== undefined) this.acts?.set({ timeCursor: next });
  }

  #list(): TemplateResult {
    const total = this.#shown.length;
    if (total === 0) return html`<p class="muted">${text('noEvents')}</p>`;
    const offset = Math.min(this.offset, Math.max(0, total - 1));
    const page = this.#shown.slice(offset, offset + PAGE);
    const chosen = page.findIndex((event) => nameOf(event) === this.chosen);
    return html`<div class="row tools">
        <button type="button" data-act="newer" ?disabled=${offset === 0} @click=${() => this.#turn(-PAGE)}>
          ${text('newer')}
        </button>
        <button type="button" data-act="older" ?disabled=${offset + PAGE >= total} @click=${() => this.#turn(PAGE)}>
          ${text('older')}
        </button>
        <span class="muted">${text('eventsShown', count(offset + 1), count(offset + page.length), count(total))}</span>
      </div>
      <div
        class="events"
        role="listbox"
        tabindex="0"
        aria-label=${text('eventList')}
        aria-activedescendant=${chosen < 0 ? nothing : `event-${chosen}`}
        @keydown=${(event: KeyboardEvent) => this.#listKey(event, offset, chosen)}
      >
        ${page.map(
          (event, at) =>
            html`<div
              role="option"
              id="event-${at}"
              aria-selected=${at === chosen}
              @click=${() => this.#choose(event)}
            >
              <span>${clock(event.at)}</span><span class="said">${safeLine(event.node, 60)}</span
              ><span class="said">${eventText(event)}</span>
            </div>`,
        )}
      </div>`;
  }

  #turn(events: number): void {
    this.offset = Math.max(0, Math.min(this.offset + events, Math.max(0, this.#shown.length - 1)));
  }

  #listKey(event: KeyboardEvent, offset: number, chosen: number): void {
    const keys: Readonly<Record<string, number>> = {
      ArrowDown: offset + chosen + 1,
      ArrowUp: chosen < 0 ? offset : offset + chosen - 1,
      Home: 0,
      End: this.#shown.length - 1,
    };
    const next = keys[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const at = Math.min(Math.max(next, 0), this.#shown.length - 1);
    const one = this.#shown[at];
    if (one === undefined) return;
    if (at < offset || at >= offset + PAGE) this.offset = Math.floor(at / PAGE) * PAGE;
    this.#choose(one);
    this.updateComplete.then(
      () => this.querySelector('[role=option][aria-selected=true]')?.scrollIntoView({ block: 'nearest' }),
      reportError,
    );
  }

  #choose(event: NodeEvent): void {
    this.chosen = nameOf(event);
    this.acts?.set({ timeCursor: event.at });
  }

  #draw(): void {
    const canvas = this.querySelector('canvas');
    const { palette, nodes, window } = this;
    if (canvas === null || palette === undefined || nodes.length === 0) return;
    const place = surface(canvas, nodes.length * TIME_LANE);
    if (place === undefined) return;
    drawTimeline(place, { nodes, events: this.#shown, window, cursor: this.ui.timeCursor, palette });
  }
}

/** The name of an event for good. */
function nameOf({ node, generation, seq }: NodeEvent): string {
  return `${node} ${generation} ${seq}`;
}
