/** Links from an answer to the events that it rests on. */
import assert from 'node:assert/strict';
import type { DocumentLink } from 'vscode-languageserver';
import { SHOW_EVENT } from '../../extension/aggregator/documents/links.ts';
import { COMMANDS } from '../../extension/commands/ids.ts';
import { targetOf } from '../../extension/commands/target.ts';
import { eventKey } from '../../extension/views/event-list.ts';
import type { EvidenceItem } from '../../shared/explain/types.ts';
import { FakeCluster } from '../lsp/fake-cluster.ts';
import { Session } from '../lsp/session.ts';
import { event } from './extension-support.ts';

const WHY = 'raft-log:/orders/explain/orders-why-leader.md';

const ELECTED = event('n-1.a', 7, { generation: '7f-3_a' });
const EVIDENCE: readonly EvidenceItem[] = [
  { node: 'n-1.a', at: 0, seq: 7, generation: '7f-3_a', text: 'n-1.a leads | and \\ more' },
  { node: 'n2', text: 'event 9 of run x |' },
  { node: 'stranger', seq: 9, generation: 'x', text: 'is of no node of this cluster' },
  { node: 'n2', seq: 9, generation: '`) | [x](command:evil)', text: 'a name that is none' },
];

describe('documents: links to events', () => {
  let session: Session | undefined;
  afterEach(() => session?.end());

  async function links(
    commands: boolean,
  ): Promise<{ readonly text: string; readonly found: DocumentLink[] }> {
    const cluster = new FakeCluster('orders', ['n-1.a', 'n2']);
    cluster.explanations.set('leader', {
      about: 'leader',
      id: '',
      cause: 'FIRST_ELECTION',
      certainty: 'CERTAIN',
      answer: 'It won.',
      evidence: EVIDENCE,
      next: '',
    });
    session = new Session(cluster, { commands });
    await session.initialize();
    const text = await session.content(WHY);
    return { text, found: await session.ask<DocumentLink[]>('documentLink', WHY) };
  }

  it('the name of an event leads to its item in the Events view', async () => {
    const { text, found } = await links(true);
    assert.equal(found.length, 1, JSON.stringify(found));
    const { range, target = '' } = found[0] ?? {};
    const line = text.split('\n')[range?.start.line ?? 0] ?? '';
    const words = line.slice(range?.start.character, range?.end.character);
    assert.equal(words.replaceAll('\\', ''), 'event 7 of run 7f-3_a');
    const [command, argument = ''] = target.replace(/^command:/, '').split('?');
    assert.equal(command, SHOW_EVENT);
    assert.ok((COMMANDS as readonly string[]).includes(SHOW_EVENT));
    const [given] = JSON.parse(decodeURIComponent(argument));
    assert.equal(targetOf(given).event, eventKey({ cluster: 'orders', event: ELECTED }));
  });

  it('other editors get no command links', async () => {
    assert.deepEqual((await links(false)).found, []);
  });
});
