/**
 * The members of the cluster as this node knows them: where they are, what an operator wants of them, and, on the leader, when a
 * learner gets its vote.
 *
 * MUST: let the transport know whoever the newest membership names, and for a moment whoever left, since they must learn of it;
 * answer each change once, when the new membership alone counts and is committed, or when its time is over.
 */
import { type Refusal, refusal } from '../../../shared/codes.ts';
import type { Membership } from '../../../shared/entry.ts';
import { LIMITS } from '../../../shared/limits.ts';
import type { ForwardChange, ForwardChanged, MemberChange } from '../../../shared/messages.ts';
import { parseAddress } from '../../peers/address.ts';
import type { PeerAddress } from '../../peers/contract.ts';
import { diskOf } from '../../raft/own-disk.ts';
import { allMembers } from '../../raft/quorum.ts';
import type { ChangeRefusal } from '../../raft/types.ts';
import type { Node } from '../node.ts';
import { nameDisk, planChange } from './change.ts';

export interface ChangeDone {
  /** The entry whose membership counts now. */
  readonly index: number;
  readonly membership: Membership;
}

type Outcome = ChangeDone | Refusal;

interface Pending {
  /** Our own log's entry that begins the change; 0 while another node was asked for it. */
  index: number;
  /** The number of the request, where another node was asked. */
  readonly id: number;
  readonly deadline: number;
  readonly done: (outcome: Outcome) => void;
}

const SENTENCES: Readonly<Record<ChangeRefusal, string>> = {
  NOT_LEADER: 'this node does not lead',
  CHANGING: 'another change of the membership is under way',
  NOT_YET: 'the leader has just been elected, and has committed nothing yet',
  TRANSFERRING: 'leadership is being handed over',
};
const RETRY_MS = 200;
/** Whoever left is still spoken to for so long. */
const FAREWELL_MS = 5_000;
/** Changes that wait, at most. */
const PENDING_MAX = 64;

export class NodeMembers {
  readonly #node: Node;
  /** What the operator of this node said of addresses, and what a cluster said that it joins: before what the log says. */
  readonly #given: ReadonlyMap<string, PeerAddress>;
  #pending: Pending[] = [];
  #nextId: number;
  /** Who left, and when that was. */
  readonly #left = new Map<string, { readonly address: PeerAddress; readonly at: number }>();
  #known = new Map<string, PeerAddress>();
  /** The membership by which the disks of others were forgotten last. */
  #disksOf = 0;
  /** Since when each learner keeps up. */
  readonly #keepsUpSince = new Map<string, number>();

  constructor(node: Node, given: readonly PeerAddress[]) {
    this.#node = node;
    this.#given = new Map(given.map((member) => [member.id, member]));
    this.#nextId = node.firstRequestId;
  }

  /** Every member of the newest membership with its address, where one is known. */
  get all(): PeerAddress[] {
    const { membership } = this.#node.driver.raft;
    const book = new Map((membership.book ?? []).map(({ id, peer }) => [id, peer]));
    const ids = allMembers(membership);
    // Before it is a member a node knows whom it was told of.
    const named = ids.length === 0 ? [...this.#given.keys()] : ids;
    return named.flatMap((id) => this.#given.get(id) ?? parseAddress(id, book.get(id)) ?? []);
  }

  /** The newest membership may be another one. */
  changed(): void {
    const now = performance.now();
    const members = new Map(this.all.map((member) => [member.id, member]));
    for (const [id, address] of this.#known) if (!members.has(id)) this.#left.set(id, { address, at: now });
    for (const id of members.keys()) this.#left.delete(id);
    this.#known = members;
    this.#tellTransport();
  }

  #tellTransport(): void {
    const leaving = [...this.#left.values()].map(({ address }) => address);
    this.#node.options.transport.setMembers([...this.#known.values(), ...leaving]);
  }

  // ---------------------------------------------------------------- changes

  change(change: MemberChange, timeoutMs: number): Promise<Outcome> {
    return new Promise((done) => {
      const deadline = performance.now() + timeoutMs;
      if (this.#pending.length >= PENDING_MAX)
        return done(
          refusal('OVERLOADED', 'too many changes of the membership wait', { retryAfterMs: RETRY_MS }),
        );
      const { raft } = this.#node.driver;
      if (raft.role === 'LEADER') return this.#begin(change, { id: 0, deadline, done });
      if (raft.leader === '')
        return done(refusal('OVERLOADED', 'no leader is known', { retryAfterMs: RETRY_MS }));
      const id = ++this.#nextId;
      this.#pending.push({ index: 0, id, deadline, done });
      const { group, id: from } = this.#node;
      this.#node.options.transport.send({ type: 'ForwardChange', group, from, to: raft.leader, id, change });
    });
  }

  #begin(change: MemberChange, { id, deadline, done }: Omit<Pending, 'index'>): void {
    const begun = this.#beginHere(change);
    if (typeof begun === 'object') done(begun);
    else this.#pending.push({ index: begun, id, deadline, done });
  }

  /** The index of the entry that begins it, or why not. */
  #beginHere(change: MemberChange): number | Refusal {
    const { driver, closed } = this.#node;
    if (closed !== undefined) return closed;
    const planned = planChange(driver.raft.membership, change);
    if (typeof planned === 'string') return refusal('BAD_REQUEST', planned);
    if (change.act === 'PROMOTE' && !this.#isNamed(change.id))
      return refusal('OVERLOADED', `${change.id} has not the log yet in which it is named`, {
        retryAfterMs: RETRY_MS,
      });
    const begun = driver.changeMembership(planned);
    if ('index' in begun) return begun.index;
    return refusal('OVERLOADED', SENTENCES[begun.refused], { retryAfterMs: RETRY_MS });
  }

  /** Another node's operator wants it, and we may lead. */
  receiveChange({ from: to, id, change }: ForwardChange): void {
    const begun = this.#beginHere(change);
    const { group, id: from, options } = this.#node;
    const answer =
      typeof begun === 'object'
        ? { index: 0, refused: begun.code, message: begun.message }
        : { index: begun, refused: '', message: '' };
    options.transport.send({ type: 'ForwardChanged', group, from, to, id, ...answer });
  }

  receiveChanged({ id, index, refused, message }: ForwardChanged): void {
    const pending = this.#pending.find((one) => one.id === id && one.index === 0);
    if (pending === undefined) return;
    if (refused === '') {
      pending.index = index;
      return;
    }
    this.#settle(
      pending,
      refusal(refused === 'BAD_REQUEST' ? refused : 'OVERLOADED', message, { retryAfterMs: RETRY_MS }),
    );
  }

  #settle(pending: Pending, outcome: Outcome): void {
    this.#pending = this.#pending.filter((one) => one !== pending);
    pending.done(outcome);
  }

  // ---------------------------------------------------------------- time

  /** Call now and then. */
  turn(now: number): void {
    const { raft } = this.#node.driver;
    for (const pending of [...this.#pending]) {
      const { index, membership } = raft.configAt(Number.MAX_SAFE_INTEGER);
      const done = pending.index > 0 && index >= pending.index && !raft.changing;
      if (done) this.#settle(pending, { index, membership });
      else if (now >= pending.deadline)
        this.#settle(pending, refusal('TIMEOUT', 'the change of the membership was not committed in time'));
    }
    for (const [id, { at }] of this.#left) {
      if (now - at < FAREWELL_MS) continue;
      this.#left.delete(id);
      this.#tellTransport();
    }
    this.#followDisks();
    if (raft.role === 'LEADER') {
      this.#nameDisks();
      this.#promoteWhenReady(now);
    } else this.#keepsUpSince.clear();
  }

  /** What a membership that is committed says of disks. */
  #followDisks(): void {
    const { raft } = this.#node.driver;
    const { index, membership } = raft.configAt(Number.MAX_SAFE_INTEGER);
    if (raft.changing || index === this.#disksOf || index === 0) return;
    this.#disksOf = index;
    this.#node.options.disks?.follow(membership);
  }

  /** What each learner has for a disk: it may be given a vote only once that is in the log, and in its own. */
  #nameDisks(): void {
    const { driver, options } = this.#node;
    const { membership, changing } = driver.raft;
    if (changing) return;
    for (const id of membership.learners) {
      const disk = options.disks?.of(id) ?? '';
      if (disk === '' || diskOf(membership, id) !== undefined) continue;
      driver.changeMembership(nameDisk(membership, id, disk));
      return;
    }
  }

  /** Has it the entry that names its disk? */
  #isNamed(id: string): boolean {
    const { raft } = this.#node.driver;
    const { index, membership } = raft.configAt(Number.MAX_SAFE_INTEGER);
    const match = raft.progress().find((p) => p.id === id)?.match ?? 0;
    return diskOf(membership, id) !== undefined && match >= index;
  }

  /** A learner that is to vote, and has kept up for a while, gets its vote. */
  #promoteWhenReady(now: number): void {
    const { raft } = this.#node.driver;
    for (const p of raft.progress()) {
      const { membership } = raft;
      const info = membership.book?.find(({ id }) => id === p.id);
      const waits = membership.learners.includes(p.id) && info?.promote === true;
      const keepsUp =
        waits &&
        p.state === 'REPLICATE' &&
        raft.log.lastIndex - p.match <= LIMITS.promoteLagEntries &&
        this.#isNamed(p.id) &&
        !p.silent;
      if (!keepsUp) {
        this.#keepsUpSince.delete(p.id);
        continue;
      }
      const since = this.#keepsUpSince.get(p.id) ?? now;
      this.#keepsUpSince.set(p.id, since);
      if (now - since < LIMITS.promoteAfterMs || raft.changing) continue;
      const begun = this.#beginHere({
        act: 'PROMOTE',
        id: p.id,
        peer: '',
        learner: false,
        replaces: '',
        priority: 0,
      });
      if (typeof begun === 'number')
        this.#node.options.log.info({ id: p.id }, 'the learner has caught up: it gets its vote');
    }
  }
}
