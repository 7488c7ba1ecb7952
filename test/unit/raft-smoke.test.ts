import assert from 'node:assert/strict';
import { EntryKind } from '../../shared/entry.ts';
import type { RaftMessage } from '../../shared/messages.ts';
import { Raft } from '../../sidecar/raft/raft.ts';
import type { Effect, Input } from '../../sidecar/raft/types.ts';

describe('raft smoke', () => {
  for (const n of [1, 2, 3, 5]) {
    it(`elects and commits with ${n}`, () => {
      const ids = Array.from({ length: n }, (_, i) => `n${i + 1}`);
      let now = 0;
      const queue: RaftMessage[] = [];
      const rafts = new Map(
        ids.map((id) => [
          id,
          new Raft(
            { id, group: '', membership: { voters: ids, outgoing: [], learners: [] }, electionMinMs: 150, electionMaxMs: 300, heartbeatMs: 50, preVote: true, checkQuorum: true, appendBytes: 1e6, appendEntries: 100, inflightAppends: 4, inflightBytes: 1e6, uncommittedBytes: 1e6, tailBytes: 1e6, random: () => 0.5 },
            { hardState: { term: 0, vote: '' }, runs: [], tail: [], mustReach: undefined },
            { now, wall: 1000 },
          ),
        ]),
      );
      const reads: Effect[] = [];
      function step(id: string, input: Input): void {
        const raft = rafts.get(id) as Raft;
        const todo: Input[] = [input];
        for (let next = todo.shift(); next; next = todo.shift()) {
          for (const e of raft.step(next, { now, wall: 1000 + now })) {
            if (e.type === 'persist') todo.push({ type: 'durable', sequence: e.sequence });
            if (e.type === 'send') queue.push(e.message);
            if (e.type === 'readReady') reads.push(e);
          }
        }
        for (let m = queue.shift(); m; m = queue.shift()) step(m.to, { type: 'message', message: m });
      }
      step('n1', { type: 'campaign' });
      const leader = rafts.get('n1') as Raft;
      assert.equal(leader.role, 'LEADER');
      assert.equal(leader.commitIndex, 1);
      for (let i = 0; i < 10; i++) step('n1', { type: 'propose', ref: i, entries: [{ kind: EntryKind.COMMAND, command: Buffer.from('x'), session: 0, sequence: 0 }] });
      step('n1', { type: 'read', ref: 1 });
      assert.equal(reads.length, 1);
      for (const raft of rafts.values()) assert.equal(raft.commitIndex, 11);
      if (n > 1) {
        step('n1', { type: 'transfer', to: 'n2' });
        assert.equal((rafts.get('n2') as Raft).role, 'LEADER');
        now += 10;
      }
    });
  }
});
