/**
 * Commands about messages on the wire.
 *
 * A selector picks them: any of `1->2`, `1->`, `->2`, a type (`Append`, `PreVoteRequest`, …), a count (the oldest so
 * many) and `last` (the newest one).
 */
import type { RaftMessage } from '../../shared/messages.ts';
import { describeMessage } from '../../sidecar/raft/describe.ts';
import { type Args, nodeId, restOfNodes, toNumber } from './args.ts';
import type { Cluster, MessageFilter } from './cluster.ts';
import { entriesOfTerms } from './node.ts';
import { ScriptError } from './script.ts';
import { termsOf } from './stage.ts';

function typeOf(message: RaftMessage): string {
  const pre = (message.type === 'VoteRequest' || message.type === 'VoteReply') && message.preVote;
  return `${pre ? 'Pre' : ''}${message.type}`;
}

export function selected(cluster: Cluster, args: Args): RaftMessage[] {
  let from = '';
  let to = '';
  let type = '';
  let count = Number.POSITIVE_INFINITY;
  let last = false;
  for (const word of args.words.splice(0)) {
    const [, left, right] = /^(\w*)->(\w*)$/.exec(word) ?? [];
    if (left !== undefined && right !== undefined) {
      from = left && nodeId(left);
      to = right && nodeId(right);
    } else if (word === 'last') last = true;
    else if (/^\d+$/.test(word)) count = toNumber(word);
    else type = word;
  }
  const wanted: MessageFilter = (m) =>
    (from === '' || m.from === from) && (to === '' || m.to === to) && (type === '' || typeOf(m) === type);
  const newest = last ? cluster.wire.findLast(wanted) : undefined;
  const messages = cluster.take((m) => (newest === undefined ? wanted(m) : m === newest), count);
  if (messages.length === 0) throw new ScriptError('no message on the wire is like that');
  return messages;
}

export function stabilize(cluster: Cluster, args: Args): void {
  const among = new Set(restOfNodes(cluster, args).map((node) => node.id));
  cluster.stabilize((message) => among.has(message.from) && among.has(message.to));
}

export function printMessages(cluster: Cluster, messages: readonly RaftMessage[], what: string): void {
  for (const message of messages) cluster.print(`${what} ${describeMessage(message)}`);
}

/** `5@2` → [5, 2] */
function positionOf(word: string): [number, number] {
  const [index = '', term = ''] = word.split('@');
  return [toNumber(index), toNumber(term)];
}

/** Puts a message on the wire that no core sent: what a careless leader, or one of another make, might say. */
export function inject(cluster: Cluster, args: Args): void {
  const [from = '', to = ''] = args.word().split('->').map(nodeId);
  const type = args.word();
  const header = { group: args.option('group') ?? '', from, to, term: args.numberOption('term') ?? 0 };
  const commit = args.numberOption('commit') ?? 0;
  const round = args.numberOption('round') ?? 0;
  if (type === 'Heartbeat') {
    const durable = args.numberOption('durable') ?? 0;
    cluster.wire.push({ type, ...header, commit, round, durable, nobodyElse: false });
  } else if (type === 'Append') {
    const [prevIndex, prevTerm] = positionOf(args.option('prev') ?? '0@0');
    const entries = entriesOfTerms(termsOf(args.option('entries')), prevIndex + 1);
    cluster.wire.push({ type, ...header, prevIndex, prevTerm, entries, commit, round, lastHash: '' });
  } else if (type === 'VoteRequest') {
    const [lastIndex, lastTerm] = positionOf(args.option('last') ?? '0@0');
    cluster.wire.push({ type, ...header, preVote: false, lastIndex, lastTerm, transfer: false });
  } else if (type === 'VoteReply') {
    cluster.wire.push({ type, ...header, preVote: false, granted: false, reason: 'OLD_TERM' });
  } else if (type === 'SnapshotOffer') {
    const [lastIndex, lastTerm] = positionOf(args.option('last') ?? '0@0');
    cluster.wire.push({ type, ...header, lastIndex, lastTerm });
  } else if (type === 'TimeoutNow') cluster.wire.push({ type, ...header });
  else throw new ScriptError(`inject … ${type}?`);
  printMessages(cluster, cluster.wire.slice(-1), 'on the wire');
}
