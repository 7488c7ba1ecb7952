import assert from 'node:assert/strict';
import { Ahead } from '../support/ahead.ts';

describe('jobs that are begun ahead', () => {
  it('begin with the first that is asked for, so many at a time and each once', async () => {
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const jobs = ['a', 'b', 'c', 'd'].map((name) => {
      const job = async (): Promise<string> => {
        begun.push(name);
        await new Promise<void>((done) => ends.set(name, done));
        return name.toUpperCase();
      };
      return [name, job] as const;
    });
    const ahead = new Ahead(jobs, 2);
    assert.deepEqual(begun, []);
    const second = ahead.of('b');
    assert.deepEqual(begun, ['b', 'c']);
    ends.get('b')?.();
    assert.equal(await second, 'B');
    const third = ahead.of('c');
    assert.deepEqual(begun, ['b', 'c', 'd']);
    ends.get('c')?.();
    ends.get('d')?.();
    assert.equal(await third, 'C');
    await ahead.settled();
    assert.throws(() => ahead.of('e'), /there is no job e/);
  });

  it('fail where they are asked for', async () => {
    const ahead = new Ahead([
      ['well', () => Promise.resolve(1)],
      ['ill', () => Promise.reject(new Error('it is ill'))],
    ]);
    assert.equal(await ahead.of('well'), 1);
    await ahead.settled();
    await assert.rejects(ahead.of('ill'), /it is ill/);
  });
});
