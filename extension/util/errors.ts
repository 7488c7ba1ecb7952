/** What a person is told of an error: one sentence, never a stack. */
import { safeLine } from '../../shared/safe-text.ts';

/** Refused for a reason that the user can do something about. Its message is one sentence for a person. */
export class UserError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UserError';
  }
}

/** The message of anything thrown, as one harmless line of at most 500 characters. */
export function messageOf(error: unknown): string {
  return safeLine(error instanceof Error ? error.message : String(error), 500);
}

/** For the output channel: with the stack where there is one. */
export function detailsOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
