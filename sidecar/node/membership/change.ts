/**
 * What an operator may ask of a membership, and which membership that makes. Pure.
 *
 * MUST: refuse with one sentence what makes no sense, or would leave nobody to vote.
 */
import type { MemberInfo, Membership } from '../../../shared/entry.ts';
import { LIMITS } from '../../../shared/limits.ts';
import type { MemberChange } from '../../../shared/messages.ts';

/** The membership after the change; a sentence where it cannot be. */
export function planChange(now: Membership, change: MemberChange): Membership | string {
  switch (change.act) {
    case 'ADD':
      return add(now, change);
    case 'REMOVE':
      return remove(now, change.id);
    case 'PROMOTE':
      return promote(now, change.id);
    case 'UPDATE':
      return update(now, change);
  }
}

function isMember({ voters, learners }: Membership, id: string): boolean {
  return voters.includes(id) || learners.includes(id);
}

function add(now: Membership, { id, peer, learner, replaces, priority }: MemberChange): Membership | string {
  const book = now.book ?? [];
  if (isMember(now, id)) return `${id} is a member already`;
  if (now.voters.length + now.learners.length >= LIMITS.members)
    return `a cluster has at most ${LIMITS.members} members`;
  const other = book.find((member) => member.peer === peer && isMember(now, member.id));
  if (other !== undefined && other.id !== replaces) return `${other.id} has the address ${peer}`;
  if (replaces !== '' && !now.voters.includes(replaces)) return `${replaces} is no voter of this cluster`;
  const info: MemberInfo = {
    ...{ id, peer },
    ...(learner ? {} : { promote: true }),
    ...(replaces === '' ? {} : { replaces }),
    ...(priority === 0 ? {} : { priority }),
  };
  return {
    ...{ voters: now.voters, outgoing: [] },
    learners: [...now.learners, id],
    book: [...book.filter((member) => member.id !== id), info],
  };
}

function remove(now: Membership, id: string): Membership | string {
  if (!isMember(now, id)) return `${id} is not a member of this cluster`;
  const voters = now.voters.filter((other) => other !== id);
  if (voters.length === 0) return `${id} is the only voter: add another one before`;
  return {
    ...{ voters, outgoing: [] },
    learners: now.learners.filter((other) => other !== id),
    book: (now.book ?? []).filter((member) => member.id !== id),
  };
}

function promote(now: Membership, id: string): Membership | string {
  if (!now.learners.includes(id))
    return now.voters.includes(id) ? `${id} votes already` : `${id} is not a member of this cluster`;
  const book = now.book ?? [];
  const replaces = book.find((member) => member.id === id)?.replaces ?? '';
  return {
    voters: [...now.voters.filter((other) => other !== replaces), id],
    outgoing: [],
    learners: now.learners.filter((other) => other !== id),
    book: book
      .filter((member) => member.id !== replaces)
      .map((member) => (member.id === id ? plain(member) : member)),
  };
}

function plain({ promote: _, replaces: __, ...rest }: MemberInfo): MemberInfo {
  return rest;
}

/** The membership that names the disk of that member. */
export function nameDisk(now: Membership, id: string, disk: string): Membership {
  const book = (now.book ?? []).map((member) => (member.id === id ? { ...member, disk } : member));
  return { ...now, outgoing: [], book };
}

function update(now: Membership, { id, peer, priority, replaces }: MemberChange): Membership | string {
  if (!isMember(now, id)) return `${id} is not a member of this cluster`;
  if (replaces !== '' && now.voters.includes(id))
    return `${id} votes already: it can take nobody's place; remove ${replaces} instead`;
  if (replaces !== '' && !now.voters.includes(replaces)) return `${replaces} is no voter of this cluster`;
  const book = now.book ?? [];
  const before = book.find((member) => member.id === id) ?? { id, peer };
  const { priority: _, ...rest } = before;
  const after: MemberInfo = {
    ...rest,
    ...(peer === '' ? {} : { peer }),
    ...(priority === 0 ? {} : { priority }),
    ...(replaces === '' ? {} : { promote: true, replaces }),
  };
  return { ...now, outgoing: [], book: [...book.filter((member) => member.id !== id), after] };
}
