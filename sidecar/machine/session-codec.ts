/**
 * The sidecar's own part of a snapshot, encoded and decoded (proto/peer.proto): the sessions, and the replies that this node knows.
 *
 * MUST: give the same bytes on every node for the same sessions; give back a table that goes on as the encoded one would have.
 * MUST NOT: be given bytes that were not proven by their digest: it believes them.
 */
import { peerSchema } from '../../shared/wire/schema.ts';
import { Replies, type ReplyLimits } from './replies.ts';
import { type SessionLimits, SessionTable } from './session-table.ts';
import type { Place } from './verdict.ts';

const SessionsType = peerSchema.lookupType('outrigger.peer.v1.Sessions');
const RepliesType = peerSchema.lookupType('outrigger.peer.v1.Replies');

interface RawSessions {
  readonly position: number;
  readonly appVersion: number;
  readonly sessions: readonly {
    readonly id: number;
    readonly ttlMs: number;
    readonly activeAt: number;
    readonly last: number;
    readonly ackBelow: number;
    readonly places: readonly ({ readonly sequence: number } & Place)[];
  }[];
}

export function encodeSessions(table: SessionTable): Uint8Array {
  const sessions = [...table.all()].map(({ id, ttlMs, activeAt, last, ackBelow, places }) => ({
    ...{ id, ttlMs, activeAt, last, ackBelow },
    places: Array.from(places, ([sequence, { index, term }]) => ({ sequence, index, term })),
  }));
  const { position, appVersion } = table;
  return SessionsType.encode({ position, appVersion, sessions } satisfies RawSessions).finish();
}

export function decodeSessions(bytes: Uint8Array, limits?: SessionLimits): SessionTable {
  const { position, appVersion, sessions } = SessionsType.decode(bytes) as unknown as RawSessions;
  return SessionTable.of(
    {
      position,
      appVersion,
      sessions: sessions.map(({ id, ttlMs, activeAt, last, ackBelow, places }) => ({
        ...{ id, ttlMs, activeAt, last, ackBelow },
        places: new Map(places.map(({ sequence, index, term }) => [sequence, { index, term }])),
      })),
    },
    limits,
  );
}

interface RawReply {
  readonly session: number;
  readonly sequence: number;
  readonly hasResult: boolean;
  readonly result: Uint8Array;
}

const NOTHING = new Uint8Array(0);

export function encodeReplies(replies: Replies): Uint8Array {
  const all: RawReply[] = [];
  for (const { session, sequence, reply } of replies.all()) {
    const hasResult = reply.result !== undefined;
    all.push({ session, sequence, hasResult, result: reply.result ?? NOTHING });
  }
  return RepliesType.encode({ replies: all }).finish();
}

/** Adds what `replies` does not have. */
export function addReplies(bytes: Uint8Array, replies: Replies): void {
  const raw = RepliesType.decode(bytes) as unknown as { readonly replies: readonly RawReply[] };
  for (const { session, sequence, hasResult, result } of raw.replies)
    if (replies.get(session, sequence) === undefined)
      replies.add(session, sequence, hasResult ? result : undefined, 0);
}

/** The same replies, under other limits or in another process. */
export function decodeReplies(bytes: Uint8Array, limits?: ReplyLimits): Replies {
  const replies = new Replies(limits);
  addReplies(bytes, replies);
  return replies;
}
