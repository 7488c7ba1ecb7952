/**
 * What a command was called on: an item of a view, or plain data of a code lens, a link or a test.
 *
 * MUST: take nothing but what it checked; be pure. An argument of another shape counts as none.
 */
import '../util/zod.ts';

import * as z from 'zod';
import { nameSchema } from '../../shared/endpoint-files.ts';
import { QUESTIONS } from '../../shared/explain/types.ts';
import { FAULT_DIRECTIONS, FAULT_KINDS } from '../../shared/faults.ts';
import { SCHEME } from '../protocol.ts';

const index = z.int().min(0);

const targetSchema = z.object({
  cluster: nameSchema.optional(),
  node: nameSchema.optional(),
  /** Of an entry; 0: the end of the log. */
  index: index.optional(),
  about: z.enum(QUESTIONS).optional(),
  id: z.string().max(64).optional(),
  left: nameSchema.optional(),
  right: nameSchema.optional(),
  /** Who shall lead; '' lets the leader choose. */
  to: z.union([nameSchema, z.literal('')]).optional(),
  /** To be planted, whole: what a kind needs has to be there. */
  fault: z
    .object({
      kind: z.enum(FAULT_KINDS),
      peer: z.union([nameSchema, z.literal('')]).default(''),
      direction: z.enum(FAULT_DIRECTIONS).default('BOTH'),
      delayMs: z.number().default(0),
      jitterMs: z.number().default(0),
      share: z.number().default(0),
      ttlMs: z.number(),
    })
    .optional(),
  address: z.string().max(2_000).optional(),
  text: z.string().optional(),
  /** Of a document of the aggregator. */
  uri: z.string().max(500).startsWith(`${SCHEME}:/`).optional(),
  /** Id of an item of the *Events* view. */
  event: z.string().max(400).optional(),
});

export type Target = z.infer<typeof targetSchema>;

const elementSchema = z.object({ model: z.object({ cluster: z.string(), node: z.string() }) });

/** `argument` is whatever the editor hands over. */
export function targetOf(argument: unknown): Target {
  const element = elementSchema.safeParse(argument);
  const raw = element.success ? dropEmpty(element.data.model) : argument;
  const parsed = targetSchema.safeParse(raw);
  return parsed.success ? parsed.data : {};
}

function dropEmpty(model: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(model).filter(([, value]) => value !== ''));
}
