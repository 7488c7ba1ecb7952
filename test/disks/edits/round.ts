/**
 * One edit of one node's files, and what became of it.
 *
 * MUST: judge by what was known before the edit and by what the other nodes hold, never by what the edited node says of itself alone.
 */
import type { NodeStatus } from '../../../shared/inspect.ts';
import type { Exit } from '../../../sidecar/cli/cluster/managed-process.ts';
import type { Prng } from '../../simulation/prng.ts';
import { pause } from '../../support/patience.ts';
import { type Edit, edit, filesIn, type Kind } from './files.ts';
import { type Promised, type Stage, votedUnproven } from './stage.ts';

/** UNHARMED: it had lost nothing that it had promised. */
export type Outcome = 'UNHARMED' | 'REPAIRED' | 'REFUSED';

export interface Verdict {
  readonly edit: Edit;
  readonly outcome: Outcome;
  /** Its vote was needed before it was whole, and not given. */
  readonly withheld: boolean;
  /** Its vote was needed, and given, with nothing forgotten (or: after it was whole). */
  readonly given: boolean;
  /** What it said, in a refusal. */
  readonly said: string;
  readonly problems: readonly string[];
  /** The nodes cannot be used any more: one has ended after it took part. */
  readonly spent: boolean;
}

export interface Wanted {
  readonly kind: Kind;
  /** The end of the name of the file that is edited. */
  readonly file?: string;
  /** Stops another node as well, so that the vote of the edited one is needed. */
  readonly alone: boolean;
  /** kill -9. */
  readonly hard: boolean;
}

const DISK_FAULT = 3;
/** Bad usage: the folder is of another node or cluster. */
const WRONG_FOLDER = 2;
const PROGRESS = 30;
/** Several longest election timeouts: a vote that is not given is seen by nothing happening. */
const NO_LEADER_MS = 900;

export class Round {
  readonly #stage: Stage;
  readonly #id: string;
  readonly #wanted: Wanted;
  readonly #random: Prng;
  readonly #problems: string[] = [];
  #withheld = false;
  #given = false;
  #forgot = false;
  #done: Edit | undefined;

  constructor(stage: Stage, id: string, wanted: Wanted, random: Prng) {
    this.#stage = stage;
    this.#id = id;
    this.#wanted = wanted;
    this.#random = random;
  }

  /** Undefined where this kind of edit has nothing to be done to. */
  async run(): Promise<Verdict | undefined> {
    const stage = this.#stage;
    const id = this.#id;
    const promised = await stage.stop(id, this.#wanted.hard);
    await stage.load.more(PROGRESS);
    const done = this.#edit();
    this.#done = done;
    if (done === undefined) {
      await stage.start(id);
      return undefined;
    }
    const absent = this.#wanted.alone ? await this.#stopLeader() : undefined;
    const early = await stage.start(id);
    if (early !== undefined) return this.#refusedAtStart(done, early, absent);
    const exit = await this.#live(done, promised, absent);
    return exit === undefined ? this.#verdict(done) : this.#endedLater(done, exit);
  }

  /** What is known when it did not come to its end. */
  broken(why: string): Verdict {
    const done = this.#done ?? { kind: this.#wanted.kind, what: 'nothing yet', files: [] };
    this.#problems.push(why);
    return { ...this.#verdict(done), spent: true };
  }

  #edit(): Edit | undefined {
    const stage = this.#stage;
    const [foreign = '', peer = ''] = stage.others(this.#id);
    const own = stage.node(this.#id).dir;
    const folders = {
      ...{
        own,
        earlier: stage.earlier(this.#id),
        foreign: stage.earlier(foreign),
        peer: stage.node(peer).dir,
      },
    };
    const { kind, file } = this.#wanted;
    return edit(kind, folders, this.#random, file);
  }

  async #stopLeader(): Promise<string> {
    const rest = this.#stage.others(this.#id);
    let leader: string | undefined;
    await this.#stage.daemons.until('one of the others leads', async () => {
      leader = await this.#stage.leader(rest);
      return leader !== undefined;
    });
    await this.#stage.stop(leader as string, true);
    return leader as string;
  }

  /** It serves. Its exit where it ends. */
  async #live(done: Edit, promised: Promised, absent: string | undefined): Promise<Exit | undefined> {
    const stage = this.#stage;
    const id = this.#id;
    let first: NodeStatus | undefined;
    const gone = await stage.unlessItEnds(id, 'it says how it is', async () => {
      first = await stage.status(id);
      return first !== undefined;
    });
    if (gone !== undefined || first === undefined) return gone;
    const events = await stage.events(id);
    try {
      const started = await events.find(({ kind }) => kind === 'STARTED');
      const recorded = Number(events.header('outrigger-events-last'));
      await events.until(() => (events.seqs.at(-1) ?? 0) >= recorded);
      const wholeAtStart = first.store.whole && !events.events.some(({ kind }) => kind === 'WHOLE');
      this.#forgot = !wholeAtStart;
      if (wholeAtStart) this.#checkNothingForgotten(done, promised, first, started.index ?? 0);
      if (absent !== undefined) {
        const exit = await this.#whileNeeded(absent);
        if (exit !== undefined) return exit;
        await stage.start(absent);
      }
      const exit = await this.#catchUp();
      if (this.#forgot && votedUnproven(events.events))
        this.#problems.push(`${id} gave its vote before it was whole`);
      return exit;
    } finally {
      await events.cut();
    }
  }

  /** It takes part as if its disk had all: then it must have. */
  #checkNothingForgotten(done: Edit, promised: Promised, status: NodeStatus, startedAt: number): void {
    const logTouched = done.files.some((name) => !name.startsWith('guard'));
    // The guard file follows within some 20 ms: a crash and a damaged end of the log at once are two faults.
    const floor = logTouched ? promised.guardIndex : promised.index;
    const say = (what: string): number => this.#problems.push(`${this.#id} is whole, but ${what}`);
    if (startedAt < floor) say(`its log ends at ${startedAt}, and ${floor} was durable`);
    if (status.term < promised.term) say(`its term is ${status.term}, and was ${promised.term}`);
    const voted = status.votedFor ?? '';
    if (status.term === promised.term && promised.vote !== '' && voted !== promised.vote)
      say(`its vote of term ${promised.term} is '${voted}', and was '${promised.vote}'`);
  }

  /** One other node is there, which cannot lead without the edited one's vote. */
  async #whileNeeded(absent: string): Promise<Exit | undefined> {
    const stage = this.#stage;
    const id = this.#id;
    const rest = stage.ids.filter((one) => one !== absent);
    if (!this.#forgot) {
      const exit = await stage.unlessItEnds(id, 'with another one it has a leader', async () => {
        return (await stage.leader(rest)) !== undefined;
      });
      this.#given = exit === undefined;
      return exit;
    }
    const events = await stage.events(id);
    const refused = await stage.unlessItEnds(id, 'it refused its vote', async () =>
      events.events.some(({ kind, granted }) => kind === 'VOTE_GIVEN' && granted === false),
    );
    await events.cut();
    if (refused !== undefined) return refused;
    await pause(NO_LEADER_MS);
    const leader = await stage.leader(rest);
    if (leader !== undefined) this.#problems.push(`${leader} leads by the vote of ${id}, which is not whole`);
    if ((await stage.status(id))?.store.whole === true)
      this.#problems.push(`${id} is whole without a leader`);
    this.#withheld = true;
    return undefined;
  }

  /** All are there: it becomes whole, and equal to the others. */
  async #catchUp(): Promise<Exit | undefined> {
    const stage = this.#stage;
    await stage.load.more(PROGRESS);
    await stage.load.stop();
    const { index } = stage.load;
    const exit = await stage.unlessItEnds(
      this.#id,
      `all have applied ${index}, and it is whole`,
      async () => {
        if ((await stage.status(this.#id))?.store.whole !== true) return false;
        return stage.ids.every((id) => stage.app(id).applied >= index);
      },
    );
    if (exit === undefined) this.#problems.push(...(await stage.differences(this.#id)));
    stage.load.start();
    return exit;
  }

  /** It never took part: its folder is put back as it was, and it goes on. */
  async #refusedAtStart(done: Edit, exit: Exit, absent: string | undefined): Promise<Verdict> {
    const stage = this.#stage;
    const said = this.#checkRefusal(exit);
    stage.restore(this.#id);
    if (absent !== undefined) await stage.start(absent);
    await stage.start(this.#id);
    await stage.load.more(PROGRESS);
    return { ...this.#verdict(done), outcome: 'REFUSED', said };
  }

  /** It took part and then found the damage: what it promised since is not in any copy of its folder. */
  async #endedLater(done: Edit, exit: Exit): Promise<Verdict> {
    const said = this.#checkRefusal(exit);
    await this.#stage.ended(this.#id);
    return { ...this.#verdict(done), outcome: 'REFUSED', said, spent: true };
  }

  #checkRefusal({ code, signal }: Exit): string {
    const { stderr } = this.#stage.node(this.#id);
    const lines = stderr.filter((line) => line.trim() !== '');
    // A database that says itself whose it is: that is told apart from a disk that fails.
    const foreign =
      code === WRONG_FOLDER && lines.some((line) => /the data folder .* is of node /.test(line));
    if (code !== DISK_FAULT && !foreign)
      this.#problems.push(`it ended with ${code ?? signal}: ${lines.slice(-3).join(' | ')}`);
    const trace = lines.find((line) => /^\s+at /.test(line));
    if (trace !== undefined) this.#problems.push(`it printed a stack trace: ${trace}`);
    return lines.findLast((line) => line.startsWith('outrigger: ')) ?? lines.at(-1) ?? '';
  }

  #verdict(done: Edit): Verdict {
    const outcome = this.#forgot ? 'REPAIRED' : 'UNHARMED';
    const [withheld, given] = [this.#withheld, this.#given];
    return { edit: done, outcome, withheld, given, said: '', problems: this.#problems, spent: false };
  }
}

/** Are there files with this ending in the folder of a node that is up or down? */
export function has(stage: Stage, id: string, ending: string): boolean {
  return filesIn(stage.node(id).dir).some((name) => name.endsWith(ending));
}
