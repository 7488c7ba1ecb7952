/** Talks to one copy of `examples/python-kv` over HTTP. */

/** acked: it is in the log for good. refused: it did not and will not happen. unsure: nobody knows. */
export type WriteOutcome =
  | { readonly kind: 'acked'; readonly index: number }
  | { readonly kind: 'refused' | 'unsure' };

export interface Dump {
  /** The whole answer: equal bytes on nodes that are equal. */
  readonly text: string;
  readonly appliedIndex: number;
  readonly state: Readonly<Record<string, string>>;
}

const WRITE_MS = 15_000;
const DUMP_MS = 5_000;

export async function put(
  app: string,
  key: string,
  value: string,
  abandoned: AbortSignal,
): Promise<WriteOutcome> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(`${app}/${encodeURIComponent(key)}`, {
      method: 'PUT',
      body: value,
      signal: AbortSignal.any([abandoned, AbortSignal.timeout(WRITE_MS)]),
    });
    body = await response.json();
  } catch (error) {
    // The request may have been taken before the connection broke or the time was up.
    if (error instanceof Error) return { kind: 'unsure' };
    throw error;
  }
  if (response.ok && isIndexed(body)) return { kind: 'acked', index: body.index };
  return { kind: response.status === 504 || response.ok ? 'unsure' : 'refused' };
}

function isIndexed(body: unknown): body is { index: number } {
  return typeof body === 'object' && body !== null && 'index' in body && typeof body.index === 'number';
}

/** The whole state, or undefined when the app does not answer. */
export async function dump(app: string): Promise<Dump | undefined> {
  try {
    const response = await fetch(`${app}/_dump`, { signal: AbortSignal.timeout(DUMP_MS) });
    const text = await response.text();
    return { text, ...(JSON.parse(text) as { appliedIndex: number; state: Record<string, string> }) };
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}
