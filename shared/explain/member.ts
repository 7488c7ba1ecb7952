/**
 * How is a member, and why?
 *
 * MUST: tell of what concerns it most first: that it is not heard, then its disk, its log, its app, its lag. MUST be pure.
 */
import { duration } from '../wording.ts';
import { appTrouble } from './app.ts';
import { explainContact, type Subject, subjectOf } from './contact.ts';
import { type Finding, firstOf, type Rule, said, unknown } from './finding.ts';
import { lagOf, trails } from './lag.ts';
import { diskFull, logUnproven, slowDisk } from './local.ts';
import { reachText } from './reach.ts';
import type { Evidence, EvidenceItem } from './types.ts';

export function explainMember(evidence: Evidence, id: string): Finding {
  const it = subjectOf(evidence, id);
  return firstOf(RULES, it) ?? unknownMember(it);
}

const RULES: readonly Rule<Subject>[] = [
  explainContact,
  diskFull,
  logUnproven,
  appTrouble,
  (it) => (trails(it) ? lagOf(it) : undefined),
  (it) => slowDisk(it, false),
  healthy,
];

function healthy({ id, status, progress, leader }: Subject): Finding | undefined {
  if (status === undefined && progress === undefined) return undefined;
  const evidence: EvidenceItem[] = [];
  if (status !== undefined) {
    const { role, term, commitIndex, appliedIndex, app } = status;
    evidence.push(
      said(
        id,
        `${id} is ${role} in term ${term}, committed ${commitIndex}, applied ${appliedIndex}, app ${app.state}`,
      ),
    );
  }
  if (progress !== undefined && leader !== undefined) {
    const { lagEntries, lastContactMs } = progress;
    const contact = lastContactMs === null ? '' : `, heard ${duration(lastContactMs)} ago`;
    evidence.push(
      said(leader.node, `the leader ${leader.node} sees it ${lagEntries} entries behind${contact}`),
    );
  }
  return {
    cause: 'HEALTHY',
    certainty: status === undefined ? 'LIKELY' : 'CERTAIN',
    answer: `${id} is healthy: it ${status?.role === 'LEADER' ? 'leads' : 'follows'}, its disk writes in time, and its app keeps up.`,
    evidence,
    next: '',
  };
}

function unknownMember({ id, node, reach }: Subject): Finding {
  if (node === undefined)
    return unknown(
      id === '' ? 'No member was named.' : `No member named ${id} is known.`,
      'See the members of the cluster.',
    );
  return unknown(`How ${id} is, is not known.`, `Attach to ${id} or to the leader.`, [
    said(node.node, reachText(node, reach)),
  ]);
}
