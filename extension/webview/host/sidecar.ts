/**
 * The HTTP answers of one sidecar, fetched and checked: what the browser host asks for.
 *
 * MUST: send the token in the Authorization header only; end every request by itself; tell why one failed in one sentence.
 */
import { createParser } from 'eventsource-parser';
import { EVENT_HEADERS, type NodeEvent } from '../../../shared/events.ts';
import type { Explanation } from '../../../shared/explain/types.ts';
import type { NodeStatus, TermsView } from '../../../shared/inspect.ts';
import type { EntryDetails } from '../../../shared/panel-protocol.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { type Guard, isIndex, isObject, isText } from '../guards.ts';
import { isExplanation, isLogPage, isRaftEvent, isTermsView } from '../incoming.ts';
import { isNodeStatus } from '../status-guard.ts';
import { text } from '../strings.ts';
import { decodePayload, SHOWN_BYTES } from './entry-text.ts';

export const SIDECAR_LIMITS = {
  /** From request to the whole answer, ms. Over it: SILENT. */
  answerMs: 3_000,
  /** One answer, in bytes (an entry of 1 MiB in base64 fits). Over it: refused unread. */
  answerBytes: 16 * 1024 * 1024,
  /** No byte on the event stream for so long, ms: it is dead. The sidecar sends a comment more often. */
  streamMs: 30_000,
  /** One event on the stream, in characters. Over it: the stream is given up and begun again. */
  eventChars: 1024 * 1024,
} as const;

/** UNAUTHORIZED: the token is missing or wrong. UNREADABLE: not what this page knows. Else it could not be had now. */
export type SidecarFault = 'UNAUTHORIZED' | 'UNREADABLE' | 'SILENT' | 'UNREACHABLE' | 'REFUSED';

export class SidecarError extends Error {
  readonly fault: SidecarFault;

  constructor(fault: SidecarFault, message: string) {
    super(message);
    this.name = 'SidecarError';
    this.fault = fault;
  }
}

export interface EventReader {
  /** The stream begins. `missed`: events that the node recorded since the last one we have, and forgot. */
  begin(missed: number): void;
  /** Events that arrived together; `lastId` names the newest, for resuming. */
  take(events: readonly NodeEvent[], lastId: string): void;
}

export class Sidecar {
  token = '';

  status(): Promise<NodeStatus> {
    return this.#json('/v1/status', isNodeStatus);
  }

  terms(): Promise<TermsView> {
    return this.#json('/v1/log/terms', isTermsView);
  }

  explain(about: string, id: string): Promise<Explanation> {
    return this.#json(`/v1/explain?${new URLSearchParams({ about, id })}`, isExplanation);
  }

  async entry(node: string, index: number): Promise<EntryDetails> {
    const page = await this.#json(`/v1/log?from=${index}&to=${index}&limit=1`, isLogPage);
    const found = page.entries.find((one) => one.index === index);
    if (found === undefined) {
      throw new SidecarError('REFUSED', text('cell', node, String(index), text('cell.MISSING')));
    }
    const { decoder, text: shown, cut } = decodePayload(found.command);
    const { term, kind, size, time } = found;
    const note = cut ? ` (${text('entryCut', String(SHOWN_BYTES), String(size))})` : '';
    return { node, index, term, kind, size, time, decoded: { decoder: `${decoder}${note}`, text: shown } };
  }

  /** Reads the event stream until it ends; `since` '' from the oldest kept. Rejects when it cannot be had, or is cut. */
  async events(since: string, node: string, signal: AbortSignal, reader: EventReader): Promise<void> {
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal.addEventListener('abort', abort, { once: true });
    let silence = setTimeout(abort, SIDECAR_LIMITS.streamMs);
    try {
      const headers = { Accept: 'text/event-stream', ...(since === '' ? {} : { 'Last-Event-ID': since }) };
      const response = await this.#fetch('/v1/events', headers, stop.signal);
      const generation = response.headers.get(EVENT_HEADERS.generation) ?? '';
      reader.begin(missedBetween(since, generation, Number(response.headers.get(EVENT_HEADERS.first))));
      let batch: NodeEvent[] = [];
      let lastId = since;
      const parser = createParser({
        maxBufferSize: SIDECAR_LIMITS.eventChars,
        onError: ({ type }) => {
          if (type === 'max-buffer-size-exceeded')
            throw new SidecarError('UNREADABLE', text('statusUnreadable'));
        },
        onEvent: ({ id, data }) => {
          const event = parseJson(data);
          if (id !== undefined) lastId = id;
          if (isRaftEvent(event)) batch.push({ ...event, node, generation });
        },
      });
      const parts = (response.body ?? new Blob().stream()).pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await parts.read(); !part.done; part = await parts.read()) {
        clearTimeout(silence);
        silence = setTimeout(abort, SIDECAR_LIMITS.streamMs);
        parser.feed(part.value);
        if (batch.length > 0) reader.take(batch, lastId);
        batch = [];
      }
    } finally {
      clearTimeout(silence);
      signal.removeEventListener('abort', abort);
    }
  }

  async #json<T>(path: string, guard: Guard<T>): Promise<T> {
    const response = await this.#fetch(path, {}, AbortSignal.timeout(SIDECAR_LIMITS.answerMs));
    const size = Number(response.headers.get('Content-Length') ?? '0');
    if (size > SIDECAR_LIMITS.answerBytes) throw new SidecarError('UNREADABLE', text('statusUnreadable'));
    const answer = parseJson(await response.text().catch(failed));
    if (!guard(answer)) throw new SidecarError('UNREADABLE', text('statusUnreadable'));
    return answer;
  }

  async #fetch(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const authorization: Record<string, string> =
      this.token === '' ? {} : { Authorization: `Bearer ${this.token}` };
    const response = await fetch(path, {
      headers: { ...headers, ...authorization },
      signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    }).catch(failed);
    if (response.ok) return response;
    const answer = parseJson(await response.text().catch(failed));
    const message =
      isObject(answer) && 'message' in answer && isText(answer.message)
        ? safeLine(answer.message)
        : text('answered', String(response.status));
    throw new SidecarError(response.status === 401 ? 'UNAUTHORIZED' : 'REFUSED', message);
  }
}

/** How many events lie between our last one (`GENERATION-SEQ` or '') and the oldest that the node still has. */
function missedBetween(since: string, generation: string, first: number): number {
  const [, ours, seq] = /^(.*)-(\d+)$/.exec(since) ?? [];
  const known = ours === generation ? Number(seq) : 0;
  return isIndex(first) ? Math.max(0, first - known - 1) : 0;
}

/** Turns what `fetch` throws into a sentence. */
function failed(error: unknown): never {
  const slow = error instanceof DOMException && error.name === 'TimeoutError';
  throw slow
    ? new SidecarError('SILENT', text('silent'))
    : new SidecarError('UNREACHABLE', text('cannotReach'));
}

/** The value, or undefined when it is no JSON. */
function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
