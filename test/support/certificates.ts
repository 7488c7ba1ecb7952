/** Certificates for tests: good ones and every kind of bad one, in memory or as files. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeUri, readNames } from '../../shared/node-certificate.ts';
import type { TlsMaterial, TlsSource } from '../../shared/tls.ts';
import { type Issued, issueCa, issueNode } from '../../sidecar/cli/certs/issue.ts';

export const DAY_MS = 86_400_000;

/** From `from` to `to`, in days from now. */
export function period(from: number, to: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() + from * DAY_MS), notAfter: new Date(Date.now() + to * DAY_MS) };
}

const USUAL = period(-30, 90);

export class TestCa {
  readonly name: string;
  readonly issued: Issued;
  readonly cluster: string;

  constructor(cluster: string, name = `CA of ${cluster}`) {
    this.cluster = cluster;
    this.name = name;
    this.issued = issueCa(name, period(-60, 365));
  }

  /** A certificate of this node; `uri` '' names none. */
  node(
    id: string,
    more: { cluster?: string; uri?: string; hosts?: readonly string[] } & Partial<typeof USUAL> = {},
  ): Issued {
    const { cluster = this.cluster, hosts = ['localhost', '127.0.0.1', '127.0.0.2'], uri, ...rest } = more;
    const named = uri === '' ? {} : { uri: uri ?? nodeUri({ cluster, node: id }) };
    const signer = { name: this.name, key: createPrivateKey(this.issued.key) };
    return issueNode(signer, { name: id, hosts, ...USUAL, ...rest, ...named });
  }

  material(issued: Issued): TlsMaterial {
    const names = readNames(new X509Certificate(issued.cert).subjectAltName);
    return { ca: this.issued.cert, ...issued, names: names ?? { uris: [], dns: [], ips: [] } };
  }

  source(issued: Issued): TestSource {
    return new TestSource(this.material(issued));
  }
}

/** A certificate of the node by itself: nobody vouches for it. */
export function selfSigned(cluster: string, id: string): Issued {
  return issueNode(undefined, {
    name: id,
    uri: nodeUri({ cluster, node: id }),
    hosts: ['localhost', '127.0.0.1'],
    ...USUAL,
  });
}

/** A source whose files change when the test says so. */
export class TestSource implements TlsSource {
  #current: TlsMaterial;
  readonly #listeners: (() => void)[] = [];

  constructor(current: TlsMaterial) {
    this.#current = current;
  }

  current(): TlsMaterial {
    return this.#current;
  }

  onChange(changed: () => void): void {
    this.#listeners.push(changed);
  }

  change(to: TlsMaterial): void {
    this.#current = to;
    for (const changed of this.#listeners) changed();
  }
}

/** Writes (or replaces) `NAME.crt` and `NAME.key`. */
export async function writeIssued(
  folder: string,
  name: string,
  { cert, key }: Issued,
): Promise<{ cert: string; key: string }> {
  const paths = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  for (const [path, text] of [
    [paths.cert, cert],
    [paths.key, key],
  ] as const) {
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
  return paths;
}
