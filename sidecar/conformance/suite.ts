/**
 * Runs checks against a program and says what each found.
 *
 * MUST: run a check only when what it needs did not fail (one mistake is told once), leave no process behind, and tell findings in
 * the order of the list, each as soon as it is known. MUST NOT: take a mistake of the suite for one of the program.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppBench } from './bench.ts';
import { checksFor } from './checks.ts';
import { ClientBench, type ClientFacts } from './client/bench.ts';
import { CLIENT_CHECKS } from './client/checks.ts';
import { type AppFacts, type Check, Failed, type Finding, NotJudged, type SuiteOptions } from './contract.ts';
import { pause } from './play/watch.ts';

export interface Report<Facts = AppFacts> {
  readonly facts: Facts | undefined;
  readonly findings: readonly Finding[];
}

/** Something that checks work with, which ends with a sentence when something was wrong that nobody looked at. */
interface Ending {
  end(): Promise<string | undefined>;
}

/** `open` makes what a check works with in its own folder. */
export async function runChecks<Bench extends Ending>(
  checks: readonly Check<Bench>[],
  options: SuiteOptions,
  open: (folder: string) => Bench,
  tell: (finding: Finding) => void,
): Promise<Finding[]> {
  const turns = new Turns(options.jobs);
  const findings = new Map<string, Promise<Finding>>();
  const wanted = withNeeds(checks, options.only);
  for (const [number, check] of wanted.entries()) {
    const judge = async (): Promise<Finding> => {
      const needed = await Promise.all(check.needs.flatMap((id) => findings.get(id) ?? []));
      const failed = needed.find(
        ({ verdict, blocked }: Finding & Blocked) => verdict === 'failed' || blocked,
      );
      if (failed !== undefined) return skipped(check, `it needs ${failed.id}, which did not pass`, true);
      return turns.take(() => judgeOne(check, options, () => open(join(options.folder, String(number + 1)))));
    };
    findings.set(check.id, judge());
  }
  const told: Finding[] = [];
  const all = Promise.allSettled(findings.values());
  try {
    for (const { id } of wanted) {
      const finding = await (findings.get(id) as Promise<Finding>);
      if (options.only.size > 0 && !options.only.has(id) && finding.verdict !== 'failed') continue;
      told.push(finding);
      tell(finding);
    }
  } finally {
    await all;
  }
  return told;
}

/** Skipped since something else failed, so what needs this is skipped as well. */
interface Blocked {
  readonly blocked?: boolean;
}

function skipped({ id, proves }: Check<never>, reason: string, blocked = false): Finding & Blocked {
  return { id, verdict: 'skipped', proves, reason, blocked };
}

async function judgeOne<Bench extends Ending>(
  check: Check<Bench>,
  { folder }: SuiteOptions,
  open: () => Bench,
): Promise<Finding> {
  await mkdir(folder, { recursive: true });
  const { id, proves } = check;
  const bench = open();
  const why = check.spares?.(bench);
  if (why !== undefined) return skipped(check, why);
  let failure: string | undefined;
  try {
    await check.run(bench);
  } catch (error) {
    if (error instanceof NotJudged) return skipped(check, error.message);
    if (!(error instanceof Failed)) throw error;
    failure = error.message;
  } finally {
    const wrong = await bench.end();
    failure ??= wrong;
  }
  return failure === undefined
    ? { id, verdict: 'passed', proves }
    : { id, verdict: 'failed', proves, reason: failure };
}

/** The checks that were asked for and what they need, in the order of the list. */
function withNeeds<Bench>(
  checks: readonly Check<Bench>[],
  only: ReadonlySet<string>,
): readonly Check<Bench>[] {
  if (only.size === 0) return checks;
  const wanted = new Set<string>();
  const add = (id: string): void => {
    if (wanted.has(id)) return;
    wanted.add(id);
    for (const needed of checks.find((check) => check.id === id)?.needs ?? []) add(needed);
  };
  for (const id of only) add(id);
  // The first check finds out what the others must know.
  const [first] = checks;
  if (first !== undefined) wanted.add(first.id);
  return checks.filter(({ id }) => wanted.has(id));
}

/** So many at a time, in the order in which they came. */
class Turns {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  async take<T>(act: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((go) => this.#queue.push(go));
    else this.#free -= 1;
    try {
      return await act();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** How long an app may take after its hello to say where it listens, before it counts as one without HTTP. */
const HTTP_MS = 2_000;

/** Runs the checks of apps. */
export async function judgeApp(options: SuiteOptions, tell: (finding: Finding) => void): Promise<Report> {
  let facts: AppFacts | undefined;
  const [hello, ...rest] = checksFor(options.workload().kind);
  if (hello === undefined) throw new Error('there are no checks');
  const meeting: Check<AppBench> = {
    ...hello,
    run: async (bench) => {
      await hello.run(bench);
      facts = await factsOf(bench);
    },
  };
  const open = (folder: string): AppBench => new AppBench(options, facts, folder);
  const findings = await runChecks([meeting, ...rest], options, open, tell);
  return { facts, findings };
}

async function factsOf(bench: AppBench): Promise<AppFacts> {
  const app = bench.instances[0];
  const { hello, machine, connection } = app?.ledger ?? {};
  if (app === undefined || hello === undefined || machine === undefined) throw new Error('no app was met');
  const end = performance.now() + HTTP_MS;
  while (bench.kv && app.http === undefined && performance.now() < end) await pause(10);
  return {
    name: hello.app,
    codec: connection?.codec ?? 'json',
    snapshots: machine.snapshots,
    windowEntries: machine.windowEntries,
    http: app.http !== undefined,
  };
}

/** Runs the checks of clients. */
export async function judgeClient(
  options: SuiteOptions,
  tell: (finding: Finding) => void,
): Promise<Report<ClientFacts>> {
  let facts: ClientFacts | undefined;
  const [hello, ...rest] = CLIENT_CHECKS;
  if (hello === undefined) throw new Error('there are no checks');
  const meeting: Check<ClientBench> = {
    ...hello,
    run: async (bench) => {
      await hello.run(bench);
      const [said] = bench.first.hellos;
      const [connection] = bench.first.connections;
      facts = { name: said?.app ?? '', codec: connection?.codec ?? 'json' };
    },
  };
  const open = (folder: string): ClientBench => new ClientBench(options, facts, folder);
  const findings = await runChecks([meeting, ...rest], options, open, tell);
  return { facts, findings };
}
