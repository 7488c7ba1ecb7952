/** Runs the suites in this process, against a program in a process of its own. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { openWorkspace } from '../../sidecar/cli/cluster/workspace.ts';
import type { ClientFacts } from '../../sidecar/conformance/client/bench.ts';
import type { SuiteOptions, Verdict } from '../../sidecar/conformance/contract.ts';
import { judgeApp, judgeClient, type Report } from '../../sidecar/conformance/suite.ts';
import { kvWorkload } from '../../sidecar/conformance/workload.ts';
import { PATIENCE_MS } from '../support/patience.ts';

const JOBS = 4;

/** Python itself: what is called python3 may be a script that looks for it, at every start. */
export const PYTHON = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).stdout.trim();

export const broken = (file: string): string => join('test', 'conformance', 'broken', file);

type Judge<Facts> = (options: SuiteOptions, tell: () => void) => Promise<Report<Facts>>;

async function judgeBy<Facts>(
  suite: Judge<Facts>,
  command: string,
  args: readonly string[],
  options: Partial<SuiteOptions>,
): Promise<Report<Facts>> {
  const workspace = await openWorkspace('outrigger-conf-', undefined);
  const all: SuiteOptions = {
    launch: ({ env, args: more, ...launch }) =>
      ManagedProcess.start({
        command,
        args: [...args, ...more],
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
        ...launch,
      }),
    workload: kvWorkload,
    folder: workspace.dir,
    tcp: false,
    waitMs: PATIENCE_MS,
    jobs: JOBS,
    only: new Set(),
    ...options,
  };
  try {
    return await suite(all, () => undefined);
  } finally {
    await workspace.close();
  }
}

export function judge(
  command: string,
  args: readonly string[],
  options: Partial<SuiteOptions> = {},
): Promise<Report> {
  return judgeBy(judgeApp, command, args, options);
}

export function judgeClientOf(
  command: string,
  args: readonly string[],
  options: Partial<SuiteOptions> = {},
): Promise<Report<ClientFacts>> {
  return judgeBy(judgeClient, command, args, options);
}

/** Ids and reasons of findings of that kind. */
export function found(
  { findings }: Pick<Report, 'findings'>,
  kind: Verdict,
): Record<string, string | undefined> {
  return Object.fromEntries(
    findings.filter(({ verdict }) => verdict === kind).map(({ id, reason }) => [id, reason]),
  );
}
