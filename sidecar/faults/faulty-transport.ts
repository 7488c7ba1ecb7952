/**
 * The transport between sidecars with faults in it: messages that are lost or come later. The connections stay, as when a switch on
 * the way drops packets.
 *
 * MUST: keep the order of what it delays, in each direction of each peer; pass everything on at once while there is no fault, and
 * bound what it holds back.
 */
import { entryBytes } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { PeerMessage } from '../../shared/messages.ts';
import type { PeerAddress, PeerLinkStatus, Transport, TransportListener } from '../peers/contract.ts';
import type { Fate } from './faults.ts';

export class FaultyTransport implements Transport {
  readonly #inner: Transport;
  readonly #fate: (peer: string, direction: 'IN' | 'OUT') => Fate;
  readonly #lines = new Map<string, Line>();

  constructor(inner: Transport, faults: { fate(peer: string, direction: 'IN' | 'OUT'): Fate }) {
    this.#inner = inner;
    this.#fate = (peer, direction) => faults.fate(peer, direction);
  }

  start(listener: TransportListener): Promise<{ host: string; port: number }> {
    return this.#inner.start({
      link: (...news) => listener.link?.(...news),
      message: (message) => this.#pass(message, 'IN', () => listener.message(message)),
    });
  }

  send(message: PeerMessage): void {
    this.#pass(message, 'OUT', () => this.#inner.send(message));
  }

  setMembers(members: readonly PeerAddress[]): void {
    this.#inner.setMembers(members);
  }

  announceHttp(url: string): void {
    this.#inner.announceHttp(url);
  }

  links(): PeerLinkStatus[] {
    return this.#inner.links();
  }

  async close(): Promise<void> {
    for (const line of this.#lines.values()) line.close();
    this.#lines.clear();
    await this.#inner.close();
  }

  #pass(message: PeerMessage, direction: 'IN' | 'OUT', deliver: () => void): void {
    const peer = direction === 'IN' ? message.from : message.to;
    const fate = this.#fate(peer, direction);
    if (fate === 'LOST') return;
    const name = `${direction} ${peer}`;
    const line = this.#lines.get(name);
    if (line === undefined && fate === 0) return deliver();
    const bytes = bytesOf(message);
    if (line !== undefined) line.add(deliver, fate, bytes);
    else {
      const created = new Line(() => this.#lines.delete(name));
      this.#lines.set(name, created);
      created.add(deliver, fate, bytes);
    }
  }
}

/** Of what it carries for others. */
function bytesOf(message: PeerMessage): number {
  switch (message.type) {
    case 'Append':
      return message.entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    case 'SnapshotData':
      return message.data.length;
    case 'ForwardPropose':
      return message.commands.reduce((sum, { command }) => sum + command.length, 0);
    case 'TellReply':
      return message.result?.length ?? 0;
    default:
      return 0;
  }
}

interface Held {
  readonly at: number;
  readonly bytes: number;
  deliver(): void;
}

/** Messages of one peer in one direction that wait for their time. */
class Line {
  readonly #empty: () => void;
  readonly #waiting: Held[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(empty: () => void) {
    this.#empty = empty;
  }

  /** Never before those that came before it. Over `LIMITS.faultHeldMessages` or `faultHeldBytes` it is lost. */
  add(deliver: () => void, delayMs: number, bytes: number): void {
    if (this.#waiting.length >= LIMITS.faultHeldMessages || this.#bytes + bytes > LIMITS.faultHeldBytes)
      return;
    this.#bytes += bytes;
    const at = Math.max(performance.now() + delayMs, this.#waiting.at(-1)?.at ?? 0);
    this.#waiting.push({ at, bytes, deliver });
    this.#timer ??= setTimeout(() => this.#run(), at - performance.now());
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #run(): void {
    // Until the end of this the timer counts as set: what is delivered may make more messages.
    const now = performance.now();
    let due = this.#waiting.findIndex(({ at }) => at > now);
    if (due < 0) due = this.#waiting.length;
    for (const { bytes, deliver } of this.#waiting.splice(0, due)) {
      this.#bytes -= bytes;
      deliver();
    }
    const next = this.#waiting[0];
    this.#timer = next && setTimeout(() => this.#run(), Math.max(1, next.at - performance.now()));
    if (next === undefined) this.#empty();
  }
}
