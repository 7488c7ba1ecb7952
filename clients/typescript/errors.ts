/**
 * What a call that failed throws. The one question that matters is whether it may have happened.
 *
 * MUST: claim `definite` only of what surely did not and will not happen.
 */

export interface ErrorFacts {
  /** A code of the protocol, or one of the client's own: NOT_SENT, CONNECTION_LOST, CLOSED. New ones may come: branch on the class. */
  readonly code: string;
  readonly definite: boolean;
  /** One sentence for a person. */
  readonly message: string;
  /** Node id of the leader, where the node named it. */
  readonly leader?: string | undefined;
  /** When it makes sense to try again, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined;
}

export class OutriggerError extends Error {
  readonly code: string;
  readonly definite: boolean;
  readonly leader: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor({ code, definite, message, leader, retryAfterMs }: ErrorFacts) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.definite = definite;
    this.leader = leader;
    this.retryAfterMs = retryAfterMs;
  }
}

/** It did not and will not happen. Safe to call again. */
export class Definite extends OutriggerError {}

/** It may have happened, or may still happen. Only a session makes calling again safe. */
export class Indefinite extends OutriggerError {}

/**
 * The session is gone, and with it the knowledge of what it did not answer: `definite` says whether *this* command surely
 * did not happen. Whatever is done next needs a new session.
 */
export class SessionLost extends OutriggerError {}

/** The error of the class that its definiteness asks for. */
export function errorOf(facts: ErrorFacts): OutriggerError {
  return facts.definite ? new Definite(facts) : new Indefinite(facts);
}

export function definite(code: string, message: string): Definite {
  return new Definite({ code, definite: true, message });
}

export function indefinite(code: string, message: string): Indefinite {
  return new Indefinite({ code, definite: false, message });
}
