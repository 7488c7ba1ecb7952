/**
 * Makes X.509 certificates: a CA, and what it issues for nodes.
 *
 * MUST: make keys of P-256 and serial numbers of 20 random bytes; put into each certificate what it is for, and nothing else,
 * so that the key of a node can issue nothing. MUST NOT: touch the disk.
 *
 * The forms are those of RFC 5280; node:crypto signs and reads certificates, but does not write them.
 */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP } from 'node:net';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';

/** PEM texts. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface Period {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Signer {
  readonly name: string;
  readonly key: KeyObject;
}

export interface NodeRequest extends Period {
  /** Shown by tools; decides nothing. */
  readonly name: string;
  /** `outrigger://CLUSTER/NODE`; absent for a certificate that names hosts only. */
  readonly uri?: string;
  /** Names and IP addresses. */
  readonly hosts: readonly string[];
}

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
/** `openssl` and browsers take the dates of certificates in seconds. */
const SECOND = 1_000;

/** A CA that may issue certificates of nodes, and no further CA. */
export function issueCa(name: string, period: Period): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const extensions = [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign), true),
  ];
  return issued({ name, key: privateKey }, name, publicKey, privateKey, period, extensions);
}

/** A certificate for both directions between peers, and for HTTP. By itself where there is no CA: nobody takes such a one. */
export function issueNode(ca: Signer | undefined, { name, uri, hosts, ...period }: NodeRequest): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = [
    ...(uri === undefined ? [] : [new GeneralName({ uniformResourceIdentifier: uri })]),
    ...hosts.map((host) => new GeneralName(isIP(host) === 0 ? { dNSName: host } : { iPAddress: host })),
  ];
  const extensions = [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])),
    extension(id_ce_subjectAltName, new SubjectAlternativeName(names)),
  ];
  return issued(ca ?? { name, key: privateKey }, name, publicKey, privateKey, period, extensions);
}

function issued(
  by: Signer,
  name: string,
  publicKey: KeyObject,
  privateKey: KeyObject,
  { notBefore, notAfter }: Period,
  extensions: readonly Extension[],
): Issued {
  const signature = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const keyIds = [
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyId(publicKey))),
    extension(
      id_ce_authorityKeyIdentifier,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyId(createPublicKey(by.key))) }),
    ),
  ];
  const tbsCertificate = new TBSCertificate({
    ...{ version: Version.v3, serialNumber: serialNumber(), signature },
    ...{ issuer: commonName(by.name), subject: commonName(name) },
    validity: new Validity({ notBefore: whole(notBefore), notAfter: whole(notAfter) }),
    subjectPublicKeyInfo: AsnConvert.parse(spki(publicKey), SubjectPublicKeyInfo),
    extensions: new Extensions([...extensions, ...keyIds]),
  });
  const signatureValue = bytes(sign('sha256', Buffer.from(AsnConvert.serialize(tbsCertificate)), by.key));
  const certificate = new Certificate({ tbsCertificate, signatureAlgorithm: signature, signatureValue });
  return {
    cert: pem('CERTIFICATE', AsnConvert.serialize(certificate)),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function extension(extnID: string, value: object, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function commonName(utf8String: string): Name {
  const value = new AttributeValue({ utf8String });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: COMMON_NAME, value })])]);
}

/** 159 random bits: positive, and never zero at the front. */
function serialNumber(): ArrayBuffer {
  const serial = randomBytes(20);
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  return bytes(serial);
}

function keyId(key: KeyObject): ArrayBuffer {
  return bytes(createHash('sha256').update(spki(key)).digest().subarray(0, 20));
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function whole(date: Date): Date {
  return new Date(Math.floor(date.getTime() / SECOND) * SECOND);
}

function bytes(buffer: Uint8Array): ArrayBuffer {
  return new Uint8Array(buffer).buffer;
}

function pem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
