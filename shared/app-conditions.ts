/**
 * How the app beside a sidecar stands: the four coarse states of PROTOCOL, and the condition that says exactly which.
 *
 * MUST: give every condition one state, so that those who know the states alone are never told something wrong; be stable,
 * since dashboards and tests match on the words. New conditions may be added; a reader shows those it does not know as
 * their state. MUST be pure.
 */

export const APP_STATES = ['ABSENT', 'CONNECTED', 'LAGGING', 'STALLED'] as const;
export type AppState = (typeof APP_STATES)[number];

/** Each condition and the state that it is. */
const STATE_OF = {
  /** No app is connected: none came yet, or the last one left in good order. */
  ABSENT: 'ABSENT',
  /** Its connection broke while it had entries that it had not acknowledged. */
  CRASHED: 'ABSENT',
  /** It spoke of an entry that it was not given (applied or failed beyond what was delivered), and was cut off. */
  LIED: 'ABSENT',
  /** It says that it has applied more than the log holds, and was turned away. */
  AHEAD: 'ABSENT',
  /** Its state is not the one of this log (its hash is another one), and it was turned away. */
  DIVERGED: 'ABSENT',
  /** It speaks a protocol that this sidecar does not, and was turned away. */
  INCOMPATIBLE: 'ABSENT',
  /** It came without state and is given the log from the first entry; until it has what was committed when it came. */
  RESTARTED_EMPTY: 'CONNECTED',
  /** It came with state and is given what it lacks; until it has what was committed when it came. */
  RESTARTED_WITH_STATE: 'CONNECTED',
  /** It applies what it is given. */
  HEALTHY: 'CONNECTED',
  /** It has entries and gives no sign of applying them, or falls behind what is committed. */
  LAGGING: 'LAGGING',
  /** The same for longer: it has stopped. */
  STALLED: 'STALLED',
  /** It does not read what is sent to it. */
  NOT_READING: 'STALLED',
  /** It said that it cannot apply one entry (`applyFailed`); delivery stands there. */
  FAILED: 'STALLED',
  /** The log goes on in a version of the commands that it does not know; delivery stands there until another app comes. */
  OUTDATED: 'STALLED',
  /** Another app said hello while one was connected: the newer one counts. Told of as it happens; never what an app *is*. */
  SUPERSEDED: 'CONNECTED',
} as const satisfies Record<string, AppState>;

export type AppCondition = keyof typeof STATE_OF;
export const APP_CONDITIONS = Object.keys(STATE_OF) as readonly AppCondition[];

export function stateOf(condition: AppCondition): AppState {
  return STATE_OF[condition];
}

/** What a node says its app is, where it may be of another version: `condition` may be absent, or not known here. */
export function conditionOf(app: { readonly state: AppState; readonly condition?: string }): AppCondition {
  const { state, condition = '' } = app;
  if (Object.hasOwn(STATE_OF, condition)) return condition as AppCondition;
  return state === 'CONNECTED' ? 'HEALTHY' : state;
}

/** Does this mean that something is wrong with an app? (One that is new, or catches up, is not wrong.) */
export function isTrouble(condition: AppCondition): boolean {
  return condition === 'SUPERSEDED' || stateOf(condition) !== 'CONNECTED';
}

/** In words, as they follow "its app". */
export const CONDITION_WORDS: Readonly<Record<AppCondition, string>> = {
  ABSENT: 'is not connected',
  CRASHED: 'went away in the middle of a batch',
  LIED: 'spoke of entries that it was not given',
  AHEAD: 'has applied more than the log holds',
  DIVERGED: 'has another state than this log makes',
  INCOMPATIBLE: 'speaks another protocol',
  RESTARTED_EMPTY: 'came without state and is given the log from its first entry',
  RESTARTED_WITH_STATE: 'came with state and is given what it lacks',
  HEALTHY: 'applies what it is given',
  LAGGING: 'is slow to apply what is committed',
  STALLED: 'has stopped applying',
  NOT_READING: 'does not read what is sent to it',
  FAILED: 'cannot apply an entry, and delivery stands there',
  OUTDATED: 'does not know the version of the commands that is in force',
  SUPERSEDED: 'was superseded by another one',
};
