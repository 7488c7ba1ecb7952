/** Free loopback ports that stay free: below the range from which the system takes ports for outgoing connections. */
import { createServer, type Server } from 'node:net';
import { CliError, systemCode } from '../errors.ts';

const FIRST = 15_000;
const LAST = 31_999;
const ATTEMPTS = 200;
/** Ports that this process was given lately: whoever got one may not listen on it yet. */
const given = new Set<number>();
const GIVEN_MAX = 4_096;

/** `count` different ports of 127.0.0.1 that were free a moment ago, and that nobody in this process was given lately. Throws CliError when too few are. */
export async function pickPorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt += 1) {
    if (attempt === ATTEMPTS) throw new CliError(`no ${count} free ports were found on 127.0.0.1.`);
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    const server = given.has(port) ? undefined : await hold(port);
    if (server === undefined) continue;
    if (given.size >= GIVEN_MAX) given.clear();
    given.add(port);
    held.push(server);
    ports.push(port);
  }
  await Promise.all(held.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

function hold(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if (['EADDRINUSE', 'EACCES'].includes(systemCode(error))) resolve(undefined);
      else reject(error);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}
