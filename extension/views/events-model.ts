/**
 * The *Events* view as plain data: the evidence of the last explanation, the newest events, older ones below.
 *
 * MUST: be pure; give every item an id that stays; say what was left out.
 */

import { describeEvent } from '../../shared/describe-event.ts';
import type { EvidenceItem, Explanation } from '../../shared/explain/types.ts';
import { safeLine } from '../../shared/safe-text.ts';
import { clock, plural } from '../../shared/wording.ts';
import { type ClusterEvent, EVENT_LIMITS, type EventList, eventKey } from './event-list.ts';
import { eventFields, eventIcon } from './event-text.ts';

export interface EventModel {
  readonly id: string;
  readonly kind: 'event' | 'field' | 'older' | 'evidence' | 'proof';
  readonly cluster: string;
  /** '' where it is of no node. */
  readonly node: string;
  readonly label: string;
  readonly description: string;
  readonly icon: string;
  /** Id of the event that it points at, '' for none. */
  readonly pointsAt: string;
  readonly children: () => readonly EventModel[];
}

export interface GivenExplanation {
  readonly cluster: string;
  readonly explanation: Explanation;
}

const NONE = (): readonly EventModel[] => [];

/** `several`: are events of more than one cluster shown? */
export function eventsModel(
  list: EventList,
  given: GivenExplanation | undefined,
  several: boolean,
): readonly EventModel[] {
  const shown = list.shown();
  const newest = shown.slice(0, EVENT_LIMITS.drawn).map((item) => eventItem(item, several));
  const older = shown.slice(EVENT_LIMITS.drawn);
  return [
    ...(given === undefined ? [] : [evidenceItem(given)]),
    ...newest,
    ...(older.length === 0 ? [] : [olderItem(older, list.forgotten, several)]),
  ];
}

/** `n2  leads term 7: a quorum voted for it`, and beside it the time. */
export function eventItem(item: ClusterEvent, several: boolean): EventModel {
  const { cluster, event } = item;
  const id = eventKey(item);
  const from = several ? `${safeLine(cluster)}/` : '';
  return {
    id,
    kind: 'event',
    cluster,
    node: event.node,
    label: `${from}${safeLine(event.node)}  ${describeEvent(event)}`,
    description: `t${event.term} · ${clock(event.at)}`,
    icon: eventIcon(event),
    pointsAt: '',
    children: () =>
      eventFields(event).map(([name, value]) => ({
        id: `${id}/${name}`,
        kind: 'field',
        cluster,
        node: event.node,
        label: name,
        description: value,
        icon: '',
        pointsAt: '',
        children: NONE,
      })),
  };
}

function olderItem(older: readonly ClusterEvent[], forgotten: number, several: boolean): EventModel {
  return {
    id: 'older',
    kind: 'older',
    cluster: '',
    node: '',
    label: `${plural(older.length, 'older event')}`,
    description: forgotten === 0 ? '' : `${plural(forgotten, 'event')} before them forgotten`,
    icon: 'history',
    pointsAt: '',
    children: () => older.map((item) => eventItem(item, several)),
  };
}

function evidenceItem({ cluster, explanation }: GivenExplanation): EventModel {
  const { cause, certainty, about, id } = explanation;
  const key = `evidence:${cluster}/${about}/${id}`;
  return {
    id: key,
    kind: 'evidence',
    cluster,
    node: '',
    label: safeLine(explanation.answer, 300),
    description: `${cause} · ${certainty.toLowerCase()}`,
    icon: 'lightbulb',
    pointsAt: '',
    children: () => explanation.evidence.map((proof, at) => proofItem(cluster, `${key}/${at}`, proof)),
  };
}

function proofItem(cluster: string, id: string, proof: EvidenceItem): EventModel {
  const isEvent = proof.seq !== undefined && proof.generation !== undefined;
  return {
    id,
    kind: 'proof',
    cluster,
    node: proof.node,
    // The sentence names its node already, as a rule.
    label: safeLine(proof.text.startsWith(proof.node) ? proof.text : `${proof.node}: ${proof.text}`, 300),
    description: proof.at === undefined ? 'status' : clock(proof.at),
    icon: isEvent ? 'link' : 'note',
    pointsAt: isEvent ? `event:${cluster}/${proof.node}/${proof.generation}-${proof.seq}` : '',
    children: NONE,
  };
}
