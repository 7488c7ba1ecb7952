/**
 * What is remembered between windows: what was attached (per workspace), addresses typed by hand (for all), and tokens.
 *
 * MUST: keep tokens in the SecretStorage only, each under the address it belongs to; never in settings or state.
 */
import type { Memento, SecretStorage } from 'vscode';
import type { Attachment } from '../protocol.ts';

type Secrets = Pick<SecretStorage, 'get' | 'store' | 'delete'>;

export const MEMORY_LIMITS = {
  /** Addresses typed by hand that are offered again. Then the oldest is forgotten. */
  recentAddresses: 20,
  /** Attachments. Then the rest is forgotten. */
  attachments: 32,
  /** Detached clusters, the newest last. Then the oldest is forgotten, and watched again when found. */
  detached: 100,
} as const;

const ATTACHED = 'outrigger.attached';
const DETACHED = 'outrigger.detached';
const RECENT = 'outrigger.recentAddresses';

// State of an older or newer version may have another shape: what does not fit counts as absent. (By hand, not with zod:
// this runs at activation, where zod alone would take a third of the time.)
function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isAttachment(value: unknown): value is Attachment {
  if (typeof value !== 'object' || value === null || !('cluster' in value) || !('addresses' in value))
    return false;
  return isText(value.cluster) && Array.isArray(value.addresses) && value.addresses.every(isText);
}

function listOf<T>(value: unknown, fits: (one: unknown) => one is T): readonly T[] {
  return Array.isArray(value) ? value.filter(fits) : [];
}

export class Memory {
  readonly #workspace: Memento;
  readonly #global: Memento;
  readonly #secrets: Secrets;

  constructor(workspace: Memento, global: Memento, secrets: Secrets) {
    this.#workspace = workspace;
    this.#global = global;
    this.#secrets = secrets;
  }

  attachments(): readonly Attachment[] {
    return listOf(this.#workspace.get(ATTACHED), isAttachment);
  }

  /** Names of clusters that were detached: not to be watched again by themselves. */
  detached(): readonly string[] {
    return listOf(this.#workspace.get(DETACHED), isText);
  }

  async remember(attachments: readonly Attachment[], detached: readonly string[]): Promise<void> {
    await this.#workspace.update(ATTACHED, attachments.slice(0, MEMORY_LIMITS.attachments));
    await this.#workspace.update(DETACHED, detached.slice(-MEMORY_LIMITS.detached));
  }

  recentAddresses(): readonly string[] {
    return listOf(this.#global.get(RECENT), isText);
  }

  async addRecentAddress(address: string): Promise<void> {
    const others = this.recentAddresses().filter((one) => one !== address);
    await this.#global.update(RECENT, [address, ...others].slice(0, MEMORY_LIMITS.recentAddresses));
  }

  /** '' where none is kept. */
  async token(address: string): Promise<string> {
    return (await this.#secrets.get(secretKey(address))) ?? '';
  }

  /** '' forgets it. */
  async keepToken(address: string, token: string): Promise<void> {
    if (token === '') await this.#secrets.delete(secretKey(address));
    else await this.#secrets.store(secretKey(address), token);
  }
}

function secretKey(address: string): string {
  return `outrigger.token:${address}`;
}
