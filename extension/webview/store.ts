/**
 * What the page knows of the cluster: one snapshot, and the deltas since.
 *
 * MUST: be pure; take only the delta that continues what is held, and ask for a snapshot where one is missing; stay
 * within PANEL_LIMITS, counting what was forgotten.
 */
import type { NodeEvent } from '../../shared/events.ts';
import { PANEL_LIMITS, type PanelDelta, type PanelSnapshot } from '../../shared/panel-protocol.ts';

/** What the last snapshot and the deltas since make together. Events are in order of arrival: sorting by time is for views. */
export type PanelState = Omit<PanelSnapshot, 'type'>;

export interface Step {
  readonly state: PanelState | undefined;
  /** True: what came does not continue what is held; ask for a snapshot. */
  readonly resync: boolean;
}

/** `state` undefined: nothing came yet. */
export function advance(state: PanelState | undefined, message: PanelSnapshot | PanelDelta): Step {
  if (message.type === 'snapshot') {
    const { generation, sequence, cluster, terms, series } = message;
    return {
      state: { generation, sequence, cluster, terms, series, ...newest(message.events, message.forgotten) },
      resync: false,
    };
  }
  if (
    state === undefined ||
    message.generation !== state.generation ||
    message.sequence !== state.sequence + 1
  ) {
    // What is held stays on view until the snapshot comes: old and whole is better than new and torn.
    return { state, resync: true };
  }
  const events =
    message.events === undefined
      ? { events: state.events, forgotten: state.forgotten }
      : newest([...state.events, ...message.events], state.forgotten);
  const series =
    message.points === undefined
      ? state.series
      : {
          nodes: state.series.nodes,
          points: [...state.series.points, ...message.points].slice(-PANEL_LIMITS.points),
        };
  return {
    state: {
      generation: state.generation,
      sequence: message.sequence,
      cluster: message.cluster ?? state.cluster,
      terms: message.terms ?? state.terms,
      ...events,
      series,
    },
    resync: false,
  };
}

/** The newest events, as many as are kept. */
export function newest(
  events: readonly NodeEvent[],
  forgotten: number,
): { events: readonly NodeEvent[]; forgotten: number } {
  const over = Math.max(0, events.length - PANEL_LIMITS.events);
  return { events: over === 0 ? events : events.slice(over), forgotten: forgotten + over };
}
