/** Errors of the file system, as the store says them. */
import { StoreError } from './contract.ts';

const NO_SPACE: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** `what` went wrong: one sentence without its end. A StoreError stays what it is. */
export function toStoreError(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return new StoreError(NO_SPACE.has(code) ? 'NO_SPACE' : 'FAULT', `${what}: ${message}`, { cause: error });
}
