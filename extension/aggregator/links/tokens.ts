/**
 * The tokens of one sidecar: out of its token file, or typed by hand.
 *
 * MUST: read a file each time it is needed (a sidecar that restarts may write new ones), give the scope that was asked for
 * and no more, keep nothing on disk, and never put a token into a message.
 */
import { readTokenFile } from '../../../shared/endpoint-files.ts';
import type { TokenFile } from '../../../shared/inspect.ts';
import { codeOf, PrivateFileError } from '../../../shared/private-file.ts';
import { InspectError } from '../contract.ts';

export type Scope = keyof TokenFile;

export interface TokenSource {
  /** Where the tokens come from, for a person; no secret in it. */
  readonly origin: string;
  /** Rejects with InspectError. */
  read(scope: Scope): Promise<string>;
}

const SECRET = /^[A-Za-z0-9_-]{1,256}$/;

export function tokensOfFile(path: string): TokenSource {
  return {
    origin: path,
    async read(scope) {
      try {
        const tokens = await readTokenFile(path);
        if (tokens !== undefined) return tokens[scope];
      } catch (error) {
        if (error instanceof PrivateFileError) throw new InspectError(error.message, { cause: error });
        throw new InspectError(`the token file ${path} cannot be read (${codeOf(error)})`, { cause: error });
      }
      throw new InspectError(`the token file ${path} does not exist`);
    },
  };
}

/** One token for every scope: the sidecar says when it opens less. '' where none was typed. Throws InspectError. */
export function typedToken(token: string): TokenSource {
  if (token !== '' && !SECRET.test(token)) {
    throw new InspectError('this is not a token: one is letters, digits, - and _');
  }
  return {
    origin: token === '' ? 'none' : 'typed by hand',
    async read(scope) {
      if (token !== '') return token;
      throw new InspectError(
        `no ${scope} token of it is known: it has no endpoint file here, and none was typed`,
      );
    },
  };
}
