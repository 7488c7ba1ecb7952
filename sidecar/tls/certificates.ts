/**
 * The certificates of one process: that which peers see, and that which HTTP clients see; often one for both.
 *
 * MUST: refuse files that cannot work before anything listens.
 */
import type { CertificateStatus, CertificateUse } from '../../shared/inspect.ts';
import type { NodeName } from '../../shared/node-certificate.ts';
import type { TlsSource } from '../../shared/tls.ts';
import { certificatesIn } from './credentials.ts';
import { CertificateKeeper, type CertificateNews } from './keeper.ts';

/** What the operator configured. Paths. */
export interface TlsFiles {
  readonly ca?: string;
  /** Shown to peers, and to HTTP clients where those have none of their own. */
  readonly peers?: { readonly cert: string; readonly key: string };
  readonly http?: { readonly cert: string; readonly key: string };
}

/** `uses`: which one it is about. */
export type TellNews = (
  what: CertificateNews,
  uses: readonly CertificateUse[],
  sentence: string,
  ms: number,
) => void;

export class Certificates {
  readonly #keepers: readonly CertificateKeeper[];
  /** Given where peers talk TLS. */
  readonly peers: TlsSource | undefined;
  readonly http: TlsSource | undefined;
  /** The CA by which local clients know our HTTP certificate: undefined where it is of another CA. */
  readonly httpCa: string | undefined;

  private constructor(
    peers: CertificateKeeper | undefined,
    http: CertificateKeeper | undefined,
    httpCa: string | undefined,
  ) {
    this.#keepers = [...new Set([peers, http])].filter((keeper) => keeper !== undefined);
    this.peers = peers;
    this.http = http;
    this.httpCa = httpCa;
  }

  /** Throws CertificateError, in one sentence. */
  static async open(files: TlsFiles | undefined, node: NodeName, tell: TellNews): Promise<Certificates> {
    const shared: readonly CertificateUse[] = files?.http === undefined ? ['PEERS', 'HTTP'] : ['PEERS'];
    const keep = (
      pair: { readonly cert: string; readonly key: string } | undefined,
      uses: readonly CertificateUse[],
      purpose: NodeName | undefined,
      ca: string | undefined,
    ): Promise<CertificateKeeper | undefined> =>
      pair === undefined
        ? Promise.resolve(undefined)
        : CertificateKeeper.open({
            files: { ...pair, ca },
            uses,
            purpose: { node: purpose },
            news: (what, sentence, ms) => tell(what, uses, sentence, ms),
          });
    const peers = await keep(files?.peers, shared, node, files?.ca);
    const own = await keep(files?.http, ['HTTP'], undefined, undefined);
    const http = own ?? peers;
    const known = own === undefined ? peers !== undefined : await madeBy(files?.http?.cert, files?.ca);
    return new Certificates(peers, http, known ? files?.ca : undefined);
  }

  start(): void {
    for (const keeper of this.#keepers) keeper.start();
  }

  close(): void {
    for (const keeper of this.#keepers) keeper.close();
  }

  status(): CertificateStatus[] {
    return this.#keepers.flatMap((keeper) => keeper.status());
  }

  /** For the metrics: by use, until the certificate ends. */
  secondsLeft(): { readonly use: CertificateUse; readonly seconds: number }[] {
    return this.#keepers.flatMap((keeper) =>
      keeper.uses.map((use) => ({ use, seconds: keeper.msLeft / 1_000 })),
    );
  }
}

/** Did a CA in the file `ca` make one of the chain in `cert`? Throws CertificateError for a file that cannot be read. */
async function madeBy(cert: string | undefined, ca: string | undefined): Promise<boolean> {
  if (cert === undefined || ca === undefined) return false;
  const [chain, cas] = [
    await certificatesIn(cert, 'the certificate file'),
    await certificatesIn(ca, 'the CA file'),
  ];
  return chain.some((one) => cas.some((by) => one.checkIssued(by) && one.verify(by.publicKey)));
}
