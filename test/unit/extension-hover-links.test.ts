import assert from 'node:assert/strict';
import { withCommandLinks } from '../../extension/client/hover-links.ts';
import { safeMarkdown } from '../../shared/safe-text.ts';

describe('hover links', () => {
  it('lead to our own documents, by the one command that opens them', () => {
    const uri = 'raft-log:/orders/n2/orders-n2-1-5000.raftlog#L19';
    const [, encoded = ''] =
      /^\[n2@17\]\(command:outrigger\.openUri\?(\S+)\)$/.exec(withCommandLinks(`[n2@17](${uri})`)) ?? [];
    assert.deepEqual(JSON.parse(decodeURIComponent(encoded)), [{ uri }]);
  });

  it('stay what they are when they lead elsewhere, or are the text of a stranger', () => {
    for (const text of [
      '[x](https://example.com)',
      '[x](javascript:alert(1))',
      '[x](command:workbench.action.quit)',
      '[x](raft-log:/a"b)',
      safeMarkdown('[x](raft-log:/orders/n2/tail.raftlog)'),
    ]) {
      assert.equal(withCommandLinks(text), text);
    }
  });
});
