/** `outrigger explain`: why the leader changed, why a node is behind, what became of an entry; with the evidence. */
import { Argument, type Command } from 'commander';
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import type { NodeEvent } from '../../../shared/events.ts';
import { explain } from '../../../shared/explain/explain.ts';
import {
  type About,
  type Certainty,
  type Evidence,
  type Explanation,
  type NodeEvidence,
  QUESTIONS,
  type Question,
} from '../../../shared/explain/types.ts';
import type { LogPage, TermsView } from '../../../shared/inspect.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { Client, SilentError } from '../client.ts';
import { CliError, usageError } from '../errors.ts';
import { readEvents } from '../event-stream.ts';
import type { Shell } from '../shell.ts';
import { chooseTargets, type TargetFlags, targetOptions } from '../targets.ts';
import type { Colors } from '../terminal.ts';

const HELP = `
  leader        why did the leader change, or why is there none?
  lag [NODE]    why is that node behind (or whoever trails most)?
  entry INDEX   what became of that entry, and where did its time go?
  member NODE   how is that node, and why?

It looks at all nodes of this machine. With --node or --http it asks that sidecar alone, which knows only itself.

Examples:
  outrigger explain leader
  outrigger explain lag n3
  outrigger explain entry 12345 --json`;

export function addExplain(program: Command, shell: Shell): void {
  targetOptions(program.command('explain'))
    .description('say why: leader, lag, entry or member, with evidence')
    .addArgument(new Argument('<about>', 'what to explain').choices(QUESTIONS))
    .argument('[id]', 'the node or the index it is about')
    .addHelpText('after', HELP)
    .action(async (about: About, id: string | undefined, flags: TargetFlags & { json?: true }) => {
      const question = checked(about, id ?? '');
      const answer = await answerOf(question, flags, shell);
      if (flags.json) shell.out.json(answer);
      else print(shell, answer);
    });
}

function checked(about: About, id: string): Question {
  if (about === 'leader' && id !== '') throw usageError('a question about the leader has no id.');
  if (about === 'entry' && !(/^\d{1,16}$/.test(id) && Number.isSafeInteger(Number(id)) && Number(id) > 0)) {
    throw usageError('explain entry needs the index of an entry.');
  }
  if (about === 'member' && id === '') throw usageError('explain member needs the id of a node.');
  if ((about === 'member' || about === 'lag') && id !== '' && !NAME_PATTERN.test(id)) {
    throw usageError(`"${safeLine(id, 80)}" is not the id of a node.`);
  }
  return { about, id };
}

async function answerOf(question: Question, flags: TargetFlags, { env }: Shell): Promise<Explanation> {
  const targets = await chooseTargets(flags, env);
  const [first] = targets;
  if ((flags.node !== undefined || flags.http !== undefined) && first !== undefined) {
    const { about, id } = question;
    const query = id === '' ? '' : `&id=${encodeURIComponent(id)}`;
    return new Client(first).get<Explanation>(`/v1/explain?about=${about}${query}`, 'view');
  }
  return explain(
    question,
    await gather(
      question,
      targets.map((target) => new Client(target)),
    ),
  );
}

async function gather(question: Question, clients: readonly Client[]): Promise<Evidence> {
  const asked = await Promise.all(clients.map((client) => askNode(question, client)));
  const statuses = asked.flatMap(({ status }) => status ?? []);
  const [known] = statuses;
  if (known === undefined) throw new CliError(asked.map(({ reason }) => reason).join(' '));
  const names = new Set(asked.map(({ node }) => node));
  const missing = known.members
    .filter(({ id }) => !names.has(id))
    .map(({ id }) => ({
      node: id,
      reachable: false,
      reason: 'no such process runs on this machine',
      events: [],
    }));
  return { cluster: known.cluster, now: Date.now(), nodes: [...asked, ...missing] };
}

async function askNode({ about, id }: Question, client: Client): Promise<NodeEvidence> {
  const events: NodeEvent[] = [];
  const node = client.target.name;
  try {
    const [status, terms, page] = await Promise.all([
      client.status(),
      client.get<TermsView>('/v1/log/terms', 'view'),
      about === 'entry'
        ? client.get<LogPage>(`/v1/log?from=${id}&to=${id}&limit=1&stages=true`, 'view')
        : undefined,
      readEvents(client, { event: (event) => events.push(event) }, false),
    ]);
    const entry = page?.entries[0];
    return {
      node,
      reachable: true,
      reason: '',
      status,
      terms,
      events,
      ...(entry === undefined ? {} : { entry }),
    };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    // Its connection stands, and it says nothing.
    const link = error instanceof SilentError ? { link: 'SILENT' as const } : {};
    return { node, reachable: false, reason: error.message, ...link, events };
  }
}

function print({ out }: Shell, answer: Explanation): void {
  const { colors } = out;
  out.line(colors.bold(safeLine(answer.answer, 1_000)));
  const paint = certaintyPaint(answer.certainty, colors);
  out.line(`${safeLine(answer.cause, 80)}, ${paint(answer.certainty)}`);
  if (answer.evidence.length > 0) {
    out.line();
    out.table(
      [{ title: 'TIME' }, { title: 'NODE' }, { title: 'SEQ', align: 'right' }, { title: 'EVIDENCE' }],
      answer.evidence.map(({ node, at, seq, text }) => [
        { text: at === undefined ? '-' : new Date(at).toISOString(), paint: colors.dim },
        safeLine(node, 80),
        seq ?? '-',
        safeLine(text, 500),
      ]),
    );
  }
  if (answer.stages !== undefined && answer.stages.length > 0) {
    out.line();
    out.table(
      [
        { title: 'NODE' },
        { title: 'STAGE' },
        { title: 'FROM MS', align: 'right' },
        { title: 'TO MS', align: 'right' },
      ],
      answer.stages.map(({ node, name, fromMs, toMs }) => [
        safeLine(node, 80),
        safeLine(name, 80),
        fromMs.toFixed(2),
        toMs.toFixed(2),
      ]),
    );
  }
  if (answer.next !== '') {
    out.line();
    out.line(`${colors.bold('Next:')} ${safeLine(answer.next, 1_000)}`);
  }
}

function certaintyPaint(certainty: Certainty, colors: Colors): (text: string) => string {
  if (certainty === 'CERTAIN') return colors.green;
  return certainty === 'LIKELY' ? colors.yellow : colors.dim;
}
