/** See tools.mjs. */
export interface Checker {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export function findChecker(
  name: 'hadolint' | 'kubernetes-validate' | 'systemd-analyze',
): Checker | undefined;
