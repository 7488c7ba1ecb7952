/**
 * The disks of the other nodes, as this node has seen them (peers/disks.ts): in memory for the handshakes, on the disk for later
 * lives.
 *
 * MUST: forget the disk of a node only when a committed membership leaves it out.
 */
import type { KnownDisks } from '../../peers/disks.ts';
import type { Store } from '../../store/contract.ts';

/** Nodes that are remembered, at most: members, those that left a moment ago, and guests. Over it: none more is remembered. */
const DISKS_MAX = 256;

export class NodeDisks implements KnownDisks {
  #known = new Map<string, string>();
  #store: Store | undefined;
  readonly #fault: (error: Error) => void;

  constructor(fault: (error: Error) => void) {
    this.#fault = fault;
  }

  /** What the disk has; again after it was opened again. */
  opened(store: Store, found: ReadonlyMap<string, string>): void {
    this.#store = store;
    this.#known = new Map(found);
  }

  isOf(node: string, incarnation: string): boolean {
    const known = this.#known.get(node);
    if (known !== undefined) return known === incarnation;
    if (this.#known.size >= DISKS_MAX) return true;
    this.#known.set(node, incarnation);
    this.#remember(node, incarnation);
    return true;
  }

  /** These are the members by a membership that is committed. */
  keepOnly(members: readonly string[]): void {
    for (const node of this.#known.keys()) {
      if (members.includes(node)) continue;
      this.#known.delete(node);
      this.#remember(node, '');
    }
  }

  #remember(node: string, incarnation: string): void {
    this.#store?.rememberDisk(node, incarnation).catch((error: unknown) => {
      // While the disk is full it is known in memory alone; a fault has stopped the node already.
      if (error instanceof RangeError) this.#fault(error);
    });
  }
}
