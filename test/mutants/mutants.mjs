/**
 * The deliberate bugs. Each one was a real bug of some Raft, and must be killed by the suite (`npm run mutants`).
 *
 * MUST: name a text that is exactly once in its file (a unit test checks it), so that no mutant rots unseen. The shipped
 * source has no switch: the text is replaced in a build of its own (plugin.mjs).
 */
export const MUTANTS = [
  {
    name: 'commit-old-terms',
    title: 'commits entries of old terms by counting',
    file: 'sidecar/raft/leader.ts',
    find: 'if (index <= s.commit || s.log.termAt(index) !== s.term) return;',
    replace: 'if (index <= s.commit) return;',
  },
  {
    name: 'vote-not-durable',
    title: 'answers a vote before it is durable',
    file: 'sidecar/raft/raft.ts',
    find: 'const after = next.forLog ? s.writeSequence : s.hardStateSequence;',
    replace: 'const after = next.forLog ? s.writeSequence : 0;',
  },
  {
    name: 'commit-own-last',
    title: 'commit = min(leader commit, own last index)',
    file: 'sidecar/raft/follower.ts',
    find: 's.advanceCommit(Math.min(m.commit, matched));',
    replace: 's.advanceCommit(Math.min(m.commit, s.log.lastIndex));',
  },
  {
    name: 'truncate-always',
    title: 'truncates after prevIndex without a conflict',
    file: 'sidecar/raft/follower.ts',
    find: 'if (fresh === m.entries.length) return;',
    replace: 'fresh = 0;',
  },
  {
    name: 'ack-own-last',
    title: 'acknowledges its own last index',
    file: 'sidecar/raft/follower.ts',
    find: 's.sendAfterLog(reply(s, m, { ok: true, index: matched,',
    replace: 's.sendAfterLog(reply(s, m, { ok: true, index: s.log.lastIndex,',
  },
  {
    name: 'half-quorum',
    title: 'a quorum is floor(n/2)',
    file: 'sidecar/raft/quorum.ts',
    find: 'return Math.floor(count / 2) + 1;',
    replace: 'return Math.max(1, Math.floor(count / 2));',
  },
  {
    name: 'read-unconfirmed',
    title: 'serves a read without asking a quorum',
    file: 'sidecar/raft/reads.ts',
    find: 'if (confirmed < (waiting[0]?.round ?? Number.POSITIVE_INFINITY)) return;',
    replace: 'if (confirmed < 0) return;',
  },
  {
    name: 'ack-before-fsync',
    title: 'acknowledges entries before they are durable',
    file: 'sidecar/raft/raft.ts',
    find: 'const after = next.forLog ? s.writeSequence : s.hardStateSequence;',
    replace: 'const after = next.forLog ? 0 : s.hardStateSequence;',
  },
  {
    name: 'vote-by-length',
    title: 'compares logs by length only when it votes',
    file: 'sidecar/raft/election.ts',
    find: 'const upToDate = m.lastTerm > lastTerm || (m.lastTerm === lastTerm && m.lastIndex >= lastIndex);',
    replace: 'const upToDate = m.lastIndex >= lastIndex && m.lastTerm + lastTerm >= 0;',
  },
  {
    name: 'reforward-unwatched',
    title: 'forwards a command again without the watch-point',
    file: 'sidecar/routing/proposals.ts',
    find: "else this.#refuse(ticket, 'LEADER_LOST', 'the leader did not say whether it took the command');",
    replace: 'else this.#waiting.push(ticket);',
  },
  {
    name: 'read-untold',
    title: 'reads do not wait for what followers may have committed before the leader knows',
    file: 'sidecar/raft/quorum-of-two.ts',
    find: 'return Math.max(s.commit, s.toldDurable);',
    replace: 'return s.commit;',
  },
  {
    name: 'follower-commits-old-terms',
    title: 'a follower commits entries of earlier terms with the leader’s word',
    file: 'sidecar/raft/quorum-of-two.ts',
    find: "s.role === 'LEADER' || s.log.termAt(index) !== s.term",
    replace: "s.role === 'LEADER'",
  },
  {
    name: 'session-table-lost',
    title: 'an app that comes back finds an empty session table',
    file: 'sidecar/machine/session-table.ts',
    find: 'for (const [id, session] of this.#sessions)',
    replace: 'for (const [id, session] of new Map<number, Session>())',
  },
  {
    name: 'dedupe-at-the-leader',
    title: 'duplicates are known only to the leader that took the first, in its memory',
    file: 'sidecar/machine/session-table.ts',
    find: "if (sequence <= session.last) return { kind: 'DUPLICATE', place: session.places.get(sequence) };",
    replace: 'if (sequence <= session.last) return APPLY;',
  },
  {
    name: 'sure-of-a-retry',
    title: 'a refused retry counts as a refusal of the first try, which may have been taken',
    file: 'sidecar/routing/proposals.ts',
    find: "const honest = ticket.unsure && isDefinite(code) ? 'LEADER_LOST' : code;",
    replace: 'const honest = isDefinite(code) ? code : code;',
  },
  {
    name: 'gateway-tries-anyway',
    title: 'a gateway tries a command again whose first try may have taken effect, outside of a session',
    file: 'sidecar/gateway/fate.ts',
    find: 'was lost: whether it took the command is not known`;',
    replace: "was lost`;\n  if (ticket.kind === 'propose') return { again: 'LATER', unsure: true };",
  },
  {
    name: 'unfit-waits-forever',
    title: 'a follower whose app is not healthy leaves every election timeout to others',
    file: 'sidecar/raft/fitness.ts',
    find: "s.role !== 'FOLLOWER' || s.postponed >= POSTPONED_MAX) return false;",
    replace: "s.role !== 'FOLLOWER') return false;",
  },
  {
    name: 'read-before-noop',
    title: 'serves a read before an entry of its own term is committed',
    file: 'sidecar/raft/reads.ts',
    find: 'if (s.log.termAt(s.commit) !== s.term) return;',
    replace: '',
  },
  {
    name: 'lease-before-noop',
    title: 'has a lease before an entry of its own term is committed',
    file: 'sidecar/raft/lease.ts',
    find: "if (s.log.termAt(s.commit) !== s.term) return 'LEASE_NOT_YET';",
    replace: '',
  },
  {
    name: 'lease-over-pause',
    title: 'keeps its lease over a pause: judges by the time of the last tick',
    file: 'sidecar/raft/lease.ts',
    find: 'const reason = leaseRefusal(s);',
    replace: `const { now, wall } = s;
  s.now = s.lastTick ?? now;
  s.wall = wall - (now - s.now);
  s.voidThrough = 0;
  const reason = leaseRefusal(s);
  s.now = now;
  s.wall = wall;`,
  },
  {
    name: 'lease-in-transfer',
    title: 'keeps its lease while it hands leadership over',
    file: 'sidecar/raft/lease.ts',
    find: "if (s.transfer !== undefined || s.handedOver) return 'LEASE_TRANSFER';",
    replace: '',
  },
  {
    name: 'lease-after-transfer',
    title: 'has a lease again after a transfer that failed, while its TimeoutNow is still on the way',
    file: 'sidecar/raft/lease.ts',
    find: 's.transfer !== undefined || s.handedOver',
    replace: 's.transfer !== undefined',
  },
  {
    name: 'lease-from-answer',
    title: 'counts the lease from when the answer came, not from when it was asked for',
    file: 'sidecar/raft/lease.ts',
    find: 'sentAt: begun.at, sentWall: begun.wall,',
    replace: 'sentAt: s.now, sentWall: s.wall,',
  },
  {
    name: 'promise-forgotten',
    title: 'a voter that was restarted votes at once, though it has promised not to',
    file: 'sidecar/raft/state.ts',
    find: 'if (config.lease !== undefined && this.term > 0) this.promisedAt = clock.now;',
    replace: '',
  },
  {
    name: 'lease-any-clock',
    title: 'trusts promises kept by clocks that are too fast',
    file: 'sidecar/raft/clock-rate.ts',
    find: 'return now - this.#provenAt <= this.#windowMs;',
    replace: 'return now > Number.NEGATIVE_INFINITY;',
  },
  {
    name: 'lease-over-suspend',
    title: 'keeps its lease while the machine sleeps and the monotonic clock stands still',
    file: 'sidecar/raft/lease.ts',
    find: 'if (wallAge >= trusted || wallAge < age * (1 - bound) - ROUNDING_MS)',
    replace: 'if (wallAge < 0 && age < 0)',
  },
  {
    name: 'tls-any-node',
    title: 'dials any node of its CA in place of the one it meant',
    file: 'sidecar/peers/tls.ts',
    find: "'problem' in found ? found.problem : anotherThan(wanted, found);",
    replace: "'problem' in found ? found.problem : undefined;",
  },
  {
    name: 'tls-hello-believed',
    title: 'believes the name in a hello, whatever the certificate says',
    file: 'sidecar/peers/tls.ts',
    find: 'if (hello.cluster === cluster && hello.from === node) return undefined;',
    replace: 'if (hello.cluster === cluster && node !== "") return undefined;',
  },
  {
    name: 'tls-any-certificate',
    title: 'takes certificates that no CA of ours made, and expired ones',
    file: 'sidecar/peers/tls.ts',
    find: 'if (!socket.authorized) {',
    replace: 'if (socket.destroyed) {',
  },
  {
    name: 'tls-any-cluster',
    title: 'takes peers of any cluster of the CA',
    file: 'sidecar/peers/tls.ts',
    find: 'else if (found.cluster !== us.cluster) {',
    replace: "else if (found.cluster === '') {",
  },
];
