/** The well-behaved client, as a process of its own: one proposal at a time, a pause after each answer, and how long each took. */
import { ProposeWriter } from '../bench/frames.ts';
import { KEYS } from '../bench/protocol.ts';
import { CrowdClient } from './crowd-client.ts';

export interface ProbePlan {
  readonly socket: string;
  readonly seconds: number;
  readonly pauseMs: number;
  readonly valueBytes: number;
}

export interface ProbeResult {
  /** Milliseconds of each proposal that ended well. */
  readonly took: readonly number[];
  readonly codes: Readonly<Record<string, number>>;
}

/** Resolves when it has printed its result as one line of JSON. */
export async function runProbe(plan: ProbePlan): Promise<void> {
  const took: number[] = [];
  const codes: Record<string, number> = {};
  let answered: (code: string) => void = () => undefined;
  const client = await CrowdClient.open(plan.socket, new ProposeWriter(KEYS, plan.valueBytes), {
    answered: (_client, _id, code) => answered(code),
    closed: (_client, reason) => answered(`CLOSED: ${reason}`),
  });
  for (const end = performance.now() + plan.seconds * 1000; performance.now() < end; ) {
    const from = performance.now();
    const code = await new Promise<string>((resolve) => {
      answered = resolve;
      client.propose();
    });
    if (code === '') took.push(performance.now() - from);
    else codes[code] = (codes[code] ?? 0) + 1;
    if (code.startsWith('CLOSED')) break;
    await new Promise((resolve) => setTimeout(resolve, plan.pauseMs));
  }
  process.stdout.write(`${JSON.stringify({ took, codes } satisfies ProbeResult)}\n`);
  client.end();
}
