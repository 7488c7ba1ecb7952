/**
 * The disks of the other nodes, as this node has seen them (peers/disks.ts): in memory for the handshakes, on the disk for later
 * lives.
 *
 * MUST: forget the disk of a voter only when a committed membership leaves it out.
 */
import type { Membership } from '../../../shared/entry.ts';
import type { KnownDisks } from '../../peers/disks.ts';
import { diskOf } from '../../raft/own-disk.ts';
import { allMembers } from '../../raft/quorum.ts';
import type { Store } from '../../store/contract.ts';

/** Nodes that are remembered, at most: members, those that left a moment ago, and guests. Over it: none more is remembered. */
const DISKS_MAX = 256;

export class NodeDisks implements KnownDisks {
  #known = new Map<string, string>();
  /** Of these the disk that was seen last counts: nobody relies on what they promised. */
  #unnamed = new Set<string>();
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
    if (known !== undefined && !this.#unnamed.has(node)) return known === incarnation;
    if (known !== undefined || this.#known.size < DISKS_MAX) this.#learn(node, incarnation);
    return true;
  }

  /** As it was seen with; '' for one that was not. */
  of(node: string): string {
    return this.#known.get(node) ?? '';
  }

  /**
   * This membership is committed. Who left it may come again with another disk; a disk that it names is the right one, whatever we
   * saw; and a learner whose disk it does not name may have left and come again since, unseen by us.
   */
  follow(membership: Membership): void {
    const members = allMembers(membership);
    for (const node of this.#known.keys()) if (!members.includes(node)) this.#learn(node, '');
    this.#unnamed = new Set(membership.learners.filter((id) => diskOf(membership, id) === undefined));
    for (const { id, disk } of membership.book ?? []) if (disk !== undefined) this.#learn(id, disk);
  }

  #learn(node: string, incarnation: string): void {
    if (this.of(node) === incarnation) return;
    if (incarnation === '') this.#known.delete(node);
    else this.#known.set(node, incarnation);
    this.#remember(node, incarnation);
  }

  #remember(node: string, incarnation: string): void {
    this.#store?.rememberDisk(node, incarnation).catch((error: unknown) => {
      // While the disk is full it is known in memory alone; a fault has stopped the node already.
      if (error instanceof RangeError) this.#fault(error);
    });
  }
}
