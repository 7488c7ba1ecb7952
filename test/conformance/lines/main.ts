/** Proposes each line of standard input with clients/typescript, in one session or with --once in none (../README.md). */
import { createInterface } from 'node:readline';
import { connect, OutriggerError, type Proposed } from '../../../clients/typescript/outrigger.ts';

const TIMEOUT_MS = 60_000;

function address(text: string): string | { address: string; token: string } {
  const [at = '', token] = text.split(',');
  return token === undefined ? at : { address: at, token };
}

async function answer(
  propose: (command: string, options: { timeoutMs: number }) => Promise<Proposed>,
  line: string,
): Promise<string> {
  try {
    const { index, result } = await propose(line, { timeoutMs: TIMEOUT_MS });
    return `${index} ${Buffer.from(result ?? []).toString()}`;
  } catch (error) {
    if (!(error instanceof OutriggerError)) throw error;
    const kind = error.name === 'SessionLost' ? 'session-lost' : error.definite ? 'definite' : 'unknown';
    return `! ${kind} ${error.message}`;
  }
}

const args = process.argv.slice(2);
const once = args[0] === '--once';
const cluster = await connect(args.slice(once ? 1 : 0).map(address));
const session = once ? undefined : await cluster.session();
const proposer = session ?? cluster;
for await (const line of createInterface({ input: process.stdin })) {
  console.log(await answer((command, options) => proposer.propose(command, options), line));
}
await cluster.read({ consistency: 'AT_LEAST', atLeast: cluster.highestIndex, timeoutMs: TIMEOUT_MS });
await session?.close();
cluster.close();
