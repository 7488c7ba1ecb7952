/** How findings of the conformance suite are shown: a line for each as it becomes known, aligned, and a summary. */
import type { ClientFacts } from '../../conformance/client/bench.ts';
import type { AppFacts, Finding, Verdict } from '../../conformance/contract.ts';
import { harmless, type Terminal } from '../terminal.ts';

const SIGNS: Readonly<Record<Verdict, string>> = { passed: 'passed', failed: 'FAILED', skipped: 'skipped' };
const SIGN_WIDTH = 7;

export class Reporter {
  readonly #out: Terminal;
  readonly #width: number;

  /** `ids`: of all checks that may be told of. */
  constructor(out: Terminal, ids: readonly string[]) {
    this.#out = out;
    this.#width = Math.max(...ids.map((id) => id.length), 'CHECK'.length);
  }

  title(): void {
    const { out, width } = { out: this.#out, width: this.#width };
    out.line(
      out.colors.bold(
        `${'CHECK'.padEnd(width)}  ${'VERDICT'.padEnd(SIGN_WIDTH)}  WHAT IT PROVES, OR WHY NOT`,
      ),
    );
  }

  readonly finding = ({ id, verdict, proves, reason }: Finding): void => {
    const { green, red, yellow } = this.#out.colors;
    const paint = { passed: green, failed: red, skipped: yellow }[verdict];
    const sign = paint(SIGNS[verdict].padEnd(SIGN_WIDTH));
    this.#out.line(`${id.padEnd(this.#width)}  ${sign}  ${harmless(reason ?? proves)}`);
  };

  summary(findings: readonly Finding[], who: string): void {
    const { green, red } = this.#out.colors;
    const count = countOf(findings);
    const text = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`;
    this.#out.line();
    this.#out.line(`${(count.failed === 0 ? green : red)(text)}${harmless(who)}`);
  }
}

export function countOf(findings: readonly Finding[]): Record<Verdict, number> {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const { verdict } of findings) count[verdict] += 1;
  return count;
}

/** `: kv (json, snapshots BLOB)`, or nothing where nobody was met. */
export function describeFacts(facts: AppFacts | ClientFacts | undefined): string {
  if (facts === undefined) return '';
  const more = 'snapshots' in facts ? `, snapshots ${facts.snapshots}` : '';
  return `: ${facts.name} (${facts.codec}${more})`;
}
