/**
 * Is the server at the other end of an HTTPS connection the one that was asked for?
 *
 * MUST: be asked before anything is sent; take a certificate that names the host, or the node where it is known which one is
 * meant (an endpoint file says so): addresses change, and the names of nodes do not.
 */
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type NodeName, notTheNode, readNames } from './node-certificate.ts';

/** The error that ends the connection; undefined where it is the right server. The CA was checked before. */
export function wrongServer(
  host: string,
  certificate: PeerCertificate,
  node: NodeName | undefined,
): Error | undefined {
  const wrongHost = checkServerIdentity(host, certificate);
  if (wrongHost === undefined || node === undefined) return wrongHost;
  return notTheNode(readNames(certificate.subjectaltname), node) === undefined ? undefined : wrongHost;
}
