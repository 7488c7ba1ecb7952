/**
 * How a user says what the payloads of a cluster are: the `decoder` of `outrigger.json`.
 *
 * MUST: describe every field in words for people; the JSON schema that editors show is made from this.
 */
import * as z from 'zod';

const TYPE_PATTERN = /^\.?[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

const builtIn = z
  .strictObject({
    kind: z
      .enum(['messagepack', 'cbor', 'json', 'utf8', 'hex'])
      .meta({ description: 'The format of every command of this cluster.' }),
  })
  .meta({ title: 'A format that is built in' });

const protobuf = z
  .strictObject({
    kind: z.literal('protobuf').meta({ description: 'Protocol Buffers, by a .proto file of yours.' }),
    file: z.string().min(1).max(1_000).meta({
      description:
        'The .proto file, relative to the workspace folder. It and what it imports must be inside that folder; it is read only when the workspace is trusted.',
    }),
    type: z
      .string()
      .max(500)
      .regex(TYPE_PATTERN, 'must be the full name of a message, such as shop.Order')
      .meta({ description: 'Full name of the message that a command is, such as shop.Order.' }),
    skipBytes: z.int().min(0).max(64).optional().meta({
      description: 'Bytes before the message that are not part of it, such as a magic byte. Default 0.',
    }),
    lengthPrefixed: z
      .boolean()
      .optional()
      .meta({ description: 'The message follows its own length as a varint ("delimited"). Default false.' }),
  })
  .meta({ title: 'Protocol Buffers' });

const command = z
  .strictObject({
    kind: z.literal('command').meta({ description: 'A program of yours that decodes.' }),
    command: z.array(z.string().max(4_000)).min(1).max(64).meta({
      description:
        'Program and arguments, run without a shell in the workspace folder, and only when the workspace is trusted. It reads frames from standard input (4 bytes big-endian length, then the payload) and writes one line of JSON for each, in order: {"text": "…"} or {"error": "…"}.',
    }),
  })
  .meta({ title: 'A program of yours' });

export const decoderSettingSchema = z
  .discriminatedUnion('kind', [builtIn, protobuf, command])
  .meta({ description: 'What the commands of this cluster are. Without it the format is found by trying.' });

export type DecoderSetting = z.infer<typeof decoderSettingSchema>;
export type ProtobufSetting = z.infer<typeof protobuf>;
export type CommandSetting = z.infer<typeof command>;
