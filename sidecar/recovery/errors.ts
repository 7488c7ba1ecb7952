/** How work on folders ends badly: one sentence for the operator, and an exit code of PROTOCOL §2. */
import { StoreError, type StoreFaultKind } from '../store/contract.ts';

export class RecoveryError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RecoveryError';
    this.exitCode = exitCode;
  }
}

const EXIT: Readonly<Record<StoreFaultKind, number>> = { FOREIGN: 2, FAULT: 3, NO_SPACE: 3, LOCKED: 4 };

/** What the store said, as this folder's. Anything else stays what it is. */
export function asRecoveryError(error: unknown, folder: string): unknown {
  if (!(error instanceof StoreError)) return error;
  const named = error.message.includes(folder) ? error.message : `${folder}: ${error.message}`;
  return new RecoveryError(named, EXIT[error.kind], { cause: error });
}
