/**
 * The key-value app of examples/, as a model: what its commands do, and what each is answered with. It is judged by this
 * unless the user brings commands of another app.
 */

export interface KvCommand {
  readonly op: 'put' | 'delete';
  readonly key: string;
  readonly value?: string;
}

export function kvCommand(command: KvCommand): Buffer {
  return Buffer.from(JSON.stringify(command));
}

/** Undefined where it is no command of this app. */
export function readKvCommand(bytes: Buffer): KvCommand | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { op, key, value: text = '' } = value as Record<string, unknown>;
  if ((op !== 'put' && op !== 'delete') || typeof key !== 'string' || typeof text !== 'string')
    return undefined;
  return { op, key, value: text };
}

export class KvModel {
  readonly state = new Map<string, string>();

  /** Whether the key existed; undefined where it is no command. */
  apply(bytes: Buffer): boolean | undefined {
    const command = readKvCommand(bytes);
    if (command === undefined) return undefined;
    const { op, key, value = '' } = command;
    const existed = this.state.has(key);
    if (op === 'put') this.state.set(key, value);
    else this.state.delete(key);
    return existed;
  }
}
