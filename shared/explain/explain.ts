/**
 * Chooses the rules for a question. See `types.ts` for what goes in and comes out.
 *
 * MUST: answer whatever it is given, the same for the same evidence; never throw. MUST be pure.
 */
import { explainEntry } from './entry.ts';
import { type Finding, toExplanation } from './finding.ts';
import { explainLag } from './lag.ts';
import { explainLeader } from './leader.ts';
import { explainMember } from './member.ts';
import { withPlanted } from './planted.ts';
import type { Evidence, Explanation, Question } from './types.ts';

export function explain(question: Question, evidence: Evidence): Explanation {
  return toExplanation(question, withPlanted(find(question, evidence), evidence));
}

function find({ about, id }: Question, evidence: Evidence): Finding {
  switch (about) {
    case 'leader':
      return explainLeader(evidence);
    case 'lag':
      return explainLag(evidence, id);
    case 'entry':
      return explainEntry(evidence, id);
    case 'member':
      return explainMember(evidence, id);
  }
}
