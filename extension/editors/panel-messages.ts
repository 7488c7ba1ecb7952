/**
 * What may come from a panel's page, checked.
 *
 * MUST: let nothing through that is not exactly a message of the page. A page shows text of strangers: it is not trusted.
 */
import '../util/zod.ts';

import * as z from 'zod';
import { nameSchema } from '../../shared/endpoint-files.ts';
import { QUESTIONS } from '../../shared/explain/types.ts';
import type { FromPage, PanelMethods } from '../../shared/panel-protocol.ts';

const index = z.int().min(0);
const id = z.int().min(0);

const request = z.discriminatedUnion('method', [
  z.strictObject({
    type: z.literal('request'),
    id,
    method: z.literal('openLog'),
    params: z.strictObject({ node: nameSchema, index }),
  }),
  z.strictObject({
    type: z.literal('request'),
    id,
    method: z.literal('compare'),
    params: z.strictObject({ left: nameSchema, right: nameSchema }),
  }),
  z.strictObject({
    type: z.literal('request'),
    id,
    method: z.literal('entry'),
    params: z.strictObject({ node: nameSchema, index }),
  }),
  z.strictObject({
    type: z.literal('request'),
    id,
    method: z.literal('explain'),
    params: z.strictObject({ about: z.enum(QUESTIONS), id: z.string().max(64) }),
  }),
]);

const message = z.union([
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({ type: z.literal('resync') }),
  request,
]);

/** A request that the editor answers itself: the aggregator opens no editors. */
export type EditorRequest =
  | { readonly id: number; readonly method: 'openLog'; readonly params: PanelMethods['openLog']['params'] }
  | { readonly id: number; readonly method: 'compare'; readonly params: PanelMethods['compare']['params'] };

export type Checked =
  | { readonly kind: 'RELAY'; readonly message: FromPage }
  | { readonly kind: 'EDITOR'; readonly request: EditorRequest }
  /** `reason`: one sentence. */
  | { readonly kind: 'REFUSED'; readonly reason: string };

export function checkMessage(raw: unknown): Checked {
  const parsed = message.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') ?? '';
    return {
      kind: 'REFUSED',
      reason: `A message of the panel was refused: ${where === '' ? 'it' : where} is not what it should be.`,
    };
  }
  const { data } = parsed;
  if (data.type !== 'request') return { kind: 'RELAY', message: data };
  switch (data.method) {
    case 'openLog':
      return { kind: 'EDITOR', request: { id: data.id, method: 'openLog', params: data.params } };
    case 'compare':
      return { kind: 'EDITOR', request: { id: data.id, method: 'compare', params: data.params } };
    case 'entry':
    case 'explain':
      return { kind: 'RELAY', message: data };
  }
}
