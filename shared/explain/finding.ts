/**
 * What a rule found, and how it becomes an answer: evidence items from events and from statuses.
 *
 * MUST: let text of nodes out through safe-text only. MUST be pure.
 */
import { describeEvent } from '../describe-event.ts';
import type { NodeEvent } from '../events.ts';
import { safeLine } from '../safe-text.ts';
import type { EvidenceItem, Explanation, Question } from './types.ts';

export type Finding = Omit<Explanation, 'about' | 'id'>;

/** A rule looks at its case and finds something, or leaves it to the next rule. */
export type Rule<Case> = (it: Case) => Finding | undefined;

/** The answer of the first rule that has one. */
export function firstOf<Case>(rules: readonly Rule<Case>[], it: Case): Finding | undefined {
  for (const rule of rules) {
    const finding = rule(it);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

const TEXT_CHARS = 1_000;

/** An event as evidence. */
export function seen(event: NodeEvent): EvidenceItem {
  const { node, at, seq, generation } = event;
  return { node, at, seq, generation, text: `${node}: ${describeEvent(event)}` };
}

/** Events as evidence; those that are not known are left out. */
export function allSeen(events: readonly (NodeEvent | undefined)[]): EvidenceItem[] {
  return events.flatMap((event) => (event === undefined ? [] : [seen(event)]));
}

/** A number of a status, or what asking it came to. `node`: who said it, or who was asked. */
export function said(node: string, text: string): EvidenceItem {
  return { node, text };
}

export function unknown(answer: string, next: string, evidence: readonly EvidenceItem[] = []): Finding {
  return { cause: 'UNKNOWN', certainty: 'UNKNOWN', answer, evidence, next };
}

/** At most so many items of one answer; a chain that is longer explains nothing. The first ones are kept. */
const EVIDENCE_ITEMS = 24;

export function toExplanation({ about, id }: Question, finding: Finding): Explanation {
  const line = (text: string): string => safeLine(text, TEXT_CHARS);
  return {
    ...finding,
    about,
    id,
    answer: line(finding.answer),
    next: line(finding.next),
    evidence: unique(finding.evidence)
      .slice(0, EVIDENCE_ITEMS)
      .map((item) => ({ ...item, text: line(item.text) })),
  };
}

function unique(items: readonly EvidenceItem[]): EvidenceItem[] {
  const byKey = new Map<string, EvidenceItem>();
  for (const item of items) {
    const key = JSON.stringify([item.node, item.generation, item.seq, item.text]);
    if (!byKey.has(key)) byKey.set(key, item);
  }
  return [...byKey.values()];
}
