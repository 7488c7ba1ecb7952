/**
 * Do election timeouts and heartbeats fit each other?
 *
 * MUST: be pure, and refuse what `outrigger run` refuses. Where one side is not written, the sidecar's default counts.
 */
import type { Finding } from './checks.ts';
import type { ClusterOutline, Placed } from './outline.ts';
import { TIMING_DEFAULTS } from './schema.ts';

/** A follower should miss several heartbeats before it stands for election: one lost message must not cost the leader. */
const COMFORTABLE_HEARTBEATS = 3;
/** Fewer than these the sidecar refuses. */
const LEAST_HEARTBEATS = 2;

export function timingFindings({ electionMinMs, electionMaxMs, heartbeatMs }: ClusterOutline): Finding[] {
  const min = electionMinMs?.value ?? TIMING_DEFAULTS.electionMinMs;
  const max = electionMaxMs?.value ?? TIMING_DEFAULTS.electionMaxMs;
  const heartbeat = heartbeatMs?.value ?? TIMING_DEFAULTS.heartbeatMs;
  const minText = named('electionMinMs', electionMinMs, min);
  const heartbeatText = named('heartbeatMs', heartbeatMs, heartbeat);
  const findings: Finding[] = [];
  const range = electionMaxMs ?? electionMinMs;
  if (range !== undefined && max <= min) {
    const maxText = named('electionMaxMs', electionMaxMs, max);
    const message = `${maxText} must be more than ${minText}: nodes draw their timeouts at random between the two, so that they do not all stand at once.`;
    findings.push(finding('election-range', 'ERROR', message, range));
  }
  const near = electionMinMs ?? heartbeatMs;
  if (near === undefined || min >= COMFORTABLE_HEARTBEATS * heartbeat) return findings;
  const severity = min < LEAST_HEARTBEATS * heartbeat ? 'ERROR' : 'WARNING';
  findings.push({
    ...finding(
      'election-near-heartbeat',
      severity,
      nearMessage(min, heartbeat, minText, heartbeatText),
      near,
    ),
    ...remedy(near, heartbeat, max),
  });
  return findings;
}

function nearMessage(min: number, heartbeat: number, minText: string, heartbeatText: string): string {
  if (min <= heartbeat) {
    return `${minText} must be more than ${heartbeatText}: followers would stand for election before the leader's next heartbeat.`;
  }
  if (min < LEAST_HEARTBEATS * heartbeat) {
    return `${minText} must be at least ${LEAST_HEARTBEATS} times ${heartbeatText}, or the sidecar does not start.`;
  }
  return `${minText} is less than ${COMFORTABLE_HEARTBEATS} times ${heartbeatText}: a few late heartbeats, and followers stand for election although the leader is well.`;
}

/** A shortest timeout that is comfortable, where the longest leaves room for it. */
function remedy(near: Placed<number>, heartbeat: number, max: number): Pick<Finding, 'fix'> {
  const value = COMFORTABLE_HEARTBEATS * heartbeat;
  if (value >= max || value < 50) return {};
  const path = [...near.path.slice(0, -1), 'electionMinMs'];
  return { fix: { title: `Set electionMinMs to ${value}`, path, value } };
}

function named(name: string, placed: Placed<number> | undefined, value: number): string {
  return `${name} (${value}${placed === undefined ? ', the default' : ''})`;
}

function finding(
  code: string,
  severity: Finding['severity'],
  message: string,
  { span }: Placed<number>,
): Finding {
  return { code, severity, message, span, bySchema: false };
}
