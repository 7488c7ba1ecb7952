/** The process that runs the operator's command (`news/runner.ts`), for the command line, which knows `node/` alone. */
export { serveNews } from '../news/runner.ts';
