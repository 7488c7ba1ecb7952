/**
 * Reads a `.proto` file of the workspace and what it imports, and makes a decoder of it.
 *
 * MUST: ask a TrustedFolder for every file (so nothing outside of it, and nothing before trust); parse text only, with
 * bounds on size and number. Imports are looked for beside the importing file, beside the first file, and in the folder.
 */
import { posix } from 'node:path';
import protobuf from 'protobufjs';
import { DECODE_LIMITS } from './limits.ts';
import { protobufDecoder } from './protobuf.ts';
import type { ProtobufSetting } from './settings.ts';
import { type TrustedFolder, WorkspaceFileError } from './trust.ts';
import type { Decode } from './types.ts';

/** Rejects with WorkspaceFileError, whose message is one sentence. */
export async function loadProtobuf(folder: TrustedFolder, setting: ProtobufSetting): Promise<Decode> {
  const root = new protobuf.Root();
  const entry = setting.file.replaceAll('\\', '/');
  const parsed = new Set<string>();
  const queue = [{ name: entry, from: '' }];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const known = protobuf.common.get(next.name);
    if (known !== null) {
      addOnce(parsed, next.name, () => root.addJSON(known.nested ?? {}));
      continue;
    }
    const { path, text } = await find(folder, next.name, next.from, entry);
    addOnce(parsed, path, () => {
      if (parsed.size >= DECODE_LIMITS.protoFiles) {
        throw new WorkspaceFileError(`${entry} needs more than ${DECODE_LIMITS.protoFiles} files`);
      }
      const { imports = [] } = parse(path, text, root);
      queue.push(...imports.map((name) => ({ name, from: path })));
    });
  }
  try {
    root.resolveAll();
    return protobufDecoder(root, setting);
  } catch (error) {
    throw new WorkspaceFileError(`${entry} cannot be used: ${messageOf(error)}`);
  }
}

function addOnce(done: Set<string>, name: string, add: () => void): void {
  if (done.has(name)) return;
  add();
  done.add(name);
}

async function find(
  folder: TrustedFolder,
  name: string,
  from: string,
  entry: string,
): Promise<{ path: string; text: string }> {
  const beside = [posix.dirname(from), posix.dirname(entry), '.'];
  const places = from === '' ? [name] : beside.map((base) => posix.normalize(posix.join(base, name)));
  for (const path of new Set(places)) {
    const text = await folder.read(path, DECODE_LIMITS.protoBytes);
    if (text !== undefined) return { path, text };
  }
  const by = from === '' ? '' : `, which ${from} imports,`;
  throw new WorkspaceFileError(`there is no file ${name}${by} in the workspace folder`);
}

function parse(path: string, text: string, root: protobuf.Root): { imports?: string[] } {
  try {
    const { imports } = protobuf.parse(text, root, { keepCase: true });
    return imports === undefined ? {} : { imports };
  } catch (error) {
    throw new WorkspaceFileError(`${path} is not a .proto file that can be parsed: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
