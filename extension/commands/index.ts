/**
 * Every command, by its id. What a command needs is loaded when it is first called.
 *
 * MUST: tell the user of an error in one sentence, and keep the rest for the output channel.
 */
import * as vscode from 'vscode';
import { sentence } from '../../shared/wording.ts';
import type { Services } from '../services.ts';
import { detailsOf, messageOf, UserError } from '../util/errors.ts';
import { COMMANDS, type CommandId } from './ids.ts';
import type { Target } from './target.ts';

type Handler = (services: Services, target: Target) => Promise<void>;

const HANDLERS: Readonly<Record<CommandId, Handler>> = {
  'outrigger.attach': async (...all) => (await import('./attach.ts')).attach(...all),
  'outrigger.detach': async (...all) => (await import('./attach.ts')).detach(...all),
  'outrigger.startDemoCluster': async ({ demo }) => demo.start(),
  'outrigger.stopDemoCluster': async ({ demo }) => demo.stop(),
  'outrigger.openLog': async (...all) => (await import('./logs.ts')).openLogCommand(...all),
  'outrigger.openTail': async (...all) => (await import('./logs.ts')).openTail(...all),
  'outrigger.toggleTail': async ({ tails }) => tails.toggle(),
  'outrigger.compareLogs': async (...all) => (await import('./logs.ts')).compareLogsCommand(...all),
  'outrigger.openPanel': async (...all) => (await import('./logs.ts')).openPanel(...all),
  'outrigger.explainLeader': async (...all) => (await import('./logs.ts')).explainLeader(...all),
  'outrigger.explainLag': async (...all) => (await import('./logs.ts')).explainLag(...all),
  'outrigger.explainEntry': async (...all) => (await import('./logs.ts')).explainEntry(...all),
  'outrigger.explain': async (...all) => (await import('./logs.ts')).explainCommand(...all),
  'outrigger.openUri': async (...all) => (await import('./logs.ts')).openUri(...all),
  'outrigger.proposeText': async (...all) => (await import('./control.ts')).proposeText(...all),
  'outrigger.transferLeadership': async (...all) => (await import('./control.ts')).transferLeadership(...all),
  'outrigger.plantFault': async (...all) => (await import('./faults.ts')).plantFault(...all),
  'outrigger.endFaults': async (...all) => (await import('./faults.ts')).endFaults(...all),
  'outrigger.copyAddress': async (...all) => (await import('./nodes.ts')).copyAddress(...all),
  'outrigger.openPage': async (...all) => (await import('./nodes.ts')).openPage(...all),
  'outrigger.doctor': async (services) => (await import('./doctor.ts')).doctor(services),
  'outrigger.showOutput': async ({ log }) => log.show(),
  'outrigger.showStatus': async (services) => (await import('./status.ts')).showStatus(services),
  'outrigger.revealNode': async ({ tree }, { cluster = '', node = '' }) => tree.reveal(cluster, node),
  'outrigger.showEvent': async (...all) => (await import('./events.ts')).showEvent(...all),
  'outrigger.filterEvents': async (services) => (await import('./events.ts')).filterEvents(services),
  'outrigger.clearEventFilter': async (services) => (await import('./events.ts')).clearEventFilter(services),
  'outrigger.followEvents': async ({ events }) => {
    events.following = true;
  },
  'outrigger.pauseEvents': async ({ events }) => {
    events.following = false;
  },
  'outrigger.closeEvidence': async ({ events }) => {
    events.explanation = undefined;
  },
};

export function registerCommands(services: Services): vscode.Disposable {
  return vscode.Disposable.from(
    ...COMMANDS.map((id) =>
      vscode.commands.registerCommand(id, (argument: unknown) => run(services, id, argument)),
    ),
  );
}

async function run(services: Services, id: CommandId, argument: unknown): Promise<void> {
  try {
    const { targetOf } = await import('./target.ts');
    await HANDLERS[id](services, targetOf(argument));
  } catch (error) {
    services.log.error(`${id}: ${detailsOf(error)}`);
    tell(services, error);
  }
}

function tell({ log }: Services, error: unknown): void {
  if (error instanceof UserError) {
    void vscode.window.showWarningMessage(sentence(messageOf(error)));
    return;
  }
  const output = vscode.l10n.t('Show Output');
  void vscode.window.showErrorMessage(sentence(messageOf(error)), output).then((chosen) => {
    if (chosen === output) log.show();
  });
}
