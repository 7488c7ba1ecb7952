/** What becomes of a snapshot whose app goes, or does something wrong, while it is handed over. */
import assert from 'node:assert/strict';
import type { Refusal } from '../../shared/codes.ts';
import { SnapshotIntake } from '../../sidecar/app/snapshot-intake.ts';
import { FakeHost } from '../support/app-host.ts';
import { until } from '../support/patience.ts';

describe('a snapshot that an app hands over', () => {
  function begin() {
    const host = new FakeHost();
    const refused: Refusal[] = [];
    let held = 0;
    const intake = new SnapshotIntake(host, 1, {
      hold: () => held++,
      release: () => held--,
      refuse: (no) => refused.push(no),
    });
    return { host, intake, refused, isHeld: () => held > 0 };
  }

  it('is forgotten where the app goes in the middle of it', async () => {
    const { host, intake, refused, isHeld } = begin();
    intake.begin({ type: 'snapshotBegin', index: 3, format: 'x' });
    await until('it has begun', () => !isHeld());
    intake.chunk({ type: 'snapshotChunk', data: Buffer.from('a') });
    intake.stop();
    assert.match(host.snapshots[0]?.lost ?? '', /the app went/);
    assert.deepEqual(refused, []);
  });

  it('is forgotten where the app goes before its file is there', async () => {
    const { host, intake, isHeld } = begin();
    let made: () => void = () => undefined;
    host.snapshotGate = new Promise((resolve) => {
      made = resolve;
    });
    intake.begin({ type: 'snapshotBegin', index: 3, format: 'x' });
    await host.until(() => host.snapshots.length === 1);
    intake.stop();
    made();
    await until('its file is there', () => !isHeld());
    assert.match(host.snapshots[0]?.lost ?? '', /the app went/);
  });
});
