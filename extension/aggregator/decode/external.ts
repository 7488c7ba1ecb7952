/**
 * A decoder of the user's own: a program that is started when it is first needed, and again when it fails, a few times.
 *
 * MUST: settle every `decode`, whatever the program does; ask for a TrustedFolder, so that nothing runs before trust;
 * leave nothing running after `dispose`. Never used by the sidecar.
 */
import { type Answer, DecoderProcess } from './decoder-process.ts';
import { DECODE_LIMITS } from './limits.ts';
import type { TrustedFolder } from './trust.ts';

/** The program gave no text. The message is one sentence without a full stop. */
export class ExternalError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ExternalError';
  }
}

interface Job {
  readonly payload: Uint8Array;
  settle(answer: Answer): void;
  /** Nobody waits any more; when it is on its way its answer still comes, and is dropped. */
  dropped: boolean;
}

export type ExternalLimits = Pick<
  typeof DECODE_LIMITS,
  'frameMs' | 'startMs' | 'framesInFlight' | 'framesWaiting' | 'restarts'
>;

export class ExternalDecoder {
  readonly #folder: TrustedFolder;
  readonly #command: readonly string[];
  readonly #limits: { readonly [name in keyof ExternalLimits]: number };
  #waiting: Job[] = [];
  /** Sent and not answered, oldest first. */
  #flying: Job[] = [];
  #process: DecoderProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #starts = 0;
  /** The program that runs has answered before. */
  #warm = false;
  /** Not '': why it will not be started again. */
  #over = '';

  constructor(
    folder: TrustedFolder,
    command: readonly string[],
    limits: Partial<{ readonly [name in keyof ExternalLimits]: number }> = {},
  ) {
    this.#folder = folder;
    this.#command = command;
    this.#limits = { ...DECODE_LIMITS, ...limits };
  }

  /** What the program made of a payload; raw, not yet safe to show. Rejects with ExternalError. */
  decode(payload: Uint8Array, signal?: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const refuse = (why: string): void => reject(new ExternalError(why));
      if (this.#over !== '') return refuse(this.#over);
      if (payload.length > DECODE_LIMITS.namedBytes) {
        return refuse(
          `it is ${payload.length} bytes long, and at most ${DECODE_LIMITS.namedBytes} are taken`,
        );
      }
      if (this.#waiting.length >= this.#limits.framesWaiting) {
        return refuse(`${this.#limits.framesWaiting} payloads wait for the command already`);
      }
      const abort = (): void => {
        job.dropped = true;
        this.#waiting = this.#waiting.filter((other) => other !== job);
        refuse('the command did not come to it in time');
      };
      const job: Job = {
        payload,
        dropped: false,
        settle: (answer) => {
          signal?.removeEventListener('abort', abort);
          if ('text' in answer) resolve(answer.text);
          else refuse(answer.error);
        },
      };
      if (signal?.aborted === true) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(job);
      this.#pump();
    });
  }

  dispose(): void {
    this.#giveUp('the command was stopped');
    this.#process?.kill('the command was stopped');
  }

  #pump(): void {
    if (this.#waiting.length === 0) return;
    this.#process ??= this.#start();
    while (this.#flying.length < this.#limits.framesInFlight) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      this.#flying.push(job);
      if (this.#flying.length === 1) this.#watch();
      this.#process.send(job.payload);
    }
  }

  #start(): DecoderProcess {
    this.#starts += 1;
    this.#warm = false;
    const started: DecoderProcess = new DecoderProcess(this.#folder, this.#command, {
      onAnswer: (answer) => this.#answered(started, answer),
      onEnd: (why) => this.#ended(why),
    });
    return started;
  }

  #answered(from: DecoderProcess, answer: Answer): void {
    const job = this.#flying.shift();
    if (job === undefined) return from.kill('the command wrote more lines than it got payloads');
    if (!job.dropped) job.settle(answer);
    this.#warm = true;
    this.#watch();
    this.#pump();
  }

  /** The oldest payload must be answered in time. */
  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#flying.length === 0) return;
    const ms = this.#warm ? this.#limits.frameMs : this.#limits.startMs;
    this.#timer = setTimeout(() => this.#process?.kill(`the command gave no answer within ${ms} ms`), ms);
  }

  /** The payload that it was at has failed; those behind it get another try. */
  #ended(why: string): void {
    clearTimeout(this.#timer);
    this.#process = undefined;
    const guilty = this.#flying.shift();
    if (guilty?.dropped === false) guilty.settle({ error: why });
    this.#waiting = [...this.#flying.filter((job) => !job.dropped), ...this.#waiting];
    this.#flying = [];
    if (this.#over === '' && this.#starts > this.#limits.restarts) {
      this.#giveUp(`the command was started ${this.#starts} times and is given up: ${why}`);
    }
    this.#pump();
  }

  #giveUp(why: string): void {
    if (this.#over === '') this.#over = why;
    const jobs = [...this.#flying, ...this.#waiting].filter((job) => !job.dropped);
    this.#flying = [];
    this.#waiting = [];
    for (const job of jobs) job.settle({ error: why });
  }
}
