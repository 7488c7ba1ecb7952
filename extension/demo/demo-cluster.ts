/**
 * Start and stop of the demo cluster: three sidecars on this machine with a key-value server in Python beside each.
 *
 * MUST: run nothing in a workspace that is not trusted; say what is missing; end with the editor.
 */
import * as vscode from 'vscode';
import { safeLine } from '../../shared/safe-text.ts';
import type { Aggregator } from '../client/aggregator.ts';
import { CONTEXT_KEYS } from '../commands/ids.ts';
import { messageOf, UserError } from '../util/errors.ts';
import type { Surroundings } from './launch.ts';
import type { DemoProcess } from './process.ts';

export type DemoState = 'STOPPED' | 'STARTING' | 'RUNNING' | 'STOPPING';

export class DemoCluster {
  readonly #context: vscode.ExtensionContext;
  readonly #log: vscode.LogOutputChannel;
  readonly #aggregator: Aggregator;
  readonly #attend: () => void;
  #state: DemoState = 'STOPPED';
  #process: DemoProcess | undefined;
  #busy: Promise<void> = Promise.resolve();
  #origin = '';

  /** `attend`: somebody looks at what is started. */
  constructor(
    context: vscode.ExtensionContext,
    log: vscode.LogOutputChannel,
    aggregator: Aggregator,
    attend: () => void,
  ) {
    this.#context = context;
    this.#log = log;
    this.#aggregator = aggregator;
    this.#attend = attend;
  }

  get state(): DemoState {
    return this.#state;
  }

  /** '' unless it runs. */
  get cluster(): string {
    return this.#process?.cluster ?? '';
  }

  /** For the doctor. */
  describe(): string {
    const origin = this.#origin === '' ? '' : `, by ${this.#origin}`;
    return `${this.#state.toLowerCase()}${this.cluster === '' ? '' : ` (${this.cluster})`}${origin}`;
  }

  async start(): Promise<void> {
    if (!vscode.workspace.isTrusted) {
      throw new UserError(vscode.l10n.t('The demo cluster runs programs, so it needs a trusted workspace.'));
    }
    if (this.#state !== 'STOPPED') return;
    this.#set('STARTING');
    this.#busy = this.#start();
    await this.#busy;
  }

  async stop(): Promise<void> {
    // What is just starting is stopped when it has started, or failed to: `start` tells of a failure.
    await this.#busy.catch((error: unknown) => this.#log.debug(messageOf(error)));
    if (this.#process === undefined) return;
    const { cluster } = this.#process;
    this.#set('STOPPING');
    try {
      await this.#process.stop();
    } finally {
      this.#process = undefined;
      this.#set('STOPPED');
    }
    if (!this.#aggregator.running) return;
    await this.#aggregator.request('raft/detach', { cluster }).catch((error: unknown) => {
      // It may have noticed by itself.
      this.#log.debug(`The demo cluster could not be detached: ${messageOf(error)}`);
    });
  }

  async #start(): Promise<void> {
    try {
      const process = await vscode.window.withProgress(
        {
          location: vscode.ProgressLocation.Notification,
          title: vscode.l10n.t('Starting three sidecars on this machine…'),
        },
        () => this.#launch(),
      );
      this.#process = process;
      this.#set('RUNNING');
      this.#attend();
      await this.#aggregator.request('raft/attach', { cluster: process.cluster, address: '', token: '' });
    } catch (error) {
      if (this.#process === undefined) this.#set('STOPPED');
      throw error;
    }
  }

  async #launch(): Promise<DemoProcess> {
    const { demoArgs, demoEnv, findApp, findPython, findSidecar, here } = await import('./launch.ts');
    const { DemoProcess } = await import('./process.ts');
    const around: Surroundings = {
      ...here,
      extensionPath: this.#context.extensionPath,
      development: this.#context.extensionMode !== vscode.ExtensionMode.Production,
      configured: vscode.workspace.getConfiguration('outrigger').get('command', '').trim(),
      env: process.env,
    };
    const sidecar = findSidecar(around);
    if (sidecar === undefined) {
      throw new UserError(
        vscode.l10n.t(
          'This build of the extension carries no sidecar. Install outrigger, or name it in the setting outrigger.command.',
        ),
      );
    }
    const app = findApp(around);
    if (app === undefined) throw new UserError(vscode.l10n.t('The demo app (kv.py) is not in this build.'));
    const python = await findPython(process.env);
    if (python === undefined) {
      throw new UserError(
        vscode.l10n.t('The demo app needs Python 3.8 or newer as python3 on the PATH, and there is none.'),
      );
    }
    this.#origin = sidecar.origin;
    this.#log.info(`Demo cluster: ${sidecar.origin}, ${python} ${app}`);
    return DemoProcess.start({ ...sidecar, env: demoEnv(sidecar.env) }, demoArgs(python, app), {
      line: (text) => this.#log.info(`demo: ${safeLine(text, 2_000)}`),
      ended: (why) => this.#ended(why),
    });
  }

  #ended(why: string): void {
    if (this.#process === undefined) return;
    this.#process = undefined;
    this.#set('STOPPED');
    this.#log.warn(`The demo cluster has ended: ${why}`);
    void vscode.window.showWarningMessage(vscode.l10n.t('The demo cluster has ended: {0}', safeLine(why)));
  }

  #set(state: DemoState): void {
    this.#state = state;
    void vscode.commands.executeCommand('setContext', CONTEXT_KEYS.demo, state);
  }
}
