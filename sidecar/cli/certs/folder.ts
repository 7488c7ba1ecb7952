/**
 * The folder of `outrigger certs`: `ca.crt` and `ca.key`, and for each node `NODE.crt` and `NODE.key`.
 *
 * MUST: write keys for their owner only (0600), each file whole or not at all; never overwrite anything, so that a second run
 * cannot cut a cluster in two; say in one sentence what is in the way.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { chmod, lstat, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeUri } from '../../../shared/node-certificate.ts';
import { codeOf, createPrivateFile } from '../../../shared/private-file.ts';
import { CliError, messageOf, usageError } from '../errors.ts';
import { type Issued, issueCa, issueNode } from './issue.ts';

/** Clocks of other machines may be behind this one. */
const SKEW_MS = 5 * 60_000;
const DAY_MS = 86_400_000;
/** What the CA's common name says besides the cluster. */
const CA_NAME = /^Outrigger CA of ([^\n]+)$/;

export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

/** Makes the CA of a cluster. Throws CliError where there is one. */
export async function createCa(dir: string, cluster: string, days: number): Promise<CertificatePaths> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const name = `Outrigger CA of ${cluster}`;
  return writePair(
    dir,
    'ca',
    issueCa(name, periodOf(days)),
    'a new CA would shut out every node of the old one',
  );
}

/** Makes the certificate of one node in `out`, by the CA in `dir`. Throws CliError. */
export async function createNode(
  dir: string,
  out: string,
  id: string,
  hosts: readonly string[],
  days: number,
): Promise<CertificatePaths & { readonly cluster: string; readonly notAfter: Date }> {
  const ca = await readCa(dir);
  const { notBefore, notAfter } = periodOf(days);
  if (notAfter.getTime() > ca.notAfter) {
    const left = Math.floor((ca.notAfter - Date.now()) / DAY_MS);
    throw usageError(
      `--days ${days} is longer than the CA in ${dir} lives: at most ${Math.max(0, left)} now.`,
    );
  }
  const made = issueNode(ca, {
    ...{ name: `${ca.cluster}/${id}`, hosts, notBefore, notAfter },
    uri: nodeUri({ cluster: ca.cluster, node: id }),
  });
  const hint = 'to renew it, make the new one in another --out folder, then put it in place of the old one';
  await mkdir(out, { recursive: true, mode: 0o700 });
  return { ...(await writePair(out, id, made, hint)), cluster: ca.cluster, notAfter };
}

interface Ca {
  readonly cluster: string;
  readonly name: string;
  readonly key: KeyObject;
  readonly notAfter: number;
}

async function readCa(dir: string): Promise<Ca> {
  const cert = join(dir, 'ca.crt');
  let certificate: X509Certificate;
  let key: KeyObject;
  try {
    certificate = new X509Certificate(await readFile(cert));
    key = createPrivateKey(await readFile(join(dir, 'ca.key')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw usageError(
        `there is no CA in ${dir}: make one with \`outrigger certs ca --dir ${dir} --cluster NAME\`.`,
      );
    throw usageError(`the CA in ${dir} cannot be used: ${messageOf(error)}.`);
  }
  const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '';
  const cluster = CA_NAME.exec(name)?.[1];
  if (cluster === undefined || !certificate.checkPrivateKey(key)) {
    throw usageError(`the CA in ${dir} is not one that \`outrigger certs ca\` made.`);
  }
  return { cluster, name, key, notAfter: Date.parse(certificate.validTo) };
}

function periodOf(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - SKEW_MS), notAfter: new Date(now + days * DAY_MS) };
}

/** Throws CliError, and leaves nothing behind, where one of the two is there already. */
async function writePair(
  dir: string,
  base: string,
  { cert, key }: Issued,
  hint: string,
): Promise<CertificatePaths> {
  const paths = { cert: join(dir, `${base}.crt`), key: join(dir, `${base}.key`) };
  try {
    for (const path of [paths.cert, paths.key]) if (await isThere(path)) throw taken(path, hint);
    if (!(await createPrivateFile(paths.key, key))) throw taken(paths.key, hint);
    if (!(await createPrivateFile(paths.cert, cert))) {
      await rm(paths.key, { force: true });
      throw taken(paths.cert, hint);
    }
    // Certificates are shown to everybody anyway, and clients of other users need that of the CA.
    await chmod(paths.cert, 0o644);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${dir} cannot be written: ${messageOf(error)}.`);
  }
  return paths;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function taken(path: string, hint: string): CliError {
  return new CliError(`${path} is there already, and nothing is overwritten: ${hint}.`);
}
