/**
 * A history in a file, with the log that goes with it: runs of real processes cannot be repeated, so what was wrong in one
 * must be kept.
 *
 * MUST: refuse a file that is not one, with one clear sentence.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { BadHistory, type Operation } from '../history.ts';
import type { LogEntry } from '../resolve.ts';

export interface Evidence {
  readonly history: readonly Operation[];
  readonly log: readonly LogEntry[];
}

const time = z
  .string()
  .regex(/^\d+$/)
  .transform((text) => BigInt(text));
const count = z.number().int().nonnegative();

const command = z.discriminatedUnion('type', [
  z.object({ type: z.literal('get') }),
  z.object({ type: z.literal('put'), value: z.string() }),
  z.object({ type: z.literal('append'), value: z.string() }),
  z.object({ type: z.literal('add'), delta: z.number().int() }),
  z.object({ type: z.literal('cas'), version: count, value: z.string() }),
  z.object({ type: z.literal('delete') }),
]);

const seen = z
  .object({ version: count, value: z.string().nullable(), existed: z.boolean(), done: z.boolean() })
  .partial();

const outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ok'), seen, index: count.optional() }),
  z.object({ kind: z.literal('failed') }),
  z.object({ kind: z.literal('unknown') }),
]);

const evidence = z.object({
  history: z.array(
    z.object({
      client: z.string(),
      key: z.string(),
      id: z.string(),
      command,
      call: time,
      return: time.optional(),
      outcome,
    }),
  ),
  log: z.array(z.object({ index: count, id: z.string() })),
});

export async function keep(file: string, { history, log }: Evidence): Promise<void> {
  const text = JSON.stringify({ history, log }, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  await writeFile(file, `${text}\n`, { mode: 0o600 });
}

/** Throws BadHistory when the file holds none. */
export async function readEvidence(file: string): Promise<Evidence> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new BadHistory(`${file} cannot be read: ${error.message}`);
  });
  return parseEvidence(file, text);
}

function parseEvidence(file: string, text: string): Evidence {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw new BadHistory(`${file} holds no JSON`);
  }
  const parsed = evidence.safeParse(data);
  if (!parsed.success) throw new BadHistory(`${file} holds no history: ${z.prettifyError(parsed.error)}`);
  // JSON knows no undefined: what is optional is there or absent.
  const history = parsed.data.history.map((one) => ({ ...one, return: one.return }) as Operation);
  return { log: parsed.data.log, history };
}
