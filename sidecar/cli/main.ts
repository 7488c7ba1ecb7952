/** The `outrigger` command as a script for Node.js. */
import { fileURLToPath } from 'node:url';
import { runCommandLine } from './command-line.ts';

await runCommandLine(fileURLToPath(import.meta.url));
