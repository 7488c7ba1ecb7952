/**
 * How a command ends badly. A user's mistake is one clear line on standard error and an exit code, never a stack.
 *
 * MUST: keep the exit codes of PROTOCOL §2.
 */

/** 0 done, 1 failed, 2 bad usage or configuration, 3 storage fault, 4 the data folder belongs to another daemon. */
export const ExitCode = { DONE: 0, FAILED: 1, USAGE: 2, STORAGE: 3, LOCKED: 4 } as const;

/** Ends the command with `exitCode` after printing `outrigger: MESSAGE`. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = ExitCode.FAILED) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** A mistake in the flags, the environment or a configuration file: exit code 2. */
export function usageError(message: string): CliError {
  return new CliError(message, ExitCode.USAGE);
}

/** The message of anything that was thrown, as one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}

/** The `code` of a Node.js system error (`ENOENT`, `EADDRINUSE`, …), or '' where there is none. */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
