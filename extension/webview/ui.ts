/**
 * Where the reader is, and what they may do. The panel holds it; the views show it and call the acts.
 *
 * MUST: be plain data apart from the acts. What is kept between visits (`keptOf`) is zoom, cursor and tab only.
 */
import type { About, Explanation } from '../../shared/explain/types.ts';
import type { EntryDetails } from '../../shared/panel-protocol.ts';
import { type Guard, isIndex, isText, oneOf, optional, shape } from './guards.ts';
import type { View } from './model/geometry.ts';
import type { EventFilter, Range } from './model/time.ts';

export const TABS = ['log', 'time'] as const;
export type Tab = (typeof TABS)[number];

/** CUSTOM: `view` says what is in view. The others follow the log. */
export type ViewMode = 'UNSETTLED' | 'WHOLE' | 'CUSTOM';

export interface CellName {
  readonly node: string;
  readonly index: number;
}

/** A question on its way, its answer, or why there is none. */
export type Asked<T> =
  | { readonly state: 'ASKING' }
  | { readonly state: 'ANSWERED'; readonly answer: T }
  | { readonly state: 'FAILED'; readonly reason: string };

export interface Ui {
  readonly tab: Tab;
  readonly mode: ViewMode;
  readonly view?: View;
  readonly cursor?: CellName;
  readonly matrixTable: boolean;
  readonly chartTable: boolean;
  readonly lagKind: 'replicated' | 'applied';
  readonly range: Range;
  readonly filter: EventFilter;
  /** Wall clock ms; absent: now. */
  readonly timeCursor?: number;
  readonly explanation?: { readonly about: About; readonly id: string; readonly asked: Asked<Explanation> };
  readonly entry?: CellName & { readonly asked: Asked<EntryDetails> };
}

export const FIRST_UI: Ui = {
  tab: 'log',
  mode: 'UNSETTLED',
  matrixTable: false,
  chartTable: false,
  lagKind: 'replicated',
  range: 60_000,
  filter: { kind: '', node: '' },
};

/** What to change; `undefined` takes away what may be absent. */
export type Change = { readonly [K in keyof Ui]?: Ui[K] | undefined };

/** `ui` with the change made. */
export function changed(ui: Ui, change: Change): Ui {
  const { view, cursor, timeCursor, explanation, entry, ...always } = { ...ui, ...change };
  return {
    tab: always.tab ?? ui.tab,
    mode: always.mode ?? ui.mode,
    matrixTable: always.matrixTable ?? ui.matrixTable,
    chartTable: always.chartTable ?? ui.chartTable,
    lagKind: always.lagKind ?? ui.lagKind,
    range: always.range ?? ui.range,
    filter: always.filter ?? ui.filter,
    ...(view === undefined ? {} : { view }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(timeCursor === undefined ? {} : { timeCursor }),
    ...(explanation === undefined ? {} : { explanation }),
    ...(entry === undefined ? {} : { entry }),
  };
}

export interface Acts {
  /** Changes what the reader sees. */
  set(change: Change): void;
  explain(about: About, id: string): void;
  openEntry(cell: CellName): void;
  openLog(cell: CellName): void;
  compareWithLeader(node: string): void;
  /** Says it aloud; see announcer.ts. */
  say(topic: string, words: string): void;
  /** The matrix was painted. */
  painted(): void;
}

interface Kept {
  readonly tab: Tab;
  readonly mode: ViewMode;
  readonly view?: View;
  readonly cursor?: CellName;
}

const isKept: Guard<Kept> = shape<Kept>({
  tab: oneOf(TABS),
  mode: oneOf(['UNSETTLED', 'WHOLE', 'CUSTOM']),
  view: optional(shape<View>({ from: isIndex, span: isIndex })),
  cursor: optional(shape<CellName>({ node: isText, index: isIndex })),
});

export function keptOf({ tab, mode, view, cursor }: Ui): Kept {
  return { tab, mode, ...(view === undefined ? {} : { view }), ...(cursor === undefined ? {} : { cursor }) };
}

/** The first state, with what was kept where that can be read. */
export function uiFrom(kept: unknown): Ui {
  return isKept(kept) ? { ...FIRST_UI, ...keptOf({ ...FIRST_UI, ...kept }) } : FIRST_UI;
}
