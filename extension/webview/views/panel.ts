/**
 * The whole page: holds the conversation with the host and where the reader is, and lays out the views.
 *
 * MUST: be the only place that changes `ui`; keep between visits what `keptOf` says and nothing else.
 */
import { html, nothing, type TemplateResult } from 'lit';
import { diffLogs } from '../../../shared/log-diff.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { count } from '../../../shared/wording.ts';
import { Connection } from '../connection.ts';
import { onThemeChange, type Palette, readPalette } from '../draw/palette.ts';
import type { Host } from '../host/host.ts';
import { Announcer } from '../model/announcer.ts';
import { type MatrixRow, matrixRows } from '../model/matrix.ts';
import { timeWindow } from '../model/time.ts';
import type { PanelState } from '../store.ts';
import { text } from '../strings.ts';
import {
  type Acts,
  type Asked,
  type CellName,
  type Change,
  changed,
  keptOf,
  TABS,
  type Tab,
  type Ui,
  uiFrom,
} from '../ui.ts';
import { Charts } from './charts.ts';
import { PageElement } from './element.ts';
import { entryView } from './entry.ts';
import { explainView } from './explain.ts';
import { headerView } from './header.ts';
import { LogMatrix } from './log-matrix.ts';
import { loginView } from './login.ts';
import { nodesView } from './nodes-table.ts';
import { Timeline } from './timeline.ts';

/** The measure from the first snapshot's arrival to the frame that shows the matrix; benches read it. */
export const FIRST_PAINT = 'outrigger-first-paint';

/** Where a question and its answer are shown. */
interface Place<T> {
  show(asked: Asked<T>): void;
  /** What is shown there now. */
  shown(): Asked<T> | undefined;
  /** Where the reader is taken. */
  readonly heading: string;
}

const TAB_TEXT = { log: 'tabLog', time: 'tabTime' } as const;

export class Panel extends PageElement {
  static override properties = {
    ui: { state: true },
    palette: { state: true },
    spoken: { state: true },
    notice: { state: true },
  };
  /** Set once, before the element is put into the document. */
  host: Host | undefined;
  declare private ui: Ui;
  declare private palette: Palette | undefined;
  declare private spoken: string;
  /** The outcome of the reader's last act, '' for none. */
  declare private notice: string;
  #connection: Connection | undefined;
  #leader: string | undefined;
  #painted = false;
  #rows: { readonly of: PanelState; readonly rows: readonly MatrixRow[] } | undefined;
  readonly #announcer = new Announcer((words) => {
    this.spoken = words;
  });
  readonly #acts: Acts = {
    set: (change) => this.#set(change),
    explain: (about, id) => this.#explain(about, id),
    openEntry: (cell) => this.#openEntry(cell),
    openLog: ({ node, index }) => this.#tell(this.#connection?.request('openLog', { node, index })),
    compareWithLeader: (node) => this.#compare(node),
    say: (topic, words) => this.#announcer.say(topic, words),
    painted: () => this.#measure(),
  };

  constructor() {
    super();
    this.ui = uiFrom(undefined);
    this.palette = undefined;
    this.spoken = '';
    this.notice = '';
    for (const [name, element] of Object.entries({
      'outrigger-matrix': LogMatrix,
      'outrigger-charts': Charts,
      'outrigger-timeline': Timeline,
    })) {
      if (customElements.get(name) === undefined) customElements.define(name, element);
    }
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const { host } = this;
    if (host === undefined || this.#connection !== undefined) return;
    this.ui = uiFrom(host.getState());
    this.palette = readPalette(document);
    onThemeChange(document, () => {
      this.palette = readPalette(document);
    });
    const connection = new Connection(host, () => this.#changed());
    this.#connection = connection;
    host.login?.onChange(() => this.requestUpdate());
    // What was posted while nobody saw us may be lost.
    document.addEventListener('visibilitychange', () => !document.hidden && connection.resync());
    connection.start();
  }

  protected override render(): TemplateResult {
    const state = this.#connection?.state;
    return html`<main>
        ${loginView(this.host?.login)}
        ${this.#connection?.fault ? html`<p class="error" role="alert">${this.#connection.fault}</p>` : nothing}
        ${state === undefined ? html`<h1>Outrigger</h1><p>${text('waiting')}</p>` : this.#views(state)}
      </main>
      <div class="aloud" role="status" aria-live="polite" data-aloud>${this.spoken}</div>`;
  }

  #views(state: PanelState): TemplateResult {
    const { ui } = this;
    return html`${headerView(state.cluster, this.#acts)} ${nodesView(state.cluster, this.#acts)}
      ${explainView(ui, this.#acts)}
      <section aria-label=${text('views')}>
        <div class="row tools" role="tablist" aria-label=${text('views')} @keydown=${this.#tabKey}>
          ${TABS.map(
            (tab) =>
              html`<button
                type="button"
                role="tab"
                id="tab-${tab}"
                aria-selected=${tab === ui.tab}
                aria-controls="tabpanel"
                tabindex=${tab === ui.tab ? 0 : -1}
                @click=${() => this.#set({ tab })}
              >
                ${text(TAB_TEXT[tab])}
              </button>`,
          )}
        </div>
        <div role="tabpanel" id="tabpanel" aria-labelledby="tab-${ui.tab}">
          ${ui.tab === 'log' ? this.#logTab(state) : this.#timeTab(state)}
        </div>
      </section>`;
  }

  #logTab(state: PanelState): TemplateResult {
    return html`<outrigger-matrix
        .rows=${this.#matrixRows(state)}
        .ui=${this.ui}
        .acts=${this.#acts}
        .palette=${this.palette}
      ></outrigger-matrix>
      <p class="said" data-notice>${this.notice}</p>
      ${entryView(this.ui, this.#acts, this.host?.kind !== 'browser')}`;
  }

  #timeTab({ series, events, forgotten, cluster }: PanelState): TemplateResult {
    const window = timeWindow(events, series, this.ui.range);
    return html`<outrigger-timeline
        .nodes=${cluster.nodes.map(({ id }) => id)}
        .events=${events}
        .forgotten=${forgotten}
        .window=${window}
        .ui=${this.ui}
        .acts=${this.#acts}
        .palette=${this.palette}
      ></outrigger-timeline>
      <outrigger-charts
        .series=${series}
        .window=${window}
        .ui=${this.ui}
        .acts=${this.#acts}
        .palette=${this.palette}
      ></outrigger-charts>`;
  }

  #matrixRows(state: PanelState): readonly MatrixRow[] {
    const known = this.#rows;
    // The same cluster and terms make the same rows; moving the cursor must not cost O(runs).
    if (known !== undefined && known.of.cluster === state.cluster && known.of.terms === state.terms) {
      return known.rows;
    }
    const rows = matrixRows(state.cluster, state.terms);
    this.#rows = { of: state, rows };
    return rows;
  }

  readonly #tabKey = (event: KeyboardEvent): void => {
    const at = TABS.indexOf(this.ui.tab);
    const keys: Readonly<Record<string, Tab | undefined>> = {
      ArrowLeft: TABS[(at + TABS.length - 1) % TABS.length],
      ArrowRight: TABS[(at + 1) % TABS.length],
      Home: TABS[0],
      End: TABS.at(-1),
    };
    const tab = keys[event.key];
    if (tab === undefined) return;
    event.preventDefault();
    this.#set({ tab });
    this.#focus(`#tab-${tab}`);
  };

  #changed(): void {
    const cluster = this.#connection?.state?.cluster;
    if (cluster !== undefined) {
      const leader = `${cluster.leader} ${cluster.term}`;
      if (this.#leader !== undefined && this.#leader !== leader) {
        const words =
          cluster.leader === ''
            ? text('leaderGone')
            : text('leaderNow', safeLine(cluster.leader), count(cluster.term));
        this.#announcer.say('leader', words);
      }
      this.#leader = leader;
    }
    this.requestUpdate();
  }

  #set(change: Change): void {
    this.ui = changed(this.ui, change);
    this.host?.setState(keptOf(this.ui));
  }

  #explain(about: NonNullable<Ui['explanation']>['about'], id: string): void {
    const show = (asked: NonNullable<Ui['explanation']>['asked']) =>
      this.#set({ explanation: { about, id, asked } });
    const shown = () => this.ui.explanation?.asked;
    this.#ask(this.#connection?.request('explain', { about, id }), {
      show,
      shown,
      heading: '#explain-title',
    });
  }

  #openEntry(cell: CellName): void {
    const show = (asked: NonNullable<Ui['entry']>['asked']) => this.#set({ entry: { ...cell, asked } });
    const { node, index } = cell;
    const shown = () => this.ui.entry?.asked;
    this.#ask(this.#connection?.request('entry', { node, index }), { show, shown, heading: '#entry-title' });
  }

  /** Shows a question on its way, then its answer, and takes the reader there, unless it was closed or another one is asked meanwhile. */
  #ask<T>(answer: Promise<T> | undefined, place: Place<T>): void {
    if (answer === undefined) return;
    const asking: Asked<T> = { state: 'ASKING' };
    const come = (asked: Asked<T>): void => {
      if (place.shown() !== asking) return;
      place.show(asked);
      this.#focus(place.heading);
    };
    place.show(asking);
    answer
      .then(
        (given) => come({ state: 'ANSWERED', answer: given }),
        (error: unknown) => come({ state: 'FAILED', reason: reasonOf(error) }),
      )
      .catch(reportError);
  }

  /** Says in words where the logs part, goes there, and opens the two side by side where there is an editor. */
  #compare(node: string): void {
    const state = this.#connection?.state;
    if (state === undefined) return;
    const { leader } = state.cluster;
    const terms = (name: string) => state.terms.find((one) => one.node === name)?.terms;
    const [left, right] = [terms(leader), terms(node)];
    const names = [safeLine(leader), safeLine(node)] as const;
    if (node === leader) return this.#note(text('compareSelf', names[1]));
    if (left === undefined || right === undefined) return this.#note(text('compareUnknown', ...names));
    const diff = diffLogs(left, right);
    const keys = {
      EQUAL: 'compareEqual',
      PREFIX: 'comparePrefix',
      CONFLICT: 'compareConflict',
      UNKNOWN: 'compareUnknown',
    } as const;
    const first = diff.firstDifference;
    this.#note(text(keys[diff.relation], ...names, count(diff.agreeThrough), count(first ?? 0)));
    if (first !== null) this.#set({ cursor: { node, index: first } });
    if (this.host?.kind !== 'browser') {
      this.#tell(this.#connection?.request('compare', { left: leader, right: node }));
    }
  }

  #note(words: string): void {
    this.notice = words;
    this.#announcer.say('notice', words);
  }

  /** An act without an answer of its own: only its failure is told. */
  #tell(act: Promise<unknown> | undefined): void {
    act?.catch((error: unknown) => this.#note(text('actFailed', safeLine(reasonOf(error)))));
  }

  #focus(selector: string): void {
    this.updateComplete.then(() => this.querySelector<HTMLElement>(selector)?.focus(), reportError);
  }

  #measure(): void {
    const from = this.#connection?.receivedAt;
    if (this.#painted || from === undefined) return;
    this.#painted = true;
    // After the frame that the drawing is part of.
    requestAnimationFrame(() => setTimeout(() => performance.measure(FIRST_PAINT, { start: from })));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
