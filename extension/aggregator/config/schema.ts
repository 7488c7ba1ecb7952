/**
 * What `outrigger.json` holds: the clusters of a workspace.
 *
 * MUST: be the one source of the shape: the JSON schema that editors use (extension/schemas/outrigger.schema.json) is made
 * from it, and a test holds that they are equal. What two fields say together is judged in checks.ts.
 */
import * as z from 'zod';
import { nameSchema } from '../../../shared/endpoint-files.ts';
import { decoderSettingSchema } from '../decode/settings.ts';
import { CONFIG_LIMITS } from './limits.ts';

/** What `outrigger run` takes where nothing is said; milliseconds. */
export const TIMING_DEFAULTS = { electionMinMs: 150, electionMaxMs: 300, heartbeatMs: 50 } as const;

const node = z.strictObject({
  id: nameSchema.meta({
    description: 'Id of the node, as `outrigger run --id` has it. Unique in its cluster.',
  }),
  http: z.string().max(200).optional().meta({
    description:
      'HTTP address of its sidecar, such as http://127.0.0.1:8001: on this machine, or https://…. May be left out: the other nodes are asked for it.',
  }),
  peer: z
    .string()
    .max(300)
    .regex(/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'must be HOST:PORT (an IPv6 host in [ ])')
    .optional()
    .meta({ description: 'Address between sidecars, HOST:PORT, as `outrigger run --peer-listen` has it.' }),
  learner: z
    .boolean()
    .optional()
    .meta({ description: 'It gets the log and does not vote. Default: false, a voter.' }),
});

const cluster = z.strictObject({
  name: nameSchema.meta({ description: 'Name of the cluster, as `outrigger run --cluster` has it.' }),
  nodes: z.array(node).min(1).max(CONFIG_LIMITS.nodes).meta({ description: 'Its nodes.' }),
  electionMinMs: z
    .int()
    .min(50)
    .max(60_000)
    .optional()
    .meta({
      description: `Shortest election timeout: a follower that hears of no leader for so long stands for election. Default ${TIMING_DEFAULTS.electionMinMs}.`,
    }),
  electionMaxMs: z
    .int()
    .min(50)
    .max(120_000)
    .optional()
    .meta({
      description: `Longest election timeout; each is drawn at random between the two. Default ${TIMING_DEFAULTS.electionMaxMs}.`,
    }),
  heartbeatMs: z
    .int()
    .min(10)
    .max(30_000)
    .optional()
    .meta({
      description: `How often a leader makes itself known. Default ${TIMING_DEFAULTS.heartbeatMs}.`,
    }),
  decoder: decoderSettingSchema.optional(),
});

export const outriggerFileSchema = z
  .strictObject({
    $schema: z.string().max(2_000).optional().meta({ description: 'Where the schema of this file is.' }),
    clusters: z
      .array(cluster)
      .max(CONFIG_LIMITS.clusters)
      .meta({ description: 'The clusters that this workspace works with.' }),
  })
  .meta({
    title: 'Outrigger',
    description: 'The Raft clusters of this workspace, for the Outrigger inspector.',
  });

export type OutriggerFile = z.infer<typeof outriggerFileSchema>;

/** The JSON schema of the file (draft 7, which editors know best), with the hints that VS Code understands. */
export function outriggerJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(outriggerFileSchema, { target: 'draft-7', io: 'input' });
  return { $schema, allowComments: true, allowTrailingCommas: true, ...schema };
}
