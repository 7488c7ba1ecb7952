/**
 * The `outrigger` command. Each command is a file under `commands/`.
 *
 * MUST: end with the exit codes of PROTOCOL §2; turn a user's mistake into one line and exit code 2, and never show a stack
 * for it. A stack is shown only for our own bugs.
 */
import { CliError, ExitCode, messageOf, systemCode } from './errors.ts';
import { runProgram } from './program.ts';
import type { Shell } from './shell.ts';
import { createTerminal } from './terminal.ts';

const { stdin, stdout, stderr, env, argv } = process;

/** Runs what the command line says, and ends the process. `script`: see `Shell.script`. */
export async function runCommandLine(script: string): Promise<never> {
  const shell: Shell = {
    env,
    stdin,
    out: createTerminal(stdout, env),
    err: createTerminal(stderr, env),
    script,
    whenUnread: () => process.exit(ExitCode.DONE),
  };
  endUnread(shell);
  const exitCode = await run(shell);
  // Output to a pipe may still be on its way.
  await Promise.all([stdout, stderr].map((stream) => new Promise((done) => stream.write('', done))));
  process.exit(exitCode);
}

/** A reader that went away (`outrigger log | head`) is no failure: there is nobody left to tell. */
function endUnread(shell: Shell): void {
  stdout.on('error', (error) => {
    if (['EPIPE', 'ERR_STREAM_DESTROYED'].includes(systemCode(error))) shell.whenUnread();
    else process.exit(ExitCode.FAILED);
  });
  stderr.on('error', (error) => {
    if (!['EPIPE', 'ERR_STREAM_DESTROYED'].includes(systemCode(error))) process.exit(ExitCode.FAILED);
  });
}

async function run(shell: Shell): Promise<number> {
  try {
    await runProgram(shell, argv.slice(2));
    return Number(process.exitCode ?? ExitCode.DONE);
  } catch (error) {
    if (error instanceof CliError) {
      shell.err.line(`outrigger: ${messageOf(error)}`);
      return error.exitCode;
    }
    shell.err.line(`outrigger: this is a bug: ${error instanceof Error ? error.stack : String(error)}`);
    return ExitCode.FAILED;
  }
}
