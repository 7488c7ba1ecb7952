/** `outrigger run-news`: the process in which a sidecar runs the operator's command. Hidden: sidecars start it. */
import type { Command } from 'commander';

export const RUN_NEWS = 'run-news';

export function addRunNews(program: Command): void {
  program
    .command(RUN_NEWS, { hidden: true })
    .argument('<program>')
    .argument('[arg...]')
    .passThroughOptions()
    .action(async (command: string, args: string[]) => {
      const { serveNews } = await import('../../node/news-runner.ts');
      await serveNews([command, ...args], process.stdin, process.stdout);
    });
}
