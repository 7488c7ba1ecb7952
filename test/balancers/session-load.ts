/**
 * Clients in sessions that write through a balancer and try each command again, unchanged, whatever indefinite came of it.
 *
 * MUST: write down every definite error: to such a client none may come, since each command it sends is right.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, numberIn, type Outcome, outcomeOf } from './client.ts';

const RETRY_MS = 5;

export class SessionLoad {
  /** Commands that took effect. */
  commands = 0;
  /** Tries that ended indefinitely, by code. */
  readonly indefinite = new Map<string, number>();
  /** Answers to commands that an earlier try had brought into the log. */
  duplicates = 0;
  /** Definite errors, in words. */
  readonly definite: string[] = [];
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #clients: readonly Promise<void>[];
  #stopped = false;

  /** Sessions are opened before it resolves: opening one has no session to be safe in. */
  static async begin(url: string, token: string, clients: number): Promise<SessionLoad> {
    const headers = { Authorization: `Bearer ${token}` };
    const sessions: string[] = [];
    for (let n = 0; n < clients; n++) sessions.push(await openSession(url, headers));
    return new SessionLoad(url, headers, sessions);
  }

  private constructor(url: string, headers: Readonly<Record<string, string>>, sessions: readonly string[]) {
    this.#url = `${url}/v1/propose`;
    this.#headers = headers;
    this.#clients = sessions.map((session) => this.#write(session));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #write(session: string): Promise<void> {
    for (let sequence = 1; !this.#stopped; sequence++) {
      if (!(await this.#command(session, sequence))) return;
      this.commands++;
    }
  }

  /** True when the command took effect, whichever try it was. */
  async #command(session: string, sequence: number): Promise<boolean> {
    const headers = {
      ...this.#headers,
      'Outrigger-Session': session,
      'Outrigger-Sequence': String(sequence),
      'Outrigger-Ack-Below': String(sequence),
    };
    const body = JSON.stringify({ op: 'put', key: `session-${session}`, value: String(sequence) });
    for (;;) {
      const outcome = outcomeOf(await ask(this.#url, { method: 'POST', headers, body }));
      if (outcome.kind === 'ok') {
        if (outcome.answer.headers['outrigger-duplicate'] === 'true') this.duplicates++;
        return numberIn(outcome.answer, 'outrigger-index') > 0;
      }
      if (outcome.kind === 'definite') {
        this.definite.push(`${session}/${sequence}: ${said(outcome)}`);
        return false;
      }
      this.indefinite.set(outcome.code, (this.indefinite.get(outcome.code) ?? 0) + 1);
      await sleep(RETRY_MS);
    }
  }
}

async function openSession(url: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const json = { ...headers, 'Content-Type': 'application/json' };
  const outcome = outcomeOf(await ask(`${url}/v1/sessions`, { method: 'POST', headers: json, body: '{}' }));
  if (outcome.kind !== 'ok') throw new Error(`no session was opened: ${said(outcome)}`);
  return String((JSON.parse(outcome.answer.body) as { session: number }).session);
}

function said({ answer }: Outcome): string {
  return `${answer.status} ${answer.body.trim()}`;
}
