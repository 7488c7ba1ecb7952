/**
 * TLS in words that both ends share: where keys and certificates come from, and what a failure means to a person.
 *
 * MUST: say of each refusal what is wrong with the certificate, not what the library calls it. MUST be pure.
 */
import type { CertificateNames } from './node-certificate.ts';

/** PEM texts. `ca`: whose certificates are taken; absent where nobody's is asked for. */
export interface TlsMaterial {
  readonly ca: string | undefined;
  readonly cert: string;
  readonly key: string;
  /** Whom `cert` names. */
  readonly names: CertificateNames;
}

/** The files as they are now: they may change while we run. */
export interface TlsSource {
  /** The same object for as long as nothing changed. */
  current(): TlsMaterial;
  /** Calls `changed` after each change. */
  onChange(changed: () => void): void;
}

/** OpenSSL's words for what is wrong with the other side's certificate. */
const CERTIFICATE_WORDS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet (compare the clocks)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed, not by our CA',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate is of another CA than ours',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificate is of another CA than ours',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate is of another CA than ours',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate is of another CA than ours',
  CERT_SIGNATURE_FAILURE: 'the certificate is of another CA than ours (one of the same name)',
  CERT_UNTRUSTED: 'the certificate is of another CA than ours',
  INVALID_CA: 'the certificate was issued by one that is no CA',
  INVALID_PURPOSE: 'the certificate is not meant for this use (server and client authentication)',
  CERT_CHAIN_TOO_LONG: 'the chain of certificates is too long',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate names other hosts than this one',
};

/** What failed within the handshake, or was said by the other side about us. */
const HANDSHAKE_WORDS: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'the other side does not speak TLS',
  EPROTO: 'the other side does not speak TLS, or none that we take',
  ERR_SSL_HTTP_REQUEST: 'it was plain HTTP, and this port takes TLS only',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the other side speaks no version of TLS that we take',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the other side takes no version of TLS that we speak',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the other side wants a certificate, and we showed none',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'the other side refuses our certificate: it has expired',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the other side refuses our certificate: it is of another CA',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'the other side refuses our certificate',
  ERR_SSL_NO_SHARED_CIPHER: 'the two sides have no cipher in common',
};

/** What is wrong with the other side's certificate, by the code of the failure; undefined where it is not about that. */
export function certificateFault(code: string): string | undefined {
  return Object.hasOwn(CERTIFICATE_WORDS, code) ? CERTIFICATE_WORDS[code] : undefined;
}

/** What a TLS failure with this code means; undefined where it is no TLS failure that has words. */
export function tlsFault(code: string): string | undefined {
  const said =
    certificateFault(code) ?? (Object.hasOwn(HANDSHAKE_WORDS, code) ? HANDSHAKE_WORDS[code] : undefined);
  if (said !== undefined || !code.startsWith('ERR_SSL_')) return said;
  return `the TLS handshake failed (${code.slice('ERR_SSL_'.length).toLowerCase().replaceAll('_', ' ')})`;
}
