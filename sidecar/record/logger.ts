/** The log of the daemon: one JSON line per event on standard error. Payloads never appear in it. */
import { destination, type Logger, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export function createLogger(level: LogLevel, cluster: string, node: string): Logger {
  return pino({ level, base: { cluster, node, pid: process.pid } }, destination({ dest: 2, sync: false }));
}
