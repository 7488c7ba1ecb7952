/** A node and a gateway at some moment, with one of everything that has labels, so that every metric shows its own. */
import type { GatewaySample } from '../../sidecar/record/gateway-metrics.ts';
import type { Sample } from '../../sidecar/record/metrics.ts';

export const nodeSample: Sample = {
  role: 'LEADER',
  isLeader: true,
  term: 1,
  commitIndex: 1,
  appliedIndex: 1,
  deliveredIndex: 1,
  durableIndex: 1,
  lastIndex: 1,
  storeQueueBytes: 0,
  storeOldestWriteMs: 0,
  appState: 'CONNECTED',
  appCondition: 'HEALTHY',
  appFit: true,
  appVersion: 0,
  appKnows: 0,
  appsDiffer: 0,
  appsEqualAt: 0,
  appIncidents: new Map([['CRASHED', 1]]),
  peers: [{ id: 'n2', matchLagEntries: 0, droppedMessages: 0, queueBytes: 0 }],
  sessions: 0,
  sessionCommandsHeld: 0,
  sessionReplyBytes: 0,
  snapshots: {
    ...{ index: 1, bytes: 1, logBytes: 1, taken: 1, failed: 0, installed: 0, sentBytes: 0, receivedBytes: 0 },
  },
  certificates: [{ use: 'PEERS', seconds: 1 }],
};

export const gatewaySample: GatewaySample = {
  clients: 0,
  open: 0,
  waiting: 0,
  commandBytes: 0,
  outputBytes: 0,
  pressure: 'OK',
  term: 1,
  leader: 'n1',
  retries: 0,
  detours: 0,
  shed: 0,
  replicas: [{ id: 'n1', state: 'OPEN', inFlight: 0, window: 64, backlogBytes: 0 }],
};
