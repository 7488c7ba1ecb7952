/**
 * The app schema as plain tables, made once from `proto/app.proto` by reflection, so that both codecs of the
 * app socket follow the schema and cannot drift from it.
 *
 * MUST: know nothing of JSON or protobuf bytes. MUST NOT: name a single message or field.
 */
import protobuf from 'protobufjs';
import { appSchema } from './schema.ts';

export type FieldKind = 'uint32' | 'uint64' | 'bool' | 'string' | 'bytes' | 'enum' | 'message';

export interface FieldPlan {
  /** Name in TypeScript and in JSON. */
  readonly name: string;
  /** For sentences: `propose.timeoutMs`. */
  readonly path: string;
  readonly kind: FieldKind;
  /** May be absent. A repeated field never is: its default is []. */
  readonly optional: boolean;
  readonly repeated: boolean;
  /** Names by number, for an enum. */
  readonly names: readonly string[];
  /** For a message. */
  readonly message: MessagePlan | undefined;
}

export interface MessagePlan {
  readonly path: string;
  readonly codec: protobuf.Type;
  readonly fields: readonly FieldPlan[];
  /** Whether an enum is somewhere inside: protobufjs takes enums as numbers, we hold them as names. */
  readonly hasEnum: boolean;
}

/** One member of a frame. */
export interface MemberPlan {
  readonly name: string;
  readonly message: MessagePlan;
  /** Field number in the frame message. */
  readonly number: number;
}

/** One direction: `AppFrame` or `SidecarFrame`. */
export interface FramePlan {
  readonly byName: ReadonlyMap<string, MemberPlan>;
  readonly byNumber: readonly (MemberPlan | undefined)[];
}

/** What a frame that can be read says and may not say; one sentence. */
export class FieldError extends Error {}

const SCALARS: ReadonlySet<string> = new Set(['uint32', 'uint64', 'bool', 'string', 'bytes']);

function planField(field: protobuf.Field, parentPath: string): FieldPlan {
  field.resolve();
  const path = `${parentPath}.${field.name}`;
  const resolved = field.resolvedType;
  const isMessage = resolved instanceof protobuf.Type;
  const kind = isMessage ? 'message' : resolved instanceof protobuf.Enum ? 'enum' : field.type;
  if (resolved === null && !SCALARS.has(field.type)) {
    throw new Error(`${path} has the type ${field.type}, which the app codecs do not know`);
  }
  return {
    name: field.name,
    path,
    kind: kind as FieldKind,
    optional: field.hasPresence,
    repeated: field.repeated,
    names: resolved instanceof protobuf.Enum ? enumNames(resolved) : [],
    message: isMessage ? planMessage(resolved, field.repeated ? `${path}[]` : path) : undefined,
  };
}

function enumNames(type: protobuf.Enum): string[] {
  const names: string[] = [];
  for (const [name, number] of Object.entries(type.values)) names[number] = name;
  return names;
}

function planMessage(codec: protobuf.Type, path: string): MessagePlan {
  const fields = codec.fieldsArray.map((field) => planField(field, path));
  const hasEnum = fields.some((field) => field.kind === 'enum' || field.message?.hasEnum === true);
  return { path, codec, fields, hasEnum };
}

function planFrame(name: string): FramePlan {
  const byName = new Map<string, MemberPlan>();
  const byNumber: (MemberPlan | undefined)[] = [];
  for (const field of appSchema.lookupType(name).fieldsArray) {
    field.resolve();
    if (!(field.resolvedType instanceof protobuf.Type))
      throw new Error(`${name}.${field.name} is no message`);
    const member = {
      name: field.name,
      message: planMessage(field.resolvedType, field.name),
      number: field.id,
    };
    byName.set(member.name, member);
    byNumber[field.id] = member;
  }
  return { byName, byNumber };
}

export const appFramePlan: FramePlan = planFrame('outrigger.app.v1.AppFrame');
export const sidecarFramePlan: FramePlan = planFrame('outrigger.app.v1.SidecarFrame');

/** The value of a field that is not optional and not there. */
export function defaultOf(field: FieldPlan): unknown {
  if (field.repeated) return [];
  switch (field.kind) {
    case 'uint32':
    case 'uint64':
      return 0;
    case 'bool':
      return false;
    case 'string':
      return '';
    case 'bytes':
      return Buffer.alloc(0);
    case 'enum':
      return field.names[0];
    case 'message':
      return undefined;
  }
}
