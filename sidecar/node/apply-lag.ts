/** How far the local app is behind what is committed here: in entries, and since when the oldest of them has been committed. */
import type { Lag } from '../../shared/inspect.ts';
import type { Raft } from '../raft/raft.ts';
import type { Recorder } from './recorder.ts';

interface Parts {
  readonly driver: { readonly raft: Raft };
  readonly app: { readonly applied: number };
  readonly recorder: Recorder;
}

export function applyLag({ driver: { raft }, app, recorder: { clock, stages } }: Parts): Lag {
  const entries = Math.max(0, raft.commitIndex - app.applied);
  if (entries === 0) return { entries, ms: 0 };
  const now = clock.now();
  return { entries, ms: Math.max(0, Math.round(now - (stages.committed.atLatest(app.applied + 1) ?? now))) };
}
