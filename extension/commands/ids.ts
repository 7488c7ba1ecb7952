/** Every command of the extension. The manifest declares exactly these (a test compares them). */
export const COMMANDS = [
  'outrigger.attach',
  'outrigger.detach',
  'outrigger.startDemoCluster',
  'outrigger.stopDemoCluster',
  'outrigger.openLog',
  'outrigger.openTail',
  'outrigger.toggleTail',
  'outrigger.compareLogs',
  'outrigger.openPanel',
  'outrigger.explainLeader',
  'outrigger.explainLag',
  'outrigger.explainEntry',
  'outrigger.explain',
  'outrigger.openUri',
  'outrigger.proposeText',
  'outrigger.transferLeadership',
  'outrigger.plantFault',
  'outrigger.endFaults',
  'outrigger.copyAddress',
  'outrigger.openPage',
  'outrigger.doctor',
  'outrigger.showOutput',
  'outrigger.showStatus',
  'outrigger.revealNode',
  'outrigger.showEvent',
  'outrigger.filterEvents',
  'outrigger.clearEventFilter',
  'outrigger.followEvents',
  'outrigger.pauseEvents',
  'outrigger.closeEvidence',
] as const;

export type CommandId = (typeof COMMANDS)[number];

/** Context keys that the code sets and the manifest's `when` clauses may name. */
export const CONTEXT_KEYS = {
  /** A cluster is attached. */
  attached: 'outrigger.attached',
  /** STOPPED, STARTING, RUNNING or STOPPING. */
  demo: 'outrigger.demo',
  eventsFiltered: 'outrigger.eventsFiltered',
  eventsPaused: 'outrigger.eventsPaused',
  evidence: 'outrigger.evidence',
} as const;
