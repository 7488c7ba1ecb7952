/**
 * The three secrets of a sidecar, and what each one opens.
 *
 * MUST: mint 256 random bits per scope; keep them in a file that only we can read; compare in constant time;
 * never log one or put one in a message.
 * The scopes are separate secrets, and they include each other: `admin` opens everything, `write` also opens what
 * `view` opens. So a tool carries one token, and handing out `view` hands out nothing else.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { TokenFile } from '../../shared/inspect.ts';
import { createPrivateFile, PrivateFileError } from '../../shared/private-file.ts';

/** From the least to the most powerful; each one includes those before it. */
export const SCOPES = ['view', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export interface TokenCheck {
  /** The scope of this secret, or undefined when it is none of ours. */
  scopeOf(token: string): Scope | undefined;
}

/** Does the scope a caller holds open what wants `wanted`? */
export function allows(held: Scope, wanted: Scope): boolean {
  return SCOPES.indexOf(held) >= SCOPES.indexOf(wanted);
}

/** Three new secrets of 256 random bits, base64url. */
export function mintTokens(): TokenFile {
  const secret = () => randomBytes(32).toString('base64url');
  return { view: secret(), write: secret(), admin: secret() };
}

/**
 * The tokens at `path`: those that are there, or new ones. Throws PrivateFileError with one sentence when the file
 * belongs to another user, may be read by others, or holds something else.
 */
export async function openTokenFile(path: string): Promise<TokenFile> {
  const found = await readTokenFile(path);
  if (found !== undefined) return found;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const minted = mintTokens();
  if (await createPrivateFile(path, `${JSON.stringify(minted, null, 2)}\n`)) return minted;
  // Someone else made it in the meantime (another start of the same node): theirs counts.
  const other = await readTokenFile(path);
  if (other === undefined) throw new PrivateFileError(`${path} was made and removed while we started`);
  return other;
}

/**
 * The tokens of a file that the operator gave to several nodes, so that one client is known at each. Throws
 * PrivateFileError: nothing is made here, since secrets of this node alone are what it was given to avoid.
 */
export async function readGivenTokenFile(path: string): Promise<TokenFile> {
  const found = await readTokenFile(path);
  if (found !== undefined) return found;
  throw new PrivateFileError(
    `the token file ${path} is not there: copy the tokens.json from the data folder of one node to all nodes`,
  );
}

/** Checks tokens against these secrets. Digests of equal length are compared, so neither length nor prefix shows in the time. */
export function tokenCheck(tokens: TokenFile): TokenCheck {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const known = SCOPES.map((scope) => ({ scope, digest: digest(tokens[scope]) }));
  return {
    scopeOf(token) {
      const given = digest(token);
      let scope: Scope | undefined;
      for (const candidate of known) {
        if (timingSafeEqual(candidate.digest, given)) scope = candidate.scope;
      }
      return scope;
    },
  };
}
