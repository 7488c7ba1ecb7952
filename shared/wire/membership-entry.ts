/**
 * What a CONFIG entry carries: who votes, who learns, and where they are. As JSON, so that whoever looks into the log can read it,
 * and the consensus core needs no library for it.
 *
 * MUST: say of a membership everything that a node must know to be part of it; refuse bytes that are none, since a node that
 * cannot read its membership must not guess.
 */
import type { MemberInfo, Membership } from '../entry.ts';
import { LIMITS } from '../limits.ts';

export function encodeMembership({ voters, outgoing, learners, book = [] }: Membership): Uint8Array {
  const members = book.map(({ id, peer, promote, replaces, priority, disk }) => ({
    ...{ id, peer },
    ...(promote === true ? { promote } : {}),
    ...(replaces === undefined ? {} : { replaces }),
    ...(priority === undefined ? {} : { priority }),
    ...(disk === undefined ? {} : { disk }),
  }));
  return new TextEncoder().encode(JSON.stringify({ voters, outgoing, learners, members }));
}

/** Throws RangeError for bytes that are no membership. */
export function decodeMembership(bytes: Uint8Array): Membership {
  const { voters, outgoing, learners, members } = parsed(bytes);
  const sets = { voters: ids(voters), outgoing: ids(outgoing), learners: ids(learners) };
  if (sets.voters.length === 0) throw new RangeError('a membership has no voter');
  if (!Array.isArray(members) || members.length > LIMITS.members)
    throw new RangeError(`a membership has more than ${LIMITS.members} members`);
  return { ...sets, book: members.map(memberOf) };
}

function parsed(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch (error) {
    throw new RangeError('a membership cannot be read', { cause: error });
  }
  throw new RangeError('a membership cannot be read');
}

function ids(value: unknown): readonly string[] {
  const are = Array.isArray(value) && value.every((id) => typeof id === 'string' && id !== '');
  if (!are) throw new RangeError('a membership has no list of ids');
  if (new Set(value).size < value.length || value.length > LIMITS.members)
    throw new RangeError(`a membership names somebody twice, or more than ${LIMITS.members}`);
  return value;
}

function memberOf(value: unknown): MemberInfo {
  const { id, peer, promote, replaces, priority, disk } = { ...(value as Record<string, unknown>) };
  if (typeof id !== 'string' || typeof peer !== 'string')
    throw new RangeError('a member has no id or no address');
  return {
    ...{ id, peer },
    ...(promote === true ? { promote } : {}),
    ...(typeof replaces === 'string' ? { replaces } : {}),
    ...(Number.isSafeInteger(priority) ? { priority: priority as number } : {}),
    ...(typeof disk === 'string' ? { disk } : {}),
  };
}
