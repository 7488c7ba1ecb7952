import assert from 'node:assert/strict';
import { logUri, parseUri } from '../../extension/aggregator/documents/uris.ts';
import { panelHtml } from '../../extension/editors/panel-html.ts';
import { checkMessage } from '../../extension/editors/panel-messages.ts';
import { TailState } from '../../extension/editors/tail-state.ts';
import { entryOfLine, explainUri, isTail, lineOfEntry, logOf } from '../../extension/editors/uris.ts';

describe('a live tail', () => {
  function shown(): TailState {
    const state = new TailState();
    assert.equal(state.textChanged(99), true);
    state.scrolled(70, 99);
    return state;
  }

  it('follows while the log grows', () => {
    const state = shown();
    assert.equal(state.textChanged(120), true);
    // The editor tells of its own scrolling: downward.
    state.scrolled(70, 99);
    state.scrolled(91, 120);
    assert.equal(state.following, true);
  });

  it('stops when the reader scrolls up, and does not begin again by itself', () => {
    const state = shown();
    state.scrolled(40, 69);
    assert.equal(state.following, false);
    assert.equal(state.textChanged(150), false);
    state.scrolled(121, 150);
    assert.equal(state.following, false);
    state.resume();
    assert.equal(state.textChanged(151), true);
  });

  it('stops when the reader selects, or moves the cursor off the end', () => {
    const selecting = shown();
    selecting.selected({ empty: false, line: 99 });
    assert.equal(selecting.following, false);
    const moving = shown();
    moving.selected({ empty: true, line: 80 });
    assert.equal(moving.following, false);
    const atEnd = shown();
    atEnd.selected({ empty: true, line: 99 });
    assert.equal(atEnd.following, true);
  });

  it('a log that was cut short is no scrolling of the reader', () => {
    const state = shown();
    assert.equal(state.textChanged(50), true);
    state.scrolled(21, 50);
    assert.equal(state.following, true);
  });
});

describe('messages of a panel', () => {
  const request = (method: string, params: unknown) => ({ type: 'request', id: 1, method, params });

  it('the page speaks to the aggregator, except for what opens editors', () => {
    assert.equal(checkMessage({ type: 'ready' }).kind, 'RELAY');
    assert.equal(checkMessage({ type: 'resync' }).kind, 'RELAY');
    assert.equal(checkMessage(request('entry', { node: 'n1', index: 7 })).kind, 'RELAY');
    assert.equal(checkMessage(request('explain', { about: 'leader', id: '' })).kind, 'RELAY');
    assert.deepEqual(checkMessage(request('openLog', { node: 'n1', index: 0 })), {
      kind: 'EDITOR',
      request: { id: 1, method: 'openLog', params: { node: 'n1', index: 0 } },
    });
    assert.equal(checkMessage(request('compare', { left: 'n1', right: 'n2' })).kind, 'EDITOR');
  });

  it('anything else is refused', () => {
    const bad: unknown[] = [
      null,
      'ready',
      { type: 'snapshot' },
      { type: 'ready', extra: 1 },
      request('run', {}),
      request('openLog', { node: '../../etc', index: 1 }),
      request('openLog', { node: 'n1', index: -1 }),
      request('openLog', { node: 'n1', index: 1.5 }),
      request('openLog', { node: 'n1' }),
      request('compare', { left: 'n1', right: '<script>' }),
      request('explain', { about: 'everything', id: '' }),
      { ...request('entry', { node: 'n1', index: 7 }), id: 'x' },
    ];
    for (const message of bad) {
      const checked = checkMessage(message);
      assert.equal(checked.kind, 'REFUSED', JSON.stringify(message));
    }
  });
});

describe('the page of a panel', () => {
  const parts = {
    script: 'https://host/panel.js',
    style: 'https://host/panel.css',
    source: 'https://host',
    nonce: 'abc',
    language: 'en',
    title: 'Raft: "><script>alert(1)</script>',
  };

  it('allows its own script by nonce and nothing from elsewhere', () => {
    const html = panelHtml(parts);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? '';
    assert.match(policy, /default-src &#39;none&#39;/);
    assert.match(policy, /script-src &#39;nonce-abc&#39;(;|$)/);
    assert.doesNotMatch(policy, /unsafe|connect-src|\*/);
    assert.equal(html.match(/<script/g)?.length, 1);
    assert.match(html, /<script nonce="abc" src="https:\/\/host\/panel\.js">/);
  });

  it('takes no markup out of names', () => {
    assert.doesNotMatch(panelHtml(parts), /alert\(1\)<\/script>/);
  });
});

describe('names of documents that the editor knows', () => {
  it('agree with those of the aggregator', () => {
    assert.deepEqual(parseUri(explainUri('orders', 'leader', '')), {
      kind: 'EXPLAIN',
      cluster: 'orders',
      about: 'leader',
      id: '',
    });
    assert.deepEqual(parseUri(explainUri('orders', 'lag', 'n3')), {
      kind: 'EXPLAIN',
      cluster: 'orders',
      about: 'lag',
      id: 'n3',
    });
    assert.deepEqual(parseUri(explainUri('orders', 'entry', '12')), {
      kind: 'EXPLAIN',
      cluster: 'orders',
      about: 'entry',
      id: '12',
    });
    const path = (uri: string): string => uri.slice('raft-log:'.length);
    assert.equal(isTail(path(logUri('orders', 'n1', 0))), true);
    assert.equal(isTail(path(logUri('orders', 'n1', 12))), false);
    assert.deepEqual(logOf(path(logUri('orders', 'n1', 12))), { cluster: 'orders', node: 'n1' });
    assert.deepEqual(logOf(path(logUri('orders', 'n1', 0))), { cluster: 'orders', node: 'n1' });
    assert.equal(logOf(path(explainUri('orders', 'leader', ''))), undefined);
    assert.equal(isTail('/orders/n1/orders-n2-tail.raftlog'), false);
  });

  it('finds the line of an entry, and the entry of a line', () => {
    const text =
      '# log\n# index  term\n     9  t6     COMMAND  set a=1\n    10  t7     NOOP\n   110  t7     COMMAND  10 \n';
    assert.equal(lineOfEntry(text, 10), 3);
    assert.equal(lineOfEntry(text, 110), 4);
    assert.equal(lineOfEntry(text, 11), undefined);
    assert.equal(entryOfLine('    10  t7     NOOP'), 10);
    assert.equal(entryOfLine('# index  term'), undefined);
  });
});
