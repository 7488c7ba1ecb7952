/**
 * The configuration of `outrigger run`: flags over environment over file over defaults, checked as a whole.
 *
 * MUST: refuse anything unknown or wrong with one clear sentence that names where it came from, and exit code 2.
 * MUST NOT: start anything or touch the data folder.
 */
import { readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import * as z from 'zod';
import { NAME_PATTERN } from '../../shared/endpoint-files.ts';
import { parseNewsUrl } from '../../shared/leader-news.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { SidecarOptions } from '../node/sidecar-options.ts';
import {
  checkMembers,
  formatAddress,
  isLoopback,
  isWildcard,
  type Member,
  NAME_RULE,
  parseAddress,
  parseMembers,
} from './address.ts';
import { messageOf, systemCode, usageError } from './errors.ts';

/** What is configured of a sidecar. */
export type RunConfig = Omit<SidecarOptions, 'fetch'>;

/** A value as the file (JSON) or a flag or the environment (text) gives it, made into the real thing. */
function value<T>(parse: (raw: unknown) => T) {
  return z.unknown().transform((raw, context): T => {
    try {
      return parse(raw);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

function text(raw: unknown, rule: string): string {
  if (typeof raw !== 'string' || raw === '') throw new RangeError(rule);
  return raw;
}

function name(raw: unknown): string {
  if (typeof raw !== 'string' || !NAME_PATTERN.test(raw)) throw new RangeError(NAME_RULE);
  return raw;
}

function members(raw: unknown) {
  if (typeof raw === 'string') return parseMembers(raw);
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) {
    return checkMembers(Object.entries(raw).map(([id, address]) => [id, String(address)]));
  }
  throw new RangeError('must be an object of ID: "HOST:PORT", or the text ID=HOST:PORT,…');
}

/** Words of a command. A text would need a shell's rules to be taken apart, so only a list will do, and only the file has lists. */
function program(raw: unknown): readonly string[] {
  if (!Array.isArray(raw)) {
    throw new RangeError('must be a list in the configuration file: ["/path/of/program", "argument", …]');
  }
  const words = raw.filter((word): word is string => typeof word === 'string' && !word.includes('\0'));
  if (words.length !== raw.length) throw new RangeError('must be a list of texts');
  if (!isAbsolute(words[0] ?? '')) throw new RangeError('must begin with the absolute path of a program');
  return words;
}

function milliseconds(least: number, most: number) {
  return value((raw) => {
    const number = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
    if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
      throw new RangeError(`must be a whole number of milliseconds from ${least} to ${most}`);
    }
    return number;
  });
}

function wholeNumber(least: number, most: number) {
  return value((raw) => {
    const number = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
    if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
      throw new RangeError(`must be a whole number from ${least} to ${most}`);
    }
    return number;
  });
}

const share = value((raw) => {
  const number = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw;
  if (typeof number !== 'number' || !(number >= 0.01 && number <= 0.5))
    throw new RangeError('must be a number from 0.01 to 0.5, such as 0.2 for 20 %');
  return number;
});

const yesOrNo = value((raw) => {
  if (raw === true || raw === 'true' || raw === '1') return true;
  if (raw === false || raw === 'false' || raw === '0') return false;
  throw new RangeError('must be true or false');
});

const address = value((raw) => parseAddress(text(raw, 'must be HOST:PORT')));
const file = value((raw) => resolve(text(raw, 'must be a file')));
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** What may be configured. The order is the order of complaints. */
const settingsSchema = z.object({
  id: value(name),
  cluster: value(name),
  data: value((raw) => resolve(text(raw, 'must be a folder'))),
  members: value(members).optional(),
  join: value((raw) => baseUrl(text(raw, 'must be a URL such as http://127.0.0.1:8001'))).optional(),
  peerListen: address.optional(),
  httpListen: address.default({ host: '127.0.0.1', port: 0 }),
  appSocket: value((raw) => appSocket(text(raw, 'must be a path or tcp://127.0.0.1:PORT'))).optional(),
  tokenFile: file.optional(),
  tlsCa: file.optional(),
  tlsCert: file.optional(),
  tlsKey: file.optional(),
  httpTlsCert: file.optional(),
  httpTlsKey: file.optional(),
  agentListen: address.optional(),
  agentReadyListen: address.optional(),
  leaderNewsUrl: value((raw) =>
    parseNewsUrl(text(raw, 'must be a URL such as http://127.0.0.1:9000/leader')),
  ).optional(),
  leaderNewsCommand: value(program).optional(),
  control: yesOrNo.default(false),
  electionMinMs: milliseconds(50, 60_000).default(150),
  electionMaxMs: milliseconds(50, 120_000).default(300),
  heartbeatMs: milliseconds(10, 30_000).default(50),
  appGraceMs: milliseconds(0, 3_600_000).default(LIMITS.appGraceMs),
  preVote: yesOrNo.default(true),
  checkQuorum: yesOrNo.default(true),
  leaseReads: yesOrNo.default(false),
  /** Two clocks that are being corrected in opposite directions, as fast as the usual daemons do it (8 %), keep within this. */
  leaseClockBound: share.default(0.2),
  /** Each node takes a snapshot after so much log, or as many bytes as its last one has. Small: the disk is busy with them. */
  snapshotBytes: wholeNumber(64 * 1024, 2 ** 40).default(LIMITS.snapshotBytes),
  snapshotEntries: wholeNumber(100, 2 ** 40).default(LIMITS.snapshotEntries),
  snapshotSendBytes: wholeNumber(64 * 1024, 2 ** 40).default(LIMITS.snapshotSendBytes),
  logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
});

export type SettingName = keyof z.infer<typeof settingsSchema>;
export const SETTING_NAMES = Object.keys(settingsSchema.shape) as readonly SettingName[];
const REQUIRED = ['id', 'cluster', 'data'] as const;

/** `peerListen` → `--peer-listen`. */
export function flagName(setting: SettingName): string {
  return `--${setting.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `peerListen` → `OUTRIGGER_PEER_LISTEN`. */
export function environmentName(setting: SettingName): string {
  return `OUTRIGGER_${setting.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Longest path of a Unix socket in bytes, without the closing zero: 107 on Linux, 103 elsewhere. */
export const SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

function appSocket(raw: string): string {
  if (raw.startsWith('tcp://')) {
    const { host } = parseAddress(raw.slice('tcp://'.length));
    if (!isLoopback(host)) throw new RangeError('must be on this machine: tcp://127.0.0.1:PORT');
    return raw;
  }
  if (raw.startsWith('\\\\.\\pipe\\')) return raw;
  const path = resolve(raw);
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_BYTES) {
    throw new RangeError(
      `must be at most ${SOCKET_PATH_BYTES} bytes long as a path, and ${path} is ${bytes}`,
    );
  }
  return path;
}

/** Settings by name, unchecked, each with the words that say where it came from. */
type Raw = Map<SettingName, { readonly raw: unknown; readonly from: string }>;

/** Reads and merges the three sources. Throws CliError (exit code 2). */
export function loadConfig(
  flags: Readonly<Partial<Record<SettingName | 'config', unknown>>>,
  env: NodeJS.ProcessEnv,
): RunConfig {
  const raw: Raw = new Map();
  const file = flags.config ?? env['OUTRIGGER_CONFIG'];
  if (typeof file === 'string' && file !== '') readFile(file, raw);
  for (const setting of SETTING_NAMES) {
    const fromEnvironment = env[environmentName(setting)];
    if (fromEnvironment !== undefined && fromEnvironment !== '') {
      raw.set(setting, { raw: fromEnvironment, from: environmentName(setting) });
    }
    if (flags[setting] !== undefined) raw.set(setting, { raw: flags[setting], from: flagName(setting) });
  }
  return complete(raw);
}

function readFile(file: string, raw: Raw): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw usageError(`${file} is not JSON: ${messageOf(error)}.`);
    const why = systemCode(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw usageError(`the configuration file ${file} cannot be read: ${why}.`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw usageError(`${file} must hold one JSON object.`);
  }
  for (const [field, found] of Object.entries(parsed)) {
    const setting = SETTING_NAMES.find((candidate) => candidate === field);
    if (setting === undefined) {
      throw usageError(`${file} has the unknown field "${field}"; known are ${SETTING_NAMES.join(', ')}.`);
    }
    raw.set(setting, { raw: found, from: `"${field}" in ${file}` });
  }
}

function complete(raw: Raw): RunConfig {
  const missing = REQUIRED.filter((setting) => !raw.has(setting));
  if (missing.length > 0) {
    const flags = missing.map(flagName).join(', ');
    throw usageError(`missing ${flags} (or ${missing.map(environmentName).join(', ')}, or --config FILE).`);
  }
  const result = settingsSchema.safeParse(
    Object.fromEntries([...raw].map(([setting, found]) => [setting, found.raw])),
  );
  if (!result.success) {
    const issue = result.error.issues[0];
    const from = raw.get(issue?.path[0] as SettingName)?.from ?? 'the configuration';
    throw usageError(`${from} ${issue?.message ?? 'is not valid'}.`);
  }
  return crossCheck(result.data, (setting) => raw.get(setting)?.from ?? flagName(setting));
}

/** What no setting can say alone. */
function crossCheck(
  settings: z.infer<typeof settingsSchema>,
  from: (setting: SettingName) => string,
): RunConfig {
  const { data, id, members: all = [], ...rest } = settings;
  if (rest.join === undefined && all.length === 0) {
    throw usageError(
      'missing --members (or OUTRIGGER_MEMBERS, or --config FILE): or give --join, to become a member of a running cluster.',
    );
  }
  if (rest.join !== undefined && all.length > 0)
    throw usageError(`${from('members')} and ${from('join')} exclude each other.`);
  const own = all.find((member) => member.id === id) ?? joiner(rest, id, from);
  if (own === undefined) throw usageError(`${from('members')} must list this node: ${id} is not in it.`);
  const peerListen = rest.peerListen ?? { host: own.host, port: own.port };
  const elsewhere = peerListen.host !== own.host && !isWildcard(peerListen.host);
  if (peerListen.port !== 0 && (peerListen.port !== own.port || elsewhere)) {
    const said = `${from('members')} says ${formatAddress(own)} for ${id}`;
    throw usageError(`${from('peerListen')} is ${formatAddress(peerListen)}, but ${said}: they must match.`);
  }
  if (rest.electionMaxMs <= rest.electionMinMs) {
    throw usageError(
      `${from('electionMaxMs')} (${rest.electionMaxMs}) must be more than ${from('electionMinMs')} (${rest.electionMinMs}).`,
    );
  }
  if (rest.heartbeatMs * 2 > rest.electionMinMs) {
    throw usageError(
      `${from('heartbeatMs')} (${rest.heartbeatMs}) must be at most half of ${from('electionMinMs')} (${rest.electionMinMs}).`,
    );
  }
  if (rest.leaseReads) checkLease(settings, from);
  const { tlsCa, tlsCert, tlsKey, httpTlsCert, httpTlsKey, ...others } = rest;
  const tls = tlsFiles({ tlsCa, tlsCert, tlsKey, httpTlsCert, httpTlsKey }, from);
  const { agentListen, agentReadyListen } = rest;
  refuseOffMachine(
    rest.peerListen === undefined ? 'members' : 'peerListen',
    peerListen.host,
    from,
    tls?.peers,
  );
  for (const { host } of all) refuseOffMachine('members', host, from, tls?.peers);
  refuseOffMachine('httpListen', rest.httpListen.host, from, tls?.http ?? tls?.peers);
  if (agentListen !== undefined) refuseOffMachine('agentListen', agentListen.host, from, 'never');
  if (agentReadyListen !== undefined)
    refuseOffMachine('agentReadyListen', agentReadyListen.host, from, 'never');
  const socket = rest.appSocket ?? defaultSocket(data, rest.cluster, id);
  const known = { ...others, id, members: all, dataDir: data, peerListen, appSocket: socket };
  return tls === undefined ? known : { ...known, tls };
}

const TLS_SETTINGS = ['tlsCa', 'tlsCert', 'tlsKey', 'httpTlsCert', 'httpTlsKey'] as const;
type TlsSetting = (typeof TLS_SETTINGS)[number];

/** Which certificate is for what; undefined without any. Peers prove themselves to each other, so they need a CA too. */
function tlsFiles(
  given: Readonly<Record<TlsSetting, string | undefined>>,
  from: (setting: SettingName) => string,
): RunConfig['tls'] {
  const { tlsCa: ca, tlsCert, tlsKey, httpTlsCert, httpTlsKey } = given;
  const need = (setting: TlsSetting, because: TlsSetting): void => {
    if (given[because] !== undefined && given[setting] === undefined)
      throw usageError(`${from(because)} needs ${flagName(setting)} too.`);
  };
  need('tlsKey', 'tlsCert');
  need('tlsCert', 'tlsKey');
  need('tlsCa', 'tlsCert');
  need('httpTlsKey', 'httpTlsCert');
  need('httpTlsCert', 'httpTlsKey');
  if (httpTlsCert === undefined) need('tlsCert', 'tlsCa');
  const peers = tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey };
  const http =
    httpTlsCert === undefined || httpTlsKey === undefined
      ? undefined
      : { cert: httpTlsCert, key: httpTlsKey };
  if (peers === undefined && http === undefined) return undefined;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(peers === undefined ? {} : { peers }),
    ...(http === undefined ? {} : { http }),
  };
}

/** Where a node that joins is reached: what it listens on. */
function joiner(
  { join, peerListen }: Pick<z.infer<typeof settingsSchema>, 'join' | 'peerListen'>,
  id: string,
  from: (setting: SettingName) => string,
): Member | undefined {
  if (join === undefined) return undefined;
  if (peerListen === undefined)
    throw usageError(`${from('join')} needs --peer-listen HOST:PORT, where other sidecars reach this node.`);
  if (isWildcard(peerListen.host))
    throw usageError(
      `${from('peerListen')} must be an address that others can dial, not ${peerListen.host}.`,
    );
  return { id, ...peerListen };
}

function baseUrl(raw: string): string {
  if (!URL.canParse(raw) || !/^https?:$/.test(new URL(raw).protocol))
    throw new RangeError('must be a URL such as http://127.0.0.1:8001');
  return new URL(raw).origin;
}

/** Leases stand on voters that keep to a leader, and on a leader that gives up without a quorum. */
function checkLease(settings: z.infer<typeof settingsSchema>, from: (setting: SettingName) => string): void {
  const { checkQuorum, electionMinMs, heartbeatMs, leaseClockBound } = settings;
  if (!checkQuorum) {
    throw usageError(
      `${from('leaseReads')} needs check-quorum, and ${from('checkQuorum')} is off: a leader must notice when it has lost its quorum.`,
    );
  }
  const leaseMs = Math.floor(electionMinMs * (1 - leaseClockBound));
  if (leaseMs <= heartbeatMs) {
    throw usageError(
      `${from('leaseReads')} would give leases of ${leaseMs} ms (${from('electionMinMs')} ${electionMinMs} without ${from('leaseClockBound')} ${leaseClockBound}), which must be more than ${from('heartbeatMs')} (${heartbeatMs}) that renews them.`,
    );
  }
}

/** Nothing that another machine can reach may be without TLS (promise 8). 'never': what is there knows no TLS. */
function refuseOffMachine(
  setting: SettingName,
  host: string,
  from: (setting: SettingName) => string,
  tls: object | 'never' | undefined,
): void {
  if (isLoopback(host) || typeof tls === 'object') return;
  const reached = `${from(setting)} has the host ${host}, which other machines can reach`;
  if (tls === 'never') throw usageError(`${reached}, and HAProxy's agent-check knows no TLS: use 127.0.0.1.`);
  const flags =
    setting === 'httpListen'
      ? '--tls-ca, --tls-cert and --tls-key, or --http-tls-cert and --http-tls-key'
      : '--tls-ca, --tls-cert and --tls-key';
  throw usageError(`${reached}, and that needs TLS: give ${flags} (docs/tls.md), or use 127.0.0.1.`);
}

function defaultSocket(data: string, cluster: string, id: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\outrigger-${cluster}-${id}`;
  const path = join(data, 'app.sock');
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) {
    throw usageError(
      `--data ${data} is too long to hold the app socket: give a shorter path with --app-socket.`,
    );
  }
  return path;
}
