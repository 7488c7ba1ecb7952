/**
 * Names and texts of others where VS Code would read `$(name)` as an icon: quick picks and the status bar.
 *
 * MUST: be pure.
 */
import { safeLine } from '../../shared/safe-text.ts';

/** One harmless line without icons. */
export function plainLabel(text: string, maxChars = 200): string {
  return safeLine(text, maxChars).replaceAll('$(', '$ (');
}
