/**
 * One line of plain English for everything the consensus core says and holds: entries, messages, effects, nodes.
 *
 * MUST: be pure and total; print the same text for the same value, since transcripts compare it and people learn it.
 * An entry is written `index@term`: `7@3` is the entry at index 7, made in term 3; `0@0` is the empty log.
 */
import { type Entry, EntryKind, entryKindName, type Membership } from '../../shared/entry.ts';
import type { RaftMessage } from '../../shared/messages.ts';
import type { Progress } from './progress.ts';
import type { Raft } from './raft.ts';
import type { Effect, NoteEffect, PersistEffect } from './types.ts';

/** Longer commands are shown by their size. */
const COMMAND_SHOWN_MAX = 24;
/** Longer lists of entries are shown by their first and last. */
const ENTRIES_SHOWN_MAX = 6;

function position(index: number, term: number | undefined): string {
  return `${index}@${term ?? '?'}`;
}

function describeCommand(command: Uint8Array): string {
  const printable =
    command.length <= COMMAND_SHOWN_MAX && command.every((byte) => byte >= 0x20 && byte < 0x7f);
  return printable ? JSON.stringify(String.fromCharCode(...command)) : `<${command.length} bytes>`;
}

export function describeEntry(entry: Entry): string {
  const what = entry.kind === EntryKind.COMMAND ? describeCommand(entry.command) : entryKindName(entry.kind);
  return `${position(entry.index, entry.term)} ${what}`;
}

export function describeEntries(entries: readonly Entry[]): string {
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return 'none';
  if (entries.length <= ENTRIES_SHOWN_MAX) return entries.map(describeEntry).join(', ');
  return `${describeEntry(first)} … ${describeEntry(last)} (${entries.length} entries)`;
}

function describeBody(m: RaftMessage): string {
  switch (m.type) {
    case 'VoteRequest': {
      const name = m.preVote ? 'PreVoteRequest' : 'VoteRequest';
      return `${name} term=${m.term} log=${position(m.lastIndex, m.lastTerm)}${m.transfer ? ' transfer' : ''}`;
    }
    case 'VoteReply':
      return `${m.preVote ? 'PreVoteReply' : 'VoteReply'} term=${m.term} ${m.granted ? 'granted' : `refused: ${m.reason}`}`;
    case 'Append': {
      const prev = position(m.prevIndex, m.prevTerm);
      return `Append term=${m.term} prev=${prev} entries=[${m.entries.length === 0 ? '' : describeEntries(m.entries)}] commit=${m.commit} round=${m.round}`;
    }
    case 'AppendReply': {
      const hint = position(m.hintIndex, m.hintTerm);
      const answer = m.ok ? `matched=${m.index}` : `refused prev=${m.index} hint=${hint}`;
      return `AppendReply term=${m.term} ${answer} round=${m.round}`;
    }
    case 'Heartbeat':
      return `Heartbeat term=${m.term} commit=${m.commit} round=${m.round}${m.durable === 0 ? '' : ` durable=${m.durable}`}${m.nobodyElse ? ' nobody-else' : ''}`;
    case 'HeartbeatReply':
      return `HeartbeatReply term=${m.term} commit=${m.commit} round=${m.round}${m.unfit ? ' unfit' : ''}${m.promiseMs === 0 ? '' : ` promise=${m.promiseMs} clock=${m.clockMs}`}`;
    case 'TimeoutNow':
      return `TimeoutNow term=${m.term}`;
    case 'SnapshotOffer':
      return `SnapshotOffer term=${m.term} last=${position(m.lastIndex, m.lastTerm)}`;
    case 'SnapshotReply':
      return `SnapshotReply term=${m.term} last=${m.lastIndex}`;
  }
}

/** `n1→n2 Heartbeat term=1 commit=4 round=2` */
export function describeMessage(m: RaftMessage): string {
  return `${m.from}→${m.to} ${describeBody(m)}`;
}

function describePersist(e: PersistEffect): string {
  const parts: string[] = [];
  if (e.hardState !== undefined) parts.push(`term=${e.hardState.term} vote=${e.hardState.vote || 'none'}`);
  if (e.reset !== undefined) parts.push(`begin anew after ${position(e.reset.index, e.reset.term)}`);
  if (e.truncateFrom !== undefined) parts.push(`truncate from ${e.truncateFrom}`);
  if (e.entries.length > 0) parts.push(`append [${describeEntries(e.entries)}]`);
  return `write #${e.sequence}: ${parts.join(', ')}`;
}

/** `n1 n2 n3`, `n1 n2 n3 (from n1 n2), learns n4` */
export function describeMembership({ voters, outgoing, learners }: Membership): string {
  const from = outgoing.length === 0 ? '' : ` (from ${outgoing.join(' ')})`;
  return `${voters.join(' ')}${from}${learners.length === 0 ? '' : `, learns ${learners.join(' ')}`}`;
}

/** What a node does, without its name: `→n2 Heartbeat …`, `write #3: …`, `commits 4`. */
export function describeEffect(e: Effect): string {
  switch (e.type) {
    case 'persist':
      return describePersist(e);
    case 'send':
      return `→${e.message.to} ${describeBody(e.message)}`;
    case 'fetch':
      return `fetches from ${e.from} through ${e.through} for ${e.to}, at most ${e.maxBytes} bytes`;
    case 'commit':
      return `commits ${e.index}`;
    case 'role':
      return `is ${e.role} in term ${e.term}, leader ${e.leader || 'unknown'}: ${e.cause}`;
    case 'proposed':
      return `proposal p${e.ref} is in the log at ${position(e.firstIndex, e.term)}`;
    case 'proposalRefused':
      return `proposal p${e.ref} refused: ${e.reason}`;
    case 'readReady':
      return `read r${e.ref} ready at index ${e.index}`;
    case 'readRefused':
      return `read r${e.ref} refused: ${e.reason}`;
    case 'transferFailed':
      return `gives up the transfer to ${e.to || 'anybody'}`;
    case 'changeRefused':
      return `change c${e.ref} refused: ${e.reason}`;
    case 'membership':
      return `has the membership of ${e.index}: ${describeMembership(e.membership)}`;
    case 'compact':
      return `needs no entries through ${position(e.point.index, e.point.term)} any more`;
    case 'snapshotWanted':
      return `has no snapshot to offer to ${e.by}`;
    case 'fetchSnapshot':
      return `fetches the snapshot ${position(e.index, e.term)} from ${e.from}`;
    case 'installed':
      return `begins after the snapshot ${position(e.point.index, e.point.term)}, its log ended at ${e.dropped}`;
    case 'whole':
      return 'has proven its log: it may vote';
    case 'note':
      return describeNote(e);
  }
}

function describeNote(e: NoteEffect): string {
  switch (e.about) {
    case 'VOTE_GIVEN':
    case 'VOTE_RECEIVED': {
      const answer = e.granted ? 'granted' : `refused: ${e.reason}`;
      const who = e.about === 'VOTE_GIVEN' ? `given to ${e.peer}` : `received from ${e.peer}`;
      return `notes a ${e.preVote ? 'pre-vote' : 'vote'} for term ${e.term} ${who}: ${answer}`;
    }
    case 'CONTACT_LOST':
      return `notes that ${e.peer} has been silent for ${e.ms} ms`;
    case 'CONTACT_REGAINED':
      return `notes that ${e.peer} answers again after ${e.ms} ms`;
    case 'APPEND_REJECTED':
      return `notes an append after ${e.index} that was rejected, ${e.peer}, hint ${e.hint}: ${e.cause}`;
    case 'TRUNCATED':
      return `notes that ${e.first} through ${e.last} of term ${e.oldTerm} were dropped for ${e.peer}`;
    case 'SNAPSHOT_OUTRUN':
      return `notes that ${e.peer} took the snapshot of ${e.index}, and the log begins at ${e.first} now`;
    case 'TRANSFER_STARTED':
      return `notes that it hands over to ${e.peer}: ${e.cause}`;
    case 'CAMPAIGN_POSTPONED':
      return `notes that it does not hear ${e.peer} and lets others campaign first`;
  }
}

/** A follower as its leader sees it. */
export function describeProgress(p: Progress): string {
  const parts = [`${p.id} ${p.state} match=${p.match} next=${p.next}`];
  if (p.probing) parts.push('probing');
  if (p.fetching !== 0) parts.push(`fetching=${p.fetching}`);
  if (p.inflightAppends > 0) parts.push(`inflight=${p.inflightAppends}`);
  if (!p.fit) parts.push('unfit');
  return parts.join(' ');
}

/** A node at a glance: role, hard state, and the ends of its log. */
export function describeNode(raft: Raft): string {
  const { log } = raft;
  const parts = [
    `${raft.id} ${raft.role}${raft.preCandidate ? ' (pre-vote)' : ''} term=${raft.term}`,
    `vote=${raft.vote || 'none'} leader=${raft.leader || 'unknown'}`,
    `log=${position(log.lastIndex, log.lastTerm)} commit=${raft.commitIndex} durable=${raft.durableIndex}`,
  ];
  if (raft.transferTarget !== undefined) parts.push(`transferring to ${raft.transferTarget}`);
  if (!raft.whole) parts.push('log unproven');
  if (!raft.fit) parts.push('unfit');
  return parts.join(' ');
}
