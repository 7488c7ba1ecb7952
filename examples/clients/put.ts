/**
 * The same as put.py in TypeScript. Node.js from 22.18 on runs it as it is:
 *
 *   node examples/clients/put.ts APP_SOCKET…      `outrigger dev` prints them
 */
import { connect } from '../../clients/typescript/outrigger.ts';

const KEYS = Number(process.env['KEYS'] ?? 1_000);

const addresses = process.argv.slice(2);
if (addresses.length === 0) {
  console.error('name the app sockets of the sidecars');
  process.exit(2);
}
const cluster = await connect(addresses);
const session = await cluster.session();
// Several in flight: what is proposed first takes effect first.
const calls = Array.from({ length: KEYS }, (_, n) =>
  session.propose(JSON.stringify({ op: 'put', key: `key${n}`, value: String(n) }), { timeoutMs: 60_000 }),
);
const answers = await Promise.all(calls);
const again = answers.filter(({ duplicate }) => duplicate).length;
console.log(
  `${KEYS} keys written, the last at index ${answers.at(-1)?.index}; ${again} were answered again after a retry`,
);
const { index, node } = await cluster.readMonotonic();
console.log(`the app beside ${node} holds all of them: it has applied ${index}`);
await session.close();
cluster.close();
