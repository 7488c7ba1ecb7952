/**
 * How tools find a running sidecar, and the secrets to talk to it: endpoint files and token files (PROTOCOL §2).
 *
 * MUST: be the one place that knows where these files are and what is in them; take only names that can never
 * be a path; say why a file that is there was not used.
 * MAY be imported by the sidecar (which writes them), the CLI and the editor (which read them).
 */
import { readdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import * as z from 'zod';
import type { EndpointFile, TokenFile } from './inspect.ts';
import { NAME_PATTERN } from './names.ts';
import {
  codeOf,
  ensurePrivateFolder,
  PrivateFileError,
  readPrivateFile,
  replacePrivateFile,
} from './private-file.ts';

export { NAME_PATTERN };
export const nameSchema = z
  .string()
  .regex(
    NAME_PATTERN,
    'a name is 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit',
  );

const secret = z.string().regex(/^[A-Za-z0-9_-]{32,256}$/, 'a token is 32 to 256 letters, digits, - and _');

export const tokenFileSchema = z
  .object({ view: secret, write: secret, admin: secret })
  .refine((tokens) => new Set(Object.values(tokens)).size === 3, 'the three tokens must differ');

export const endpointFileSchema = z.object({
  pid: z.int().positive(),
  cluster: nameSchema,
  node: nameSchema,
  http: z.url({ protocol: /^https?$/ }),
  ca: z.string().exactOptional(),
  appSocket: z.string(),
  tokenFile: z.string(),
  control: z.boolean(),
  version: z.string(),
});

interface Environment {
  readonly [name: string]: string | undefined;
}

/** `${XDG_RUNTIME_DIR:-~/.outrigger/run}/outrigger`. As the XDG standard says, a value that is not absolute does not count. */
export function endpointRoot(environment: Environment = process.env): string {
  const runtime = environment['XDG_RUNTIME_DIR'] ?? '';
  const base = isAbsolute(runtime) ? runtime : join(environment['HOME'] || homedir(), '.outrigger', 'run');
  return join(base, 'outrigger');
}

/** Where the endpoint file of a node is. Throws RangeError for a name that is not one. */
export function endpointPath(cluster: string, node: string, root = endpointRoot()): string {
  for (const name of [cluster, node]) {
    if (!NAME_PATTERN.test(name))
      throw new RangeError(`${JSON.stringify(name)} is not a cluster or node name`);
  }
  return join(root, cluster, `${node}.json`);
}

/** Writes (or takes over) the endpoint file of this node and returns its path. Throws PrivateFileError or a system error. */
export async function writeEndpointFile(endpoint: EndpointFile, root = endpointRoot()): Promise<string> {
  const path = endpointPath(endpoint.cluster, endpoint.node, root);
  await ensurePrivateFolder(root);
  await ensurePrivateFolder(dirname(path));
  await replacePrivateFile(path, `${JSON.stringify(endpoint, null, 2)}\n`);
  return path;
}

/** Removes the endpoint file at `path`, unless a later process has taken it over. */
export async function removeEndpointFile(path: string, pid: number = process.pid): Promise<void> {
  const endpoint = await readEndpointFile(path);
  if (endpoint?.pid === pid) await rm(path, { force: true });
}

/** Reads one endpoint file; undefined when there is none. Throws PrivateFileError when it cannot be used. */
export async function readEndpointFile(path: string): Promise<EndpointFile | undefined> {
  return readJson(path, endpointFileSchema, 'an endpoint file');
}

/** Reads a token file; undefined when there is none. Throws PrivateFileError when it cannot be used. */
export async function readTokenFile(path: string): Promise<TokenFile | undefined> {
  return readJson(path, tokenFileSchema, 'a token file');
}

export interface EndpointList {
  /** Sorted by cluster, then node. */
  readonly endpoints: readonly EndpointFile[];
  /** Files that are there and do not count: of a process that is gone, or unreadable, or not private. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/** Every sidecar of this user that runs now. */
export async function listEndpoints(root = endpointRoot()): Promise<EndpointList> {
  const endpoints: EndpointFile[] = [];
  const skipped: { path: string; reason: string }[] = [];
  for (const cluster of (await namesIn(root)).filter((name) => NAME_PATTERN.test(name))) {
    for (const file of await namesIn(join(root, cluster))) {
      const node = file.endsWith('.json') ? file.slice(0, -'.json'.length) : '';
      if (!NAME_PATTERN.test(node)) continue;
      const path = endpointPath(cluster, node, root);
      const reason = await takeEndpoint(path, cluster, node, endpoints);
      if (reason !== '') skipped.push({ path, reason });
    }
  }
  return { endpoints, skipped };
}

/** Adds the endpoint at `path` to `found`, or says why it does not count. */
async function takeEndpoint(
  path: string,
  cluster: string,
  node: string,
  found: EndpointFile[],
): Promise<string> {
  try {
    const endpoint = await readEndpointFile(path);
    if (endpoint === undefined) return '';
    if (endpoint.cluster !== cluster || endpoint.node !== node) {
      return `it names ${endpoint.cluster}/${endpoint.node}, not what its path says`;
    }
    if (!isAlive(endpoint.pid)) return `its process ${endpoint.pid} is gone`;
    found.push(endpoint);
    return '';
  } catch (error) {
    if (error instanceof PrivateFileError) return error.message;
    throw error;
  }
}

async function readJson<T>(path: string, schema: z.ZodType<T>, what: string): Promise<T | undefined> {
  const text = await readPrivateFile(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold secrets.
    throw new PrivateFileError(`${path} is not ${what}: it is not JSON`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new PrivateFileError(`${path} is not ${what}: ${issue?.path.join('.') || 'it'}: ${issue?.message}`);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return [];
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, as another user.
    return codeOf(error) === 'EPERM';
  }
}
