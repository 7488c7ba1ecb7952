/** One run after another of the program under test: what it printed, and how it ended. */
import type { Exit, Launcher, Program } from '../contract.ts';
import type { Watch } from './watch.ts';

const LAST_WORDS = 3;
/** Lines of standard output that are kept, the first. */
const LINES_KEPT = 10_000;

export class Process {
  /** How the last run ended, once it did. */
  exit: Exit | undefined;
  /** Lines on standard output of this run. */
  printed: string[] = [];
  readonly #launch: Launcher;
  readonly #watch: Watch;
  #program: Program | undefined;
  #lastWords: string[] = [];

  constructor(launch: Launcher, watch: Watch) {
    this.#launch = launch;
    this.#watch = watch;
  }

  async start(
    env: Readonly<Record<string, string>>,
    { args, stdin = 'none' }: { readonly args?: readonly string[]; readonly stdin?: 'none' | 'held' } = {},
  ): Promise<void> {
    this.exit = undefined;
    this.printed = [];
    this.#lastWords = [];
    const program = await this.#launch({
      env,
      args: args ?? [],
      stdin,
      onLine: (...line) => this.#line(...line),
    });
    this.#program = program;
    void program.exited.then((exit) => {
      if (program === this.#program) this.exit = exit;
      this.#watch.changed();
    });
  }

  /** A line on its standard input. */
  tell(line: string): void {
    this.#program?.tell(`${line}\n`);
  }

  /** Nothing more comes on its standard input. */
  endInput(): void {
    this.#program?.endInput();
  }

  async kill(): Promise<void> {
    await this.#program?.kill();
  }

  /** `with exit code 1; its last words: …` once it has ended. */
  get end(): string | undefined {
    if (this.exit === undefined) return undefined;
    const { code, signal } = this.exit;
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    return `${how}${this.lastWords}`;
  }

  /** `; its last words: …`, or nothing where it said nothing on standard error. */
  get lastWords(): string {
    return this.#lastWords.length === 0 ? '' : `; its last words: ${this.#lastWords.join(' / ')}`;
  }

  #line(stream: 'stdout' | 'stderr', text: string): void {
    if (stream === 'stdout') {
      if (this.printed.length < LINES_KEPT) this.printed.push(text);
    } else if (this.#lastWords.push(text) > LAST_WORDS) this.#lastWords.shift();
    this.#watch.changed();
  }
}
