/** What an HTTP answer of a sidecar says: its JSON, checked, or why it refused. Throws LinkFault. */
import * as z from 'zod';
import type { LinkState } from '../../../shared/cluster-view.ts';
import { whatIsWrong } from '../../../shared/inspect-schema.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { type Answered, RequestFailure } from './request.ts';

/** Why a node cannot be used now: the state its link gets, and one sentence without the node's name. */
export class LinkFault extends Error {
  readonly state: Exclude<LinkState, 'CONNECTED' | 'CONNECTING' | 'UNKNOWN'>;
  constructor(state: LinkFault['state'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LinkFault';
    this.state = state;
  }
}

/** The checked JSON of an answer. Throws LinkFault for a refusal and for what is not of this protocol. */
export function readAnswer<T>(answer: Answered, schema: z.ZodType<T>): T {
  return checkValue(readValue(answer), schema);
}

/** The JSON of an answer, unchecked. Throws LinkFault for a refusal and for what is no JSON. */
export function readValue({ status, body }: Answered): unknown {
  if (status !== 200) {
    const state =
      status === 401 || status === 403
        ? 'UNAUTHORIZED'
        : status >= 500 || status === 429
          ? 'RETRYING'
          : 'INCOMPATIBLE';
    throw new LinkFault(state, `it answered ${refusalText(status, body)}`);
  }
  try {
    return JSON.parse(body);
  } catch (error) {
    const reason = 'its answer is not JSON: this is no sidecar of Outrigger';
    throw new LinkFault('INCOMPATIBLE', reason, { cause: error });
  }
}

export function checkValue<T>(value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const reason = `its answer is not of a version we know (${safeLine(whatIsWrong(parsed.error))})`;
  throw new LinkFault('INCOMPATIBLE', reason, { cause: parsed.error });
}

/** The state that a failed request gives the link. */
export function faultOf(error: unknown): LinkFault {
  if (error instanceof LinkFault) return error;
  if (!(error instanceof RequestFailure)) throw error;
  const state =
    error.kind === 'TIMEOUT' ? 'SILENT' : error.kind === 'TOO_LARGE' ? 'INCOMPATIBLE' : 'RETRYING';
  return new LinkFault(state, error.message, { cause: error });
}

const refusalSchema = z.object({
  code: z.string(),
  message: z.string(),
  definite: z.boolean().default(true),
});

/** `503 OVERLOADED: 64 requests wait already`, from the JSON that every refusal has; `503` where it has none. */
export function refusalText(status: number, body: string): string {
  const { code, message, definite } = refusalOf(body);
  if (code === '') return String(status);
  const text = safeLine(`${status} ${code}: ${message}`, 500);
  return definite ? text : `${text} (it may still take effect)`;
}

function refusalOf(body: string): z.infer<typeof refusalSchema> {
  try {
    return refusalSchema.parse(JSON.parse(body));
  } catch (error) {
    // Not one of ours: the status alone is told.
    if (error instanceof SyntaxError || error instanceof z.ZodError)
      return { code: '', message: '', definite: true };
    throw error;
  }
}
