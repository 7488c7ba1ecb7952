/**
 * How a node does, or does not, answer whoever asks.
 *
 * ANSWERS. SILENT: its connection stands and nothing comes. GONE: its machine answers and says that no process listens.
 * UNREACHABLE: no connection, and it may be the network. UNASKED: nobody asked it (a sidecar asks no other).
 */
import type { NodeEvidence } from './types.ts';

export type Reach = 'ANSWERS' | 'SILENT' | 'GONE' | 'UNREACHABLE' | 'UNASKED';

/** Words of a refused connection, of an ended process, and of a connection that stands, as links give them. */
const GONE_WORDS =
  /nothing listens|ECONNREFUSED|connection (was )?refused|no such process|process (has )?(ended|exited)/i;
const SILENT_WORDS = /connection stands/i;

export function reachOf(node: NodeEvidence | undefined): Reach {
  if (node === undefined) return 'UNASKED';
  if (node.reachable) return 'ANSWERS';
  switch (node.link) {
    case 'SILENT':
      return 'SILENT';
    case 'RETRYING':
      return GONE_WORDS.test(node.reason) ? 'GONE' : 'UNREACHABLE';
    case undefined:
      if (SILENT_WORDS.test(node.reason)) return 'SILENT';
      return GONE_WORDS.test(node.reason) ? 'GONE' : 'UNASKED';
    default:
      return 'UNASKED';
  }
}

/** What asking it came to, as a sentence. */
export function reachText({ node, reason }: NodeEvidence, reach: Reach): string {
  const because = reason === '' ? '' : `: ${reason}`;
  switch (reach) {
    case 'ANSWERS':
      return `${node} answers`;
    case 'SILENT':
      return `${node} does not answer, though its connection stands${because}`;
    case 'GONE':
      return `no process listens at the address of ${node}${because}`;
    case 'UNREACHABLE':
      return `${node} cannot be reached${because}`;
    case 'UNASKED':
      return `${node} was not asked${because}`;
  }
}
