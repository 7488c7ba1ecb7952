/** Where an entry's time went, as bars of text on one axis. MUST: be pure; keep the node with each bar (their clocks differ). */
import type { Stage } from '../../../shared/explain/types.ts';
import { STAGES, type StageTimes } from '../../../shared/inspect.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { duration } from '../../../shared/wording.ts';

const BAR_CHARS = 40;
/** Bars drawn. The rest is counted. */
const MAX_BARS = 60;

/** The stages of one node as bars: each from when the stage before it was reached. */
export function stagesOf(node: string, times: StageTimes): readonly Stage[] {
  const reached = STAGES.flatMap((name) => {
    const at = times[name];
    return at === undefined ? [] : [{ name, at }];
  }).sort((a, b) => a.at - b.at);
  const start = reached[0]?.at ?? 0;
  return reached.slice(1).map(({ name, at }, i) => ({
    node,
    name: `${reached[i]?.name} → ${name}`,
    fromMs: (reached[i]?.at ?? start) - start,
    toMs: at - start,
  }));
}

function bar({ fromMs, toMs }: Stage, totalMs: number): string {
  const scale = totalMs > 0 ? BAR_CHARS / totalMs : 0;
  const start = Math.min(BAR_CHARS - 1, Math.max(0, Math.round(fromMs * scale)));
  const end = Math.min(BAR_CHARS, Math.max(start + 1, Math.round(toMs * scale)));
  return `${'·'.repeat(start)}${'█'.repeat(end - start)}${'·'.repeat(BAR_CHARS - end)}`;
}

/** One line per stage; '' for none. */
export function waterfall(stages: readonly Stage[]): string {
  const shown = stages.slice(0, MAX_BARS);
  const total = Math.max(0, ...stages.map(({ toMs }) => toMs));
  const labels = shown.map(({ node, name }) => `${safeLine(node, 64)} ${safeLine(name, 60)}`);
  const width = Math.max(0, ...labels.map((label) => label.length));
  const lines = shown.map((stage, i) => {
    const took = duration(Math.max(0, stage.toMs - stage.fromMs));
    return `${(labels[i] ?? '').padEnd(width)}  ${bar(stage, total)}  ${took}`;
  });
  if (stages.length > shown.length) lines.push(`${stages.length - shown.length} more stages are not shown`);
  return lines.join('\n');
}
