/**
 * Reads `/v1/events` of one sidecar, and comes back by itself where it was when the stream breaks.
 *
 * MUST: check what it gets; notice a silent link; say when it lost the sidecar and when it is back, and whether events
 * were forgotten meanwhile.
 */
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { EVENT_HEADERS, type NodeEvent, type RaftEvent } from '../../shared/events.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { Client } from './client.ts';
import { CliError } from './errors.ts';

/** Kinds and causes of a newer sidecar are shown like others: only what is printed must be what it claims to be. */
const eventSchema = z.looseObject({
  seq: z.int().positive(),
  at: z.number(),
  kind: z.string(),
  term: z.int().nonnegative(),
  cause: z.string(),
  peer: z.string().optional(),
  role: z.string().optional(),
  was: z.string().optional(),
  leader: z.string().optional(),
  granted: z.boolean().optional(),
  preVote: z.boolean().optional(),
  index: z.int().optional(),
  through: z.int().optional(),
  oldTerm: z.int().optional(),
  entries: z.int().optional(),
  ms: z.number().optional(),
  state: z.string().optional(),
  reason: z.string().optional(),
});

/** After so long without a word the link counts as dead: a stream says something more often than that. */
const SILENCE_MS = 3 * LIMITS.eventStreamKeepAliveMs;
/** One line of a stream; an event has no payload, so a longer one is no event. */
const LINE_CHARS = 1024 * 1024;

export interface StreamReader {
  /** Begins after this: an id or a number; undefined for the oldest event kept. */
  readonly since?: string | undefined;
  event(event: NodeEvent): void;
  /** Events before `first` are gone: they were forgotten before we could read them. */
  gap?(first: number): void;
}

/**
 * Reads until the newest event of the moment at which it began; with `follow` it never ends. Throws CliError when the
 * sidecar cannot be reached, refuses, or breaks off.
 */
export async function readEvents(
  client: Client,
  reader: StreamReader,
  follow: boolean,
  stop: AbortSignal = new AbortController().signal,
): Promise<{ readonly lastId: string }> {
  const abort = new AbortController();
  const signal = AbortSignal.any([abort.signal, stop]);
  let silence = setTimeout(() => abort.abort(new Error('it fell silent')), SILENCE_MS);
  let lastId = reader.since ?? '';
  try {
    const response = await client.stream('/v1/events', 'view', lastId, signal);
    const generation = response.headers.get(EVENT_HEADERS.generation) ?? '';
    const last = Number(response.headers.get(EVENT_HEADERS.last));
    let expected = expectedNext(lastId, generation, last);
    if (!follow && (last === 0 || expected > last)) return { lastId };
    for await (const line of lines(response)) {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(new Error('it fell silent')), SILENCE_MS);
      if (!line.startsWith('data: ')) continue;
      const event = { ...parseEvent(line.slice('data: '.length)), node: client.target.name, generation };
      if (event.seq > expected && expected > 0) reader.gap?.(event.seq);
      expected = event.seq + 1;
      lastId = `${generation}-${event.seq}`;
      reader.event(event);
      if (!follow && event.seq >= last) return { lastId };
    }
    throw new StreamBroken(`${client.target.name} ended the stream.`, lastId);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new StreamBroken(client.unreachable(abort.signal.aborted ? abort.signal.reason : error), lastId);
  } finally {
    clearTimeout(silence);
    abort.abort();
  }
}

/** The stream began and broke off; `lastId` is where to resume. */
class StreamBroken extends CliError {
  readonly lastId: string;
  constructor(message: string, lastId: string) {
    super(message);
    this.lastId = lastId;
  }
}

/** Follows one sidecar until `stop`: whenever it is lost it is asked again, from where we were. */
export async function followEvents(
  client: Client,
  reader: StreamReader & { lost(reason: string): void },
  stop?: AbortSignal,
): Promise<void> {
  let since = reader.since;
  let told = false;
  const stopped = (): boolean => stop?.aborted === true;
  while (!stopped()) {
    const resumed: StreamReader = {
      ...reader,
      since,
      event: (event) => {
        told = false;
        reader.event(event);
      },
    };
    try {
      await readEvents(client, resumed, true, stop);
    } catch (error) {
      if (stopped()) return;
      if (!(error instanceof CliError)) throw error;
      if (error instanceof StreamBroken && error.lastId !== '') since = error.lastId;
      if (!told) reader.lost(error.message);
      told = true;
    }
    await delay(LIMITS.eventStreamRetryMs);
  }
}

/** The sequence that comes next after `id`, 0 where it is of another run: that begins anew. */
function expectedNext(id: string, generation: string, last: number): number {
  const [, of, digits] = /^(?:([0-9a-z]+)-)?(\d+)$/.exec(id) ?? [];
  if (digits === undefined || (of !== undefined && of !== generation)) return 0;
  return Number(digits) > last ? 0 : Number(digits) + 1;
}

function parseEvent(text: string): RaftEvent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CliError(`the event stream is not one: ${error instanceof Error ? error.message : error}.`);
  }
  const parsed = eventSchema.safeParse(value);
  if (!parsed.success) throw new CliError(`the event stream is not one: ${parsed.error.issues[0]?.message}.`);
  return parsed.data as RaftEvent;
}

/** Lines without their ends. The sidecar writes `\n` only. */
async function* lines(response: Response): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk, { stream: true });
    const complete = rest.split('\n');
    rest = complete.pop() ?? '';
    if (rest.length > LINE_CHARS) throw new CliError('the event stream has a line that is too long.');
    yield* complete;
  }
}
