/**
 * The payload decoders of all clusters, as documents, hovers and the panel use them.
 *
 * MUST: always answer, with the built-in decoders where the user's own cannot be had, and say why; read a schema and run a
 * command only through a TrustedFolder. Never used by the sidecar.
 */
import { setMaxListeners } from 'node:events';
import { safeBlock, safeLine } from '../../../shared/safe-text.ts';
import type { Disposable } from '../contract.ts';
import { BUILT_IN, decodeNow, type Named } from './chain.ts';
import { ExternalDecoder, type ExternalLimits } from './external.ts';
import { DECODE_LIMITS } from './limits.ts';
import { loadProtobuf } from './proto-files.ts';
import type { DecoderSetting } from './settings.ts';
import { NOT_TRUSTED, TrustedFolder, WorkspaceFileError } from './trust.ts';
import type { Attempt, Decoded, DecodedLine, Wanted } from './types.ts';

/** What the workspace says of one cluster. */
export interface ClusterDecoder {
  readonly cluster: string;
  /** The workspace folder that says it: files and commands are relative to it. */
  readonly folder: string;
  readonly decoder: DecoderSetting;
}

/** What is in force for one cluster. */
interface Entry {
  readonly setting: ClusterDecoder;
  /** What decodes at once; absent while a schema is being read, and for a command. */
  named?: Named;
  external?: ExternalDecoder;
  /** Why the setting has no effect. */
  refused?: Attempt;
  /** Ends when the schema is read; already over for the rest. */
  ready: Promise<void>;
}

export class Decoders {
  readonly #limits: Partial<{ readonly [name in keyof ExternalLimits]: number }>;
  readonly #listeners = new Set<(cluster: string) => void>();
  #entries = new Map<string, Entry>();
  #trusted = false;

  /** `limits`: of a decoder command, for tests. */
  constructor(limits: Partial<{ readonly [name in keyof ExternalLimits]: number }> = {}) {
    this.#limits = limits;
  }

  /** Takes new settings; what did not change keeps its schema or its process. Loss of trust ends them all. */
  configure(settings: readonly ClusterDecoder[], trusted: boolean): void {
    const old = this.#entries;
    const keep = trusted === this.#trusted;
    this.#trusted = trusted;
    this.#entries = new Map();
    for (const setting of settings) {
      if (this.#entries.has(setting.cluster)) continue;
      const before = old.get(setting.cluster);
      const same = keep && JSON.stringify(before?.setting) === JSON.stringify(setting);
      this.#entries.set(setting.cluster, same && before !== undefined ? before : this.#open(setting));
    }
    for (const [cluster, entry] of old) {
      if (this.#entries.get(cluster) !== entry) this.#close(entry);
    }
  }

  /** Reads all schemas again and forgives commands that were given up: files of the workspace changed. */
  reload(): void {
    const settings = [...this.#entries.values()].map(({ setting }) => setting);
    this.configure([], this.#trusted);
    this.configure(settings, this.#trusted);
  }

  /** A schema was read, or could not be: what was decoded for this cluster may look different now. */
  onChange(listener: (cluster: string) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  /** True when `lines` may know more than `line`: a command decodes this cluster. */
  isExternal(cluster: string): boolean {
    return this.#entries.get(cluster)?.external !== undefined;
  }

  /** At once; by a command of the user's never. */
  line(cluster: string, bytes: Uint8Array): DecodedLine {
    return lineOf(decodeNow(bytes, 'LINE', this.#entries.get(cluster)?.named));
  }

  /** Everything that can be said of one payload. Never rejects. */
  async full(cluster: string, bytes: Uint8Array, signal?: AbortSignal): Promise<Decoded> {
    const entry = this.#entries.get(cluster);
    await entry?.ready;
    if (entry?.external === undefined || bytes.length === 0) {
      return decodeNow(bytes, 'TEXT', entry?.named, entry?.refused === undefined ? [] : [entry.refused]);
    }
    return byCommand(entry.external, bytes, 'TEXT', signal);
  }

  /** A whole window of payloads, in their order. Never rejects; what a command does not answer in time is shown without it. */
  async lines(cluster: string, list: readonly Uint8Array[], signal?: AbortSignal): Promise<DecodedLine[]> {
    const entry = this.#entries.get(cluster);
    await entry?.ready;
    const { external } = entry ?? {};
    if (external === undefined) return list.map((bytes) => this.line(cluster, bytes));
    const stop = new AbortController();
    // Every payload of the window listens to it.
    setMaxListeners(0, stop.signal);
    const end = (): void => stop.abort();
    const timer = setTimeout(end, DECODE_LIMITS.windowMs);
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted === true) end();
    try {
      return await Promise.all(
        list.map(async (bytes) =>
          bytes.length === 0
            ? lineOf(decodeNow(bytes, 'LINE'))
            : lineOf(await byCommand(external, bytes, 'LINE', stop.signal)),
        ),
      );
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    }
  }

  /** Ends every decoder process. */
  dispose(): void {
    this.configure([], false);
    this.#listeners.clear();
  }

  #open(setting: ClusterDecoder): Entry {
    const { decoder } = setting;
    const entry: Entry = { setting, ready: Promise.resolve() };
    if (decoder.kind !== 'protobuf' && decoder.kind !== 'command') {
      entry.named = { name: decoder.kind, decode: BUILT_IN[decoder.kind] };
      return entry;
    }
    const folder = TrustedFolder.of(setting.folder, this.#trusted);
    if (folder === undefined) {
      entry.refused = { decoder: decoder.kind, ok: false, why: NOT_TRUSTED };
    } else if (decoder.kind === 'command') {
      entry.external = new ExternalDecoder(folder, decoder.command, this.#limits);
    } else {
      entry.ready = loadProtobuf(folder, decoder)
        .then((decode) => {
          entry.named = { name: 'protobuf', decode };
        })
        .catch((error: unknown) => {
          const why = error instanceof WorkspaceFileError ? error.message : String(error);
          entry.refused = { decoder: 'protobuf', ok: false, why: safeLine(why) };
        })
        .then(() => this.#changed(entry));
    }
    return entry;
  }

  #changed(entry: Entry): void {
    const { cluster } = entry.setting;
    if (this.#entries.get(cluster) !== entry) return;
    for (const listener of this.#listeners) listener(cluster);
  }

  #close(entry: Entry): void {
    entry.external?.dispose();
  }
}

async function byCommand(
  external: ExternalDecoder,
  bytes: Uint8Array,
  wanted: Wanted,
  signal: AbortSignal | undefined,
): Promise<Decoded> {
  try {
    const text = await external.decode(bytes, signal);
    return {
      decoder: 'command',
      guess: false,
      line: safeLine(text, DECODE_LIMITS.lineChars),
      text: wanted === 'TEXT' ? safeBlock(text, DECODE_LIMITS.textChars) : '',
      attempts: [{ decoder: 'command', ok: true, why: '' }],
    };
  } catch (error) {
    const why = safeLine(error instanceof Error ? error.message : String(error));
    return decodeNow(bytes, wanted, undefined, [{ decoder: 'command', ok: false, why }]);
  }
}

function lineOf({ decoder, guess, line }: DecodedLine): DecodedLine {
  return { decoder, guess, line };
}
