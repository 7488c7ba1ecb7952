/**
 * Reads a certificate, its key and the CA from their files, and checks that they can work before anybody relies on them.
 *
 * MUST: refuse in one clear sentence that names the file: what cannot be read, is no PEM, does not belong together, has
 * expired, or names somebody else; refuse a key that every user of the machine may read.
 * MUST NOT: put anything of a key into a message.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { open } from 'node:fs/promises';
import { LIMITS } from '../../shared/limits.ts';
import { type NodeName, notTheNode, readNames } from '../../shared/node-certificate.ts';
import { codeOf } from '../../shared/private-file.ts';
import type { TlsMaterial } from '../../shared/tls.ts';

/** Paths of PEM files. */
export interface CertificateFiles {
  /** Whose certificates are taken, and who made ours. Absent: our certificate is of a CA that others know by themselves. */
  readonly ca: string | undefined;
  /** Our certificate first, then those between it and the CA, where there are any. */
  readonly cert: string;
  readonly key: string;
}

/** What our certificate must be good for. */
export interface Purpose {
  /** It is shown to peers, in both directions: it must name this node. */
  readonly node: NodeName | undefined;
}

export interface Credentials extends TlsMaterial {
  /** Its last moment, and that of the CA or of those between where theirs is earlier; ms since the epoch. */
  readonly notAfter: number;
}

/** The files must not be used. `message` is one sentence. */
export class CertificateError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CertificateError';
  }
}

/** The contents of the files, unchecked. Throws CertificateError. */
export async function readCertificateFiles(files: CertificateFiles): Promise<RawFiles> {
  return {
    ca: files.ca === undefined ? undefined : await readPem(files.ca, 'the CA file', false),
    cert: await readPem(files.cert, 'the certificate file', false),
    key: await readPem(files.key, 'the key file', true),
  };
}

/** The certificates in one file. Throws CertificateError. */
export async function certificatesIn(path: string, what: string): Promise<X509Certificate[]> {
  return certificatesOf(await readPem(path, what, false), `${what} ${path}`);
}

export interface RawFiles {
  readonly ca: string | undefined;
  readonly cert: string;
  readonly key: string;
}

/** Throws CertificateError unless these work together at `now`. */
export function checkCredentials(
  raw: RawFiles,
  files: CertificateFiles,
  purpose: Purpose,
  now: number,
): Credentials {
  const chain = certificatesOf(raw.cert, `the certificate file ${files.cert}`);
  const [own] = chain;
  if (own === undefined) throw new CertificateError(`the certificate file ${files.cert} has no certificate`);
  const cas = files.ca === undefined ? [] : certificatesOf(raw.ca ?? '', `the CA file ${files.ca}`);
  checkKey(own, raw.key, files);
  const validity = [own];
  if (files.ca !== undefined) {
    if (cas.length === 0) throw new CertificateError(`the CA file ${files.ca} has no certificate`);
    validity.push(...issuersOf(chain, cas, files));
  }
  for (const certificate of validity)
    checkTime(certificate, certificate === own ? files.cert : (files.ca ?? ''), now);
  const names = readNames(own.subjectAltName);
  if (purpose.node !== undefined) checkPeer(own, files.cert, purpose.node);
  else if (names === undefined) throw new CertificateError(`the names in ${files.cert} cannot be read`);
  return {
    ...raw,
    names: names ?? { uris: [], dns: [], ips: [] },
    notAfter: Math.min(...validity.map((certificate) => Date.parse(certificate.validTo))),
  };
}

async function readPem(path: string, what: string, secret: boolean): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { size, mode } = await file.stat();
      if (size > LIMITS.tlsFileBytes) {
        throw new CertificateError(`${what} ${path} is larger than ${LIMITS.tlsFileBytes} bytes`);
      }
      // A group may read it: so do secrets reach a process that is not their owner.
      if (secret && process.platform !== 'win32' && (mode & 0o007) !== 0) {
        throw new CertificateError(
          `${what} ${path} may be read by every user of this machine; make it private with: chmod 600 ${path}`,
        );
      }
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof CertificateError) throw error;
    const why = codeOf(error) === 'ENOENT' ? 'there is no such file' : codeOf(error);
    throw new CertificateError(`${what} ${path} cannot be read: ${why}`, { cause: error });
  }
}

function certificatesOf(pem: string, what: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new CertificateError(`${what} has a certificate that cannot be read`, { cause: error });
  }
}

function checkKey(own: X509Certificate, pem: string, { cert, key }: CertificateFiles): void {
  let fits: boolean;
  try {
    fits = own.checkPrivateKey(createPrivateKey(pem));
  } catch (error) {
    throw new CertificateError(`the key file ${key} holds no private key in PEM without a password`, {
      cause: error,
    });
  }
  if (!fits) throw new CertificateError(`the key ${key} does not belong to the certificate ${cert}`);
}

/** Those above `chain[0]`, up to one of `cas`. Throws CertificateError where the chain does not lead there. */
function issuersOf(
  chain: readonly X509Certificate[],
  cas: readonly X509Certificate[],
  { cert, ca }: CertificateFiles,
): X509Certificate[] {
  const above: X509Certificate[] = [];
  let current = chain[0] as X509Certificate;
  for (let depth = 0; depth <= chain.length; depth++) {
    const issued = (by: X509Certificate): boolean => current.checkIssued(by) && current.verify(by.publicKey);
    // Of two CAs with one name and key the later one counts: that is how a CA is renewed.
    const root = cas.filter(issued).sort((a, b) => Date.parse(b.validTo) - Date.parse(a.validTo))[0];
    if (root !== undefined) return [...above, root];
    const next = chain.slice(1).find((candidate) => candidate !== current && issued(candidate));
    if (next === undefined || above.includes(next)) break;
    above.push(next);
    current = next;
  }
  throw new CertificateError(`the certificate ${cert} was not made by a CA in ${ca}`);
}

function checkTime(certificate: X509Certificate, path: string, now: number): void {
  if (now > Date.parse(certificate.validTo)) {
    throw new CertificateError(`a certificate in ${path} has expired (${certificate.validTo}): renew it`);
  }
  if (now < Date.parse(certificate.validFrom)) {
    throw new CertificateError(
      `a certificate in ${path} is not valid before ${certificate.validFrom}: compare the clocks`,
    );
  }
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** Peers dial and are dialled with the same certificate. */
function checkPeer(own: X509Certificate, path: string, node: NodeName): void {
  const wrong = notTheNode(readNames(own.subjectAltName), node);
  if (wrong !== undefined) throw new CertificateError(`${path} is not for this node: ${wrong}`);
  // Node.js calls the extended usages so; a certificate without any is good for all.
  const usages: readonly string[] | undefined = own.keyUsage;
  if (usages === undefined || usages.length === 0) return;
  for (const [usage, what] of [
    [SERVER_AUTH, 'server'],
    [CLIENT_AUTH, 'client'],
  ] as const) {
    if (!usages.includes(usage)) {
      throw new CertificateError(
        `${path} is not meant for ${what} authentication, and a peer needs both kinds`,
      );
    }
  }
}
