/**
 * One entry in full, as a page and as a hover.
 *
 * MUST: be pure; show payloads as letters only (fenced), and say of each node where the entry is there.
 */
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import type { Explanation } from '../../../shared/explain/types.ts';
import type { LogEntryView } from '../../../shared/inspect.ts';
import { safeFence, safeMarkdown } from '../../../shared/safe-text.ts';
import { entryUri, lineUri } from './addresses.ts';
import { waterfallSection } from './explain-page.ts';
import { link, page, table } from './markdown.ts';
import { type FullReading, PAYLOAD_LIMITS } from './payload.ts';
import { isoTime, sessionText } from './render.ts';
import { type Facts, type Place, placesOf, type Standing } from './standing.ts';
import { formatUri } from './uris.ts';
import { stagesOf, waterfall } from './waterfall.ts';
import { standingText } from './words.ts';

export interface EntryInFull {
  readonly facts: Facts;
  readonly node: string;
  readonly entry: LogEntryView;
  readonly reading: FullReading;
  readonly standing: Standing;
  /** What the explain rules say of it, or one sentence why they could not be asked; undefined: not asked. */
  readonly explained: Explanation | string | undefined;
}

function entryLink(node: string, index: number, target: string): string {
  // Names come from peers: what is no name is shown, and leads nowhere.
  return NAME_PATTERN.test(node) ? `[${node}@${index}](${target})` : safeMarkdown(`${node}@${index}`);
}

const PLACE_WORDS: Readonly<Record<Place['has'], string>> = {
  SAME: 'this entry',
  OTHER: 'another entry',
  NOT_YET: 'not there yet',
  COMPACTED: 'in its snapshot',
  UNKNOWN: 'not known',
};

function yesNo(value: boolean | undefined): string {
  return value === undefined ? 'not known' : value ? 'yes' : 'no';
}

function placeTable(input: EntryInFull, target: (node: string) => string): string {
  const { facts, entry } = input;
  const places = placesOf(facts, entry.index, entry.term);
  if (places.length === 0) return '';
  const rows = places.map((place) => [
    entryLink(place.node, entry.index, target(place.node)),
    place.isLeader ? 'leader' : '',
    place.has === 'OTHER' ? `another entry, of term ${place.term}` : PLACE_WORDS[place.has],
    yesNo(place.committed),
    yesNo(place.applied),
  ]);
  return table(['node', '', 'in its log', 'known there as committed', 'applied there'], rows);
}

function facts(entry: LogEntryView): string {
  return [
    `term ${entry.term}`,
    safeMarkdown(entry.kind, 40),
    isoTime(entry.time),
    `${entry.size} bytes`,
    ...(entry.session === null ? [] : [`session and sequence ${sessionText(entry)}`]),
  ].join(' · ');
}

function payload(input: EntryInFull, maxChars: number): string {
  const { entry, reading } = input;
  if (entry.size === 0) return 'The payload is empty.';
  const guess = reading.guess ? ' (a guess: the bytes fit it)' : '';
  const cut = entry.size > PAYLOAD_LIMITS.fullBytes ? `, its first ${PAYLOAD_LIMITS.fullBytes} bytes` : '';
  return `Payload, read as ${safeMarkdown(reading.decoder, 64)}${guess}${cut}:\n\n${safeFence(reading.text, maxChars)}`;
}

/** Why the decoders that were tried and not taken were not; '' for none. */
function otherReadings({ entry, reading }: EntryInFull): string {
  const refused = reading.attempts.filter(({ ok }) => !ok);
  if (entry.size === 0 || refused.length === 0) return '';
  const whys = refused.map(({ decoder, why }) => `${safeMarkdown(decoder, 64)}: ${safeMarkdown(why, 300)}`);
  return `Not read as\n\n${whys.map((why) => `- ${why}`).join('\n')}`;
}

function explainedText({ explained }: EntryInFull): string {
  if (explained === undefined) return '';
  return safeMarkdown(typeof explained === 'string' ? explained : explained.answer);
}

/** The whole page `entry-N.md`. */
export function entryPage(input: EntryInFull): string {
  const { entry, node, standing, explained } = input;
  const { cluster } = input.facts;
  const told = typeof explained === 'object' ? (explained.stages ?? []) : [];
  const stages = told.length > 0 ? told : stagesOf(node, entry.stages ?? {});
  return page(
    `# Entry ${entry.index} of ${safeMarkdown(node, 64)} in ${safeMarkdown(cluster, 64)}`,
    facts(entry),
    `${safeMarkdown(standingText(standing, entry))}.`,
    explainedText(input),
    `## Payload\n\n${payload(input, PAYLOAD_LIMITS.pageChars)}`,
    otherReadings(input),
    `## On the nodes\n\n${placeTable(input, (other) => entryUri(cluster, other, entry.index))}`,
    waterfallSection('Where its time went', waterfall(stages)),
    [
      link('In the log', lineUri(input.facts, node, entry.index)),
      link(
        'What became of it',
        formatUri({ kind: 'EXPLAIN', cluster, about: 'entry', id: String(entry.index) }),
      ),
    ].join(' · '),
    `Chain hash: ${safeMarkdown(entry.hash, 80)}`,
  );
}

/** What the hover over its line shows. */
export function entryHover(input: EntryInFull): string {
  const { entry, node, standing } = input;
  return page(
    `**${safeMarkdown(node, 64)}@${entry.index}** · ${facts(entry)}`,
    `${safeMarkdown(standingText(standing, entry))}.`,
    explainedText(input),
    payload(input, PAYLOAD_LIMITS.hoverChars),
    otherReadings(input),
    placeTable(input, (other) => lineUri(input.facts, other, entry.index)),
    link('Entry in full', entryUri(input.facts.cluster, node, entry.index)),
  );
}
