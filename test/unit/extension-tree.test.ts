import assert from 'node:assert/strict';
import { Coalescer, type Timers } from '../../extension/util/coalescer.ts';
import { changedItems, flatten, openedItems, treeOf } from '../../extension/views/tree-model.ts';
import { cluster, isHarmless, leader, node } from './extension-support.ts';

const slow = { code: 'SLOW_DISK', severity: 'WARNING', text: 'a write takes 2.0 s' } as const;
const lag = (entries: number) => ({
  replicated: { entries, ms: 10 },
  committed: { entries: 0, ms: 0 },
  applied: { entries: 0, ms: 0 },
});

describe('the clusters tree', () => {
  it('has clusters, their nodes, and problems below what has them', () => {
    const lost = { code: 'NO_QUORUM', severity: 'ERROR', text: 'no quorum' } as const;
    const tree = treeOf([
      cluster({ problems: [lost], nodes: [leader('n1'), node('n2', { problems: [slow] })] }),
    ]);
    assert.deepEqual(
      [...flatten(tree).keys()],
      [
        'cluster:orders',
        'problem:orders//NO_QUORUM',
        'node:orders/n1',
        'node:orders/n2',
        'problem:orders/n2/SLOW_DISK',
      ],
    );
    assert.equal(flatten(tree).get('problem:orders/n2/SLOW_DISK')?.label, 'a write takes 2.0 s');
  });

  it('a link that is down is a problem with its reason, though nothing else is known', () => {
    const link = { state: 'RETRYING', reason: 'connection refused', since: 0 } as const;
    const tree = treeOf([cluster({ nodes: [node('n2', { link })] })]);
    assert.equal(flatten(tree).get('problem:orders/n2/LINK_RETRYING')?.label, 'connection refused');
  });

  it('a planted fault has a line of its own, with an icon that no problem has', () => {
    const text = 'a fault is planted in it: it stands still';
    const planted = { code: 'FAULT_PLANTED', severity: 'INFO', text } as const;
    const items = flatten(treeOf([cluster({ nodes: [node('n2', { problems: [planted, slow] })] })]));
    const item = items.get('problem:orders/n2/FAULT_PLANTED');
    assert.equal(item?.label, text);
    assert.deepEqual(item?.icon, { id: 'beaker', color: 'charts.purple' });
    assert.equal(items.get('problem:orders/n2/SLOW_DISK')?.icon.id, 'warning');
  });

  it('the time that is left of a fault draws nothing again', () => {
    const left = (leftMs: number) =>
      treeOf([cluster({ nodes: [node('n2', { planted: [{ id: 'f1', what: 'x', leftMs, messages: 1 }] })] })]);
    assert.deepEqual(changedItems(left(9_000), left(8_000)), []);
  });

  it('draws again only what looks different', () => {
    const before = treeOf([cluster({ nodes: [leader('n1'), node('n2', { lag: lag(1) }), node('n3')] })]);
    const after = treeOf([cluster({ nodes: [leader('n1'), node('n2', { lag: lag(2) }), node('n3')] })]);
    assert.deepEqual(changedItems(before, after), ['node:orders/n2']);
    assert.deepEqual(changedItems(after, after), []);
  });

  it('a new problem draws its node, not the tree', () => {
    const before = treeOf([cluster({ nodes: [leader('n1'), node('n2')] })]);
    const after = treeOf([cluster({ nodes: [leader('n1'), node('n2', { problems: [slow] })] })]);
    assert.deepEqual(changedItems(before, after), ['node:orders/n2']);
  });

  it('its first problem opens a node that was there, and nothing else does', () => {
    const well = treeOf([cluster({ nodes: [leader('n1'), node('n2')] })]);
    const ill = treeOf([cluster({ nodes: [leader('n1'), node('n2', { problems: [slow] })] })]);
    const worse = treeOf([
      cluster({ nodes: [leader('n1'), node('n2', { problems: [slow, { ...slow, code: 'PAUSED' }] })] }),
    ]);
    assert.deepEqual(openedItems(well, ill), ['node:orders/n2']);
    assert.deepEqual(openedItems(ill, worse), []);
    assert.deepEqual(openedItems(ill, well), []);
    // What is drawn for the first time opens by itself.
    assert.deepEqual(openedItems([], ill), []);
  });

  it('another text of a problem draws that problem alone', () => {
    const nodes = (text: string) => [leader('n1'), node('n2', { problems: [{ ...slow, text }] })];
    const changed = changedItems(
      treeOf([cluster({ nodes: nodes('2 s') })]),
      treeOf([cluster({ nodes: nodes('3 s') })]),
    );
    assert.deepEqual(changed, ['problem:orders/n2/SLOW_DISK']);
  });

  it('what is below something drawn again is not named twice', () => {
    const before = treeOf([cluster({ leader: 'n1', nodes: [leader('n1'), node('n2')] })]);
    const after = treeOf([cluster({ leader: 'n2', term: 8, nodes: [node('n1'), leader('n2')] })]);
    assert.deepEqual(changedItems(before, after), ['cluster:orders']);
  });

  it('a cluster more draws everything', () => {
    const one = treeOf([cluster()]);
    assert.equal(changedItems(one, treeOf([cluster(), cluster({ name: 'billing' })])), 'all');
    assert.equal(changedItems([], one), 'all');
  });

  it('hostile names and problems become harmless lines', () => {
    const tree = treeOf([
      cluster({ problems: [{ code: 'X', severity: 'ERROR', text: 'a\u001b[31mred\n\u202ebidi' }] }),
    ]);
    const label = flatten(tree).get('problem:orders//X')?.label ?? '';
    assert.ok(isHarmless(label));
    assert.match(label, /red/);
  });
});

describe('coalescing of redraws', () => {
  function fakeTimers() {
    let now = 0;
    let pending: { at: number; run: () => void } | undefined;
    const timers: Timers = {
      now: () => now,
      after: (ms, run) => {
        assert.equal(pending, undefined, 'two timers at once');
        pending = { at: now + ms, run };
        return () => {
          pending = undefined;
        };
      },
    };
    const advance = (ms: number): void => {
      now += ms;
      if (pending === undefined || pending.at > now) return;
      const { run } = pending;
      pending = undefined;
      run();
    };
    return { timers, advance };
  }

  it('the first runs at once, a thousand more run once, four a second at most', () => {
    const { timers, advance } = fakeTimers();
    let runs = 0;
    const coalescer = new Coalescer(() => runs++, 250, timers);
    coalescer.trigger();
    assert.equal(runs, 1);
    for (let count = 0; count < 1_000; count++) coalescer.trigger();
    assert.equal(runs, 1);
    advance(249);
    assert.equal(runs, 1);
    advance(1);
    assert.equal(runs, 2);
    advance(1_000);
    assert.equal(runs, 2);
  });

  it('now() runs at once and calls off what was to come', () => {
    const { timers, advance } = fakeTimers();
    let runs = 0;
    const coalescer = new Coalescer(() => runs++, 250, timers);
    coalescer.trigger();
    coalescer.trigger();
    coalescer.now();
    assert.equal(runs, 2);
    advance(1_000);
    assert.equal(runs, 2);
  });
});
