/** See recipe.mjs. */
export type WorkbenchState =
  | {
      readonly state: 'READY';
      /** Holds VS Code's server: `out/server-main.js`. */
      readonly folder: string;
      /** The Node.js to run it with. */
      readonly node: string;
      readonly chromium: string;
    }
  | { readonly state: 'UNAVAILABLE' | 'UNPREPARED'; readonly reason: string };

export const VSCODE: string;
export function workbenchState(root?: string): WorkbenchState;
