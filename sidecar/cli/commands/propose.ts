/** `outrigger propose`: replicates one command and prints what the app answered. */
import type { Command } from 'commander';
import { LIMITS } from '../../../shared/limits.ts';
import { usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

const HELP = `
It waits until the command is committed and the app beside the node that took it has applied it, and prints the bytes
that the app answered with. Any node takes it. Without --json the output is those bytes and nothing else.

Examples:
  outrigger propose '{"op":"put","key":"a","value":"1"}'
  printf 'raw bytes' | outrigger propose -
  outrigger propose --json hello        {"index":7,"term":2,"result":"b2s="}   (the result in base64)`;

export function addPropose(program: Command, shell: Shell): void {
  targetOptions(program.command('propose'))
    .description('replicate one command and print the result of the app')
    .argument('<command>', 'the command as text, or - to read its bytes from standard input')
    .addHelpText('after', HELP)
    .action(async (text: string, flags: TargetFlags & { json?: true }) => {
      const command = text === '-' ? await readAll(shell.stdin) : new Uint8Array(Buffer.from(text));
      const client = await chooseOne(flags, shell.env);
      const { body, headers } = await client.postBytes('/v1/propose', 'write', command);
      if (flags.json) {
        const position = {
          index: Number(headers.get('Outrigger-Index')),
          term: Number(headers.get('Outrigger-Term')),
        };
        shell.out.json({ ...position, result: Buffer.from(body).toString('base64') });
        return;
      }
      shell.out.bytes(body);
      if (shell.out.isTerminal && body.length > 0 && body.at(-1) !== 10) shell.out.line();
    });
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > LIMITS.commandBytes) {
      throw usageError(`the command is larger than ${LIMITS.commandBytes} bytes, the most that one may be.`);
    }
    chunks.push(bytes);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
