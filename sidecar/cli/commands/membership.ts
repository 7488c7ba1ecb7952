/** `outrigger add`, `promote`, `remove` and `replace`: changes of the membership, by joint consensus. */
import type { Command } from 'commander';
import { list } from '../../../shared/wording.ts';
import { parseAddress } from '../address.ts';
import type { Client } from '../client.ts';
import { usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

/** A change waits for a quorum, and for the one before it. */
const CHANGE_MS = 30_000;

interface Changed {
  readonly index: number;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly warning?: string;
}

type Flags = TargetFlags & { json?: true };

async function change(shell: Shell, flags: Flags, ask: (client: Client) => Promise<Changed>): Promise<void> {
  const changed = await ask(await chooseOne(flags, shell.env, 'leader'));
  if (flags.json) {
    shell.out.json(changed);
    return;
  }
  const learners =
    changed.learners.length === 0
      ? ''
      : `; ${list(changed.learners)} only ${changed.learners.length === 1 ? 'learns' : 'learn'}`;
  shell.out.line(`voters: ${list(changed.voters)}${learners} (entry ${changed.index})`);
  if (changed.warning !== undefined) shell.err.line(`outrigger: ${changed.warning}.`);
}

function peerOf(text: string): string {
  try {
    parseAddress(text);
    return text;
  } catch (error) {
    throw usageError(`--peer ${error instanceof Error ? error.message : String(error)}.`);
  }
}

const ADD_HELP = `
Start the new node first: outrigger run --id ID --cluster CLUSTER --data DIR --peer-listen HOST:PORT --join http://ANY-MEMBER. It is
given the log (or a snapshot) as a learner, which does not count, and gets its vote by itself once it has caught up.

With an id that is a member already, its address or its priority is changed.

Examples:
  outrigger add n4 --peer 127.0.0.1:7004
  outrigger add n5 --peer 127.0.0.1:7005 --learner       a copy that never votes
  outrigger add n1 --priority 10                         n1 leads whenever it can`;

export function addAdd(program: Command, shell: Shell): void {
  targetOptions(program.command('add'))
    .description('add a member, as a learner first; or change what is known of one')
    .argument('<id>', 'the id of the node')
    .option('--peer <host:port>', 'where other sidecars reach it')
    .option('--learner', 'it stays a learner until it is promoted')
    .option('--priority <number>', 'who should lead: the highest, if it can (default: 0)', Number)
    .addHelpText('after', ADD_HELP)
    .action((id: string, flags: Flags & { peer?: string; learner?: true; priority?: number }) =>
      change(shell, flags, (client) => client.post('/v1/members', 'admin', bodyOf(id, flags), CHANGE_MS)),
    );
}

function bodyOf(
  id: string,
  { peer, learner, priority }: { peer?: string; learner?: true; priority?: number },
) {
  return {
    id,
    ...(peer === undefined ? {} : { peer: peerOf(peer) }),
    ...(learner === undefined ? {} : { learner }),
    ...(priority === undefined ? {} : { priority }),
  };
}

export function addPromote(program: Command, shell: Shell): void {
  targetOptions(program.command('promote'))
    .description('give a learner its vote')
    .argument('<id>', 'the id of the node')
    .addHelpText('after', '\nExamples:\n  outrigger promote n4')
    .action((id: string, flags: Flags) =>
      change(shell, flags, (client) =>
        client.post(`/v1/members/${encodeURIComponent(id)}/promote`, 'admin', {}, CHANGE_MS),
      ),
    );
}

const REMOVE_HELP = `
The leader may be removed as well: it hands leadership over. Stop the node afterwards; its data folder is of no use any more.

Examples:
  outrigger remove n2`;

export function addRemove(program: Command, shell: Shell): void {
  targetOptions(program.command('remove'))
    .description('take a member out of the cluster')
    .argument('<id>', 'the id of the node')
    .addHelpText('after', REMOVE_HELP)
    .action((id: string, flags: Flags) =>
      change(shell, flags, (client) =>
        client.delete(`/v1/members/${encodeURIComponent(id)}`, 'admin', CHANGE_MS),
      ),
    );
}

const REPLACE_HELP = `
For a machine that is gone, or one that goes: NEW is given the log as a learner, and once it has caught up it takes the vote of OLD
in one step, so that the number of votes never changes. Say so before NEW is started with --join: by itself it would become
one more voter.

Examples:
  outrigger replace n2 n4 --peer 127.0.0.1:7004`;

export function addReplace(program: Command, shell: Shell): void {
  targetOptions(program.command('replace'))
    .description('put a new node in the place of a member')
    .argument('<old>', 'the id of the member that goes')
    .argument('<new>', 'the id of the node that comes')
    .requiredOption('--peer <host:port>', 'where other sidecars reach the new one')
    .addHelpText('after', REPLACE_HELP)
    .action((replaces: string, id: string, flags: Flags & { peer: string }) =>
      change(shell, flags, (client) =>
        client.post('/v1/members', 'admin', { id, peer: peerOf(flags.peer), replaces }, CHANGE_MS),
      ),
    );
}
