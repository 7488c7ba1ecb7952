/** The path of HAProxy, or undefined. `HAPROXY` in the environment wins, and is not doubted. */
export function findHaproxy(): string | undefined;
