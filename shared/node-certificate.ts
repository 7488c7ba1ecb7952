/**
 * Whom a certificate names: the node, by a URI `outrigger://CLUSTER/NODE`, and the hosts that it may serve HTTP under.
 *
 * MUST: read the names exactly as OpenSSL wrote them, or none at all (a name that smuggles in another one is how such checks
 * were passed before); take one node from a certificate, never the better of two. MUST be pure.
 * MAY be imported by the sidecar, the CLI and the editor. Whether the certificate is to be trusted is not decided here.
 */
import { NAME_PATTERN } from './names.ts';

const SCHEME = 'outrigger://';

/** Names of a certificate (its subject alternative names), as text. */
export interface CertificateNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  /** In the form that URLs have: IPv6 shortened, in lower case, without brackets. */
  readonly ips: readonly string[];
}

export interface NodeName {
  readonly cluster: string;
  readonly node: string;
}

/** The URI that names a node in its certificate. Names are plain (`NAME_PATTERN`), so encoding changes nothing in them today. */
export function nodeUri({ cluster, node }: NodeName): string {
  return `${SCHEME}${encodeURIComponent(cluster)}/${encodeURIComponent(node)}`;
}

/**
 * The text that Node.js gives for the names: `URI:outrigger://orders/n1, DNS:localhost, IP Address:127.0.0.1`. Values with
 * anything special in them are JSON strings. Undefined where it is not wholly of that form.
 */
export function readNames(subjectAltName: string | undefined): CertificateNames | undefined {
  const found = { uris: [] as string[], dns: [] as string[], ips: [] as string[] };
  const text = subjectAltName ?? '';
  const one = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
  while (one.lastIndex < text.length) {
    const match = one.exec(text);
    if (match === null) return undefined;
    const [, kind, raw = ''] = match;
    const value = raw.startsWith('"') ? unquoted(raw) : raw;
    if (value === undefined) return undefined;
    if (kind === 'URI') found.uris.push(value);
    else if (kind === 'DNS') found.dns.push(value.toLowerCase());
    else if (kind === 'IP Address') found.ips.push(plainIp(value));
  }
  return found;
}

/** The node that these names name, or in one sentence why they name none. */
export function nodeOf(names: CertificateNames | undefined): NodeName | { readonly problem: string } {
  if (names === undefined) return { problem: 'the names in the certificate cannot be read' };
  const ours = names.uris.filter((uri) => uri.startsWith(SCHEME));
  if (ours.length === 0) return { problem: `the certificate names no node (no URI ${SCHEME}CLUSTER/NODE)` };
  if (ours.length > 1)
    return { problem: `the certificate names ${ours.length} nodes, and a node has its own` };
  const parts = (ours[0] ?? '').slice(SCHEME.length).split('/').map(decoded);
  const [cluster, node] = parts;
  if (parts.length !== 2 || cluster === undefined || node === undefined) {
    return { problem: `the certificate names a node in a form that is not ${SCHEME}CLUSTER/NODE` };
  }
  return { cluster, node };
}

/** Why this certificate is not the one of `wanted`; undefined where it is. */
export function notTheNode(names: CertificateNames | undefined, wanted: NodeName): string | undefined {
  const found = nodeOf(names);
  return 'problem' in found ? found.problem : anotherThan(wanted, found);
}

/** Why a certificate of `found` is not the one of `wanted`; undefined where it is. */
export function anotherThan(wanted: NodeName, found: NodeName): string | undefined {
  if (found.cluster !== wanted.cluster) {
    return `the certificate is of the cluster ${found.cluster}, not of ${wanted.cluster}`;
  }
  if (found.node !== wanted.node)
    return `the certificate is of the node ${found.node}, not of ${wanted.node}`;
  return undefined;
}

/** An IP address in the form that URLs have. */
export function plainIp(text: string): string {
  if (!text.includes(':') || !URL.canParse(`http://[${text}]`)) return text.toLowerCase();
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

function unquoted(raw: string): string | undefined {
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === 'string' ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function decoded(part: string): string | undefined {
  try {
    const name = decodeURIComponent(part);
    return NAME_PATTERN.test(name) ? name : undefined;
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
