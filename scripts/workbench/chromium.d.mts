/** The path of a Chromium, or undefined. `CHROMIUM` in the environment wins, and is not doubted. */
export function findChromium(): string | undefined;
