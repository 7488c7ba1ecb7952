import assert from 'node:assert/strict';
import type { Memento, SecretStorage } from 'vscode';
import { Attention } from '../../extension/client/attention.ts';
import { MEMORY_LIMITS, Memory } from '../../extension/client/memory.ts';
import { RESTART_LIMITS, RestartPolicy } from '../../extension/client/restart-policy.ts';

describe('restarts of the aggregator', () => {
  it('wait longer each time, and stop when it crashes again and again', () => {
    const policy = new RestartPolicy();
    const pauses = Array.from({ length: RESTART_LIMITS.restarts }, (_, at) => policy.next(at * 1_000));
    assert.deepEqual(pauses, [100, 200, 400, 800, 1_600]);
    assert.equal(policy.next(6_000), undefined);
  });

  it('go on once the crashes are old, and after somebody asked', () => {
    const policy = new RestartPolicy();
    for (let at = 0; at < RESTART_LIMITS.restarts; at++) policy.next(at);
    assert.equal(policy.next(RESTART_LIMITS.withinMs + 10), RESTART_LIMITS.firstMs);
    for (let at = 0; at < RESTART_LIMITS.restarts; at++) policy.next(RESTART_LIMITS.withinMs + 20);
    assert.equal(policy.next(RESTART_LIMITS.withinMs + 21), undefined);
    policy.reset();
    assert.equal(policy.next(RESTART_LIMITS.withinMs + 22), RESTART_LIMITS.firstMs);
  });
});

describe('attention', () => {
  it('is told when the first begins and the last ends to look, and only then', () => {
    const told: boolean[] = [];
    const attention = new Attention((attending) => told.push(attending));
    attention.set('views', true);
    attention.set('panel:1', true);
    attention.set('views', true);
    attention.set('views', false);
    assert.deepEqual(told, [true]);
    attention.set('panel:1', false);
    attention.set('panel:1', false);
    assert.deepEqual(told, [true, false]);
    assert.equal(attention.attending, false);
  });
});

class FakeMemento implements Memento {
  readonly values = new Map<string, unknown>();
  keys(): readonly string[] {
    return [...this.values.keys()];
  }
  get<T>(key: string): T | undefined;
  get<T>(key: string, fallback: T): T;
  get<T>(key: string, fallback?: T): T | undefined {
    return this.values.has(key) ? (this.values.get(key) as T) : fallback;
  }
  async update(key: string, value: unknown): Promise<void> {
    this.values.set(key, value);
  }
}

class FakeSecrets implements Pick<SecretStorage, 'get' | 'store' | 'delete'> {
  readonly values = new Map<string, string>();
  async get(key: string): Promise<string | undefined> {
    return this.values.get(key);
  }
  async store(key: string, value: string): Promise<void> {
    this.values.set(key, value);
  }
  async delete(key: string): Promise<void> {
    this.values.delete(key);
  }
}

function memory() {
  const workspace = new FakeMemento();
  const global = new FakeMemento();
  const secrets = new FakeSecrets();
  return { workspace, global, secrets, memory: new Memory(workspace, global, secrets) };
}

describe('what is remembered between windows', () => {
  it('attachments and what was detached come back', async () => {
    const { memory: kept } = memory();
    await kept.remember([{ cluster: 'orders', addresses: ['http://127.0.0.1:1'] }], ['billing']);
    assert.deepEqual(kept.attachments(), [{ cluster: 'orders', addresses: ['http://127.0.0.1:1'] }]);
    assert.deepEqual(kept.detached(), ['billing']);
  });

  it('of too many detached clusters the newest are kept', async () => {
    const { memory: kept } = memory();
    const names = Array.from({ length: MEMORY_LIMITS.detached + 3 }, (_, at) => `dev-${at}`);
    await kept.remember([], names);
    assert.deepEqual(kept.detached(), names.slice(3));
  });

  it('state of another shape counts as none', () => {
    const { memory: kept, workspace, global } = memory();
    workspace.values.set('outrigger.attached', [{ cluster: 7 }, 'x', null, { cluster: 'a', addresses: [1] }]);
    workspace.values.set('outrigger.detached', 'everything');
    global.values.set('outrigger.recentAddresses', { a: 1 });
    assert.deepEqual(kept.attachments(), []);
    assert.deepEqual(kept.detached(), []);
    assert.deepEqual(kept.recentAddresses(), []);
  });

  it('recent addresses are newest first, each once, and bounded', async () => {
    const { memory: kept } = memory();
    for (let port = 1; port <= MEMORY_LIMITS.recentAddresses + 5; port++) {
      await kept.addRecentAddress(`http://127.0.0.1:${port}`);
    }
    await kept.addRecentAddress('http://127.0.0.1:20');
    const recent = kept.recentAddresses();
    assert.equal(recent.length, MEMORY_LIMITS.recentAddresses);
    assert.equal(recent[0], 'http://127.0.0.1:20');
    assert.equal(new Set(recent).size, recent.length);
  });

  it('tokens are in the secret storage alone, each under its address', async () => {
    const { memory: kept, workspace, global, secrets } = memory();
    await kept.keepToken('http://127.0.0.1:1', 'secret-token');
    assert.equal(await kept.token('http://127.0.0.1:1'), 'secret-token');
    assert.equal(await kept.token('http://127.0.0.1:2'), '');
    assert.equal(workspace.values.size + global.values.size, 0);
    await kept.keepToken('http://127.0.0.1:1', '');
    assert.equal(secrets.values.size, 0);
  });
});
