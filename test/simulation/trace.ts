/**
 * What happened, twice: as one hash over every step, effect and fault (the same seed must give the same hash), and as
 * counters of what a run has seen. In a replay also as lines for people.
 *
 * MUST: not draw random numbers, nor change what happens.
 */
import type { PeerMessage } from '../../shared/messages.ts';
import type { Effect, Input } from '../../sidecar/raft/types.ts';

export class Trace {
  readonly counts = new Map<string, number>();
  readonly #print: ((line: string) => void) | undefined;
  #low = 0x811c9dc5;
  #high = 0x1b873593;

  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  /** Counts one of `name`. */
  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  get hash(): string {
    return hex(this.#high) + hex(this.#low);
  }

  /** A line for people; the text is made only in a replay. */
  say(now: number, text: () => string): void {
    this.#print?.(`${now.toFixed(2).padStart(10)}  ${text()}`);
  }

  mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul((this.#high << 13) | (this.#high >>> 19), 5) + (value ^ this.#low);
  }

  mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.mix(text.charCodeAt(i));
  }

  step(now: number, node: string, input: Input): void {
    this.mix(now * 1000);
    this.mixText(node);
    this.mixText(input.type);
    if (input.type === 'message') this.#mixMessage(input.message);
    this.say(now, () => `${node} <- ${describeInput(input)}`);
  }

  effect(now: number, node: string, effect: Effect): void {
    this.mixText(effect.type);
    if (effect.type === 'persist') {
      this.mix(effect.sequence);
      this.mix(effect.truncateFrom ?? -1);
      this.mix(effect.entries.length);
    } else if (effect.type === 'send') this.#mixMessage(effect.message);
    else if (effect.type === 'commit') this.mix(effect.index);
    this.say(now, () => `${node}    -> ${describeEffect(effect)}`);
  }

  #mixMessage(m: PeerMessage): void {
    this.mixText(m.type);
    this.mixText(m.to);
    if ('term' in m) this.mix(m.term);
    if (m.type === 'Append') this.mix(m.prevIndex * 4096 + m.entries.length);
    else if (m.type === 'AppendReply') this.mix(m.ok ? m.index : -m.index);
    else if (m.type === 'Heartbeat' || m.type === 'HeartbeatReply') this.mix(m.commit * 4096 + m.round);
    else if (m.type === 'VoteReply') this.mix(m.granted ? 1 : 0);
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

/** Everything but the entries and other bytes. */
function plain(value: object): string {
  return JSON.stringify(value, (key, part: unknown) => {
    if (key === 'group' || key === 'type' || key === 'lastHash' || key === 'expectedHash') return undefined;
    if (key === 'entries' && Array.isArray(part)) {
      const named = part as readonly { index?: number; term?: number }[];
      if (named[0]?.index === undefined) return part.length;
      return named.map(({ index, term }) => `${index}@${term}`).join(' ');
    }
    return part instanceof Uint8Array ? `${part.length} bytes` : part;
  });
}

function describeInput(input: Input): string {
  return input.type === 'message'
    ? `${input.message.type} ${plain(input.message)}`
    : `${input.type} ${plain(input)}`;
}

function describeEffect(effect: Effect): string {
  return effect.type === 'send'
    ? `${effect.message.type} ${plain(effect.message)}`
    : `${effect.type} ${plain(effect)}`;
}
