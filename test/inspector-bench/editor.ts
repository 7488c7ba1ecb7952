/**
 * What the extension costs its host: runs the suite of inner.ts in a real extension host, and reads what it measured.
 *
 * MUST: believe the results file only; leave no editor behind (the workbench is ended by SIGTERM, so that it can end its own
 * processes).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workbenchState } from '../../scripts/workbench/recipe.mjs';
import { BenchError, type Workplace } from '../bench/processes.ts';
import { median } from '../bench/watched.ts';
import { INNER_SUITES, type InnerResults, RESULTS_FILE } from '../workbench/results.ts';
import { BUILD } from './build.ts';
import { amount, type Figure, INSPECTOR_LIMITS, milliseconds, unmeasured } from './figures.ts';
import { CLUSTER, type FilledCluster } from './filled-cluster.ts';
import { HOST_NOTE, HOST_TASK, type HostFigures, type HostTask } from './host-task.ts';

const ACTIVATION = 'activation of the extension, median';
const GROWTH = 'growth of the extension host (resident, garbage collected before and after), worst';

export async function measureHost(
  place: Workplace,
  cluster: FilledCluster,
  rounds: number,
): Promise<Figure[]> {
  const { activationMs, hostBytes } = INSPECTOR_LIMITS;
  const workbench = workbenchState();
  if (workbench.state !== 'READY') {
    return [
      unmeasured(ACTIVATION, 'ms', activationMs, workbench.reason),
      unmeasured(GROWTH, 'bytes', hostBytes, workbench.reason),
    ];
  }
  const all: HostFigures[] = [];
  for (let round = 1; round <= rounds; round++) {
    console.error(`bench: extension host, round ${round} of ${rounds}`);
    all.push(await runOnce(place, cluster, join(place.dir, `editor-${round}`)));
  }
  return hostFigures(all);
}

function hostFigures(all: readonly HostFigures[]): Figure[] {
  const { activationMs, hostBytes } = INSPECTOR_LIMITS;
  const took = all.map((one) => one.activationMs);
  const grown = all.map((one) => one.keptGrown);
  const steps = all.map(({ steps }) =>
    steps
      .map((one) => `${one.after} ${amount(one.grown, 'bytes')} (${amount(one.heapGrown, 'bytes')})`)
      .join(', '),
  );
  const own = all.map((one) => one.ownActivationMs);
  const windows = all.map(({ windowMs }) => milliseconds(windowMs));
  return [
    {
      name: ACTIVATION,
      measured: median(took),
      unit: 'ms',
      limit: activationMs,
      detail: `${milliseconds(took)} ms, of which in activate() itself ${milliseconds(own)} ms`,
    },
    {
      name: GROWTH,
      measured: Math.max(...grown),
      unit: 'bytes',
      limit: hostBytes,
      detail: `after each step, in brackets the heap of the main thread: ${steps.map((text, at) => `round ${at + 1}: ${text}`).join('; ')}`,
    },
    {
      name: '  its highest mark meanwhile, garbage included, worst',
      measured: Math.max(...all.map((one) => one.peakGrown)),
      unit: 'bytes',
      limit: undefined,
      detail: '',
    },
    {
      name: '  a log window in the editor, from the command to the shown document, worst',
      measured: Math.max(...all.flatMap(({ windowMs }) => windowMs)),
      unit: 'ms',
      limit: undefined,
      detail: windows.map((text, at) => `round ${at + 1}: ${text} ms`).join('; '),
    },
  ];
}

async function runOnce(place: Workplace, cluster: FilledCluster, folder: string): Promise<HostFigures> {
  const workspace = join(folder, 'workspace');
  mkdirSync(workspace, { recursive: true });
  const file = join(folder, 'results.json');
  const task: HostTask = {
    runtimeDir: place.socketDir,
    cluster: CLUSTER,
    nodes: cluster.nodes,
    entries: cluster.entries,
  };
  const editor = spawn(
    process.execPath,
    [
      join(BUILD, 'test', 'workbench', 'main.mjs'),
      workspace,
      `--extensionDevelopmentPath=${join(BUILD, 'extension')}`,
      `--extensionTestsPath=${join(BUILD, 'test', 'workbench', 'suite', 'index.cjs')}`,
      `--user-data-dir=${join(folder, 'user')}`,
      `--extensions-dir=${join(folder, 'extensions')}`,
    ],
    {
      env: {
        ...process.env,
        [RESULTS_FILE]: file,
        [INNER_SUITES]: 'inspector-bench',
        [HOST_TASK]: JSON.stringify(task),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const stopTrickle = cluster.trickle();
  try {
    const said = await endOf(editor);
    return readFigures(file, said);
  } finally {
    stopTrickle();
  }
}

/** Resolves to what it said, when it has ended. Ends it when we end. */
async function endOf(editor: ChildProcess): Promise<string> {
  const end = (): void => {
    editor.kill('SIGTERM');
  };
  process.once('exit', end);
  const said: string[] = [];
  for (const stream of [editor.stdout, editor.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => said.push(text));
  await once(editor, 'close');
  process.off('exit', end);
  return said.join('');
}

function readFigures(file: string, said: string): HostFigures {
  if (!existsSync(file)) throw new BenchError(`the extension host came to no end:\n${said}`);
  const { ended, tests, notes } = JSON.parse(readFileSync(file, 'utf8')) as InnerResults;
  const failed = tests.find(({ state }) => state !== 'passed');
  if (failed !== undefined) throw new BenchError(`in the extension host: ${failed.error}`);
  const note = notes.find((line) => line.startsWith(HOST_NOTE));
  if (!ended || note === undefined)
    throw new BenchError(`the extension host came to no end (after ${tests.length} steps):\n${said}`);
  return JSON.parse(note.slice(HOST_NOTE.length)) as HostFigures;
}
