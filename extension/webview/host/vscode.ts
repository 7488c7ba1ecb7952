/**
 * The host inside VS Code: messages go by `postMessage`.
 *
 * MUST: take messages of the editor's own frame only. A webview may call `acquireVsCodeApi` once.
 */
import type { FromPage } from '../../../shared/panel-protocol.ts';
import type { Host } from './host.ts';

interface VsCodeApi {
  postMessage(message: FromPage): void;
  getState(): unknown;
  setState(state: object): void;
}

declare global {
  interface Window {
    acquireVsCodeApi?: () => VsCodeApi;
  }
}

/** The host, or undefined when this is not a webview of VS Code. */
export function vscodeHost(page: Window): Host | undefined {
  const api = page.acquireVsCodeApi?.();
  if (api === undefined) return undefined;
  return {
    kind: 'vscode',
    post: (message) => api.postMessage(message),
    listen(listener) {
      page.addEventListener('message', (event) => {
        // VS Code posts from the frame around us, which has our own origin. Anything else is not it.
        if (event.origin === page.origin) listener(event.data);
      });
    },
    getState: () => api.getState(),
    setState: (state) => api.setState(state),
  };
}
