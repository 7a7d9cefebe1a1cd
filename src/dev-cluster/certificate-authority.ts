/**
 * A certificate authority whose every field is the caller's: the dev cluster issues with it as Kubernetes does, and
 * adversarial tests make with it what a real one would refuse to. It judges nothing.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { DerCursor, readBitString, TAG } from '../pki/der-read.ts'
import {
  type Asn1,
  bitString,
  contextConstructed,
  fromDer,
  integer,
  nullValue,
  objectIdentifier,
  sequence,
  time,
  toDer,
} from '../pki/der-write.ts'
import { OID } from '../pki/oids.ts'
import { encodePem } from '../pki/pem.ts'
import * as x509 from './x509-extensions.ts'

const DAY_MS = 86_400_000

export type KeyType = 'ec-p256' | 'rsa-2048'

export interface CertificateOptions extends x509.SubjectAltNames {
  /** Without one, and without organizations, the subject is empty. */
  commonName?: string
  organizations?: readonly string[]
  /** One hour ago by default. */
  notBeforeMs?: number
  /** A day from now by default. */
  notAfterMs?: number
  /** `serverAuth`, `clientAuth` or a dotted OID; no extension where there is none. */
  extendedKeyUsages?: readonly string[]
  /** No extension where it is empty; digitalSignature and keyEncipherment by default, keyCertSign too for a CA. */
  keyUsages?: readonly x509.KeyUsage[]
  isCertificateAuthority?: boolean
  /** The key to make where no subjectPublicKeyInfo is given. */
  keyType?: KeyType
}

export interface IssuedCertificate {
  certificateDer: Uint8Array
  certificatePem: string
}
export interface IssuedIdentity extends IssuedCertificate {
  privateKeyPem: string
}

export interface CertificateAuthority extends IssuedIdentity {
  /** DER, as it stands in the certificate. */
  subjectPublicKeyInfo: Uint8Array
  /** `sha256:<hex>` over the raw SubjectPublicKeyInfo, as kubeadm prints it. */
  caCertHash: string
  /** End of its own validity, in milliseconds since the epoch. */
  notAfterMs: number
  issue(options: CertificateOptions & { subjectPublicKeyInfo: Uint8Array }): IssuedCertificate
  issue(options: CertificateOptions): IssuedIdentity
}

export interface CertificateAuthorityOptions extends CertificateOptions {
  /** Signs this one; it is self-signed without. */
  parent?: CertificateAuthority
}

interface Issuer {
  name: Asn1
  keyIdentifier: Uint8Array
  privateKey: KeyObject
}

/** What only the module knows of an authority: its name and key, for signing under it. */
const issuers = new WeakMap<CertificateAuthority, Issuer>()

const extendedKeyUsageOids: Readonly<Record<string, string>> = {
  serverAuth: OID.serverAuth,
  clientAuth: OID.clientAuth,
}

/** A new authority: ten years, EC P-256, CN `kubernetes`, unless the options say otherwise. */
export function createCertificateAuthority(options: CertificateAuthorityOptions = {}): CertificateAuthority {
  const key = generateKey(options.keyType ?? 'ec-p256')
  const filled = {
    commonName: 'kubernetes',
    notAfterMs: Date.now() + 3650 * DAY_MS,
    isCertificateAuthority: true,
    ...options,
  }
  const own: Issuer = {
    name: x509.distinguishedName(filled.commonName, options.organizations ?? []),
    keyIdentifier: keyIdentifier(key.subjectPublicKeyInfo),
    privateKey: key.privateKey,
  }
  const issuer = options.parent === undefined ? own : issuerOf(options.parent)
  const authority: CertificateAuthority = {
    ...certificate(issuer, key.subjectPublicKeyInfo, filled),
    privateKeyPem: privateKeyPem(key.privateKey),
    subjectPublicKeyInfo: key.subjectPublicKeyInfo,
    caCertHash: `sha256:${createHash('sha256').update(key.subjectPublicKeyInfo).digest('hex')}`,
    notAfterMs: filled.notAfterMs,
    issue: ((asked: CertificateOptions & { subjectPublicKeyInfo?: Uint8Array }) =>
      issue(own, asked)) as CertificateAuthority['issue'],
  }
  issuers.set(authority, own)
  return authority
}

function issuerOf(authority: CertificateAuthority): Issuer {
  const issuer = issuers.get(authority)
  if (issuer === undefined) throw new TypeError('the parent was not made by createCertificateAuthority')
  return issuer
}

function issue(
  issuer: Issuer,
  options: CertificateOptions & { subjectPublicKeyInfo?: Uint8Array },
): IssuedCertificate | IssuedIdentity {
  if (options.subjectPublicKeyInfo !== undefined) return certificate(issuer, options.subjectPublicKeyInfo, options)
  const key = generateKey(options.keyType ?? 'ec-p256')
  return {
    ...certificate(issuer, key.subjectPublicKeyInfo, options),
    privateKeyPem: privateKeyPem(key.privateKey),
  }
}

const privateKeyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

function generateKey(type: KeyType): { privateKey: KeyObject; subjectPublicKeyInfo: Uint8Array } {
  const { privateKey } =
    type === 'ec-p256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { privateKey, subjectPublicKeyInfo: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }) }
}

/** RFC 5280 §4.2.1.2, method 1: SHA-1 over the public key's bits. */
function keyIdentifier(subjectPublicKeyInfo: Uint8Array): Uint8Array {
  const members = DerCursor.over(subjectPublicKeyInfo, TAG.sequence)
  members.take(TAG.sequence)
  return createHash('sha1')
    .update(readBitString(members.take(TAG.bitString)).bytes)
    .digest()
}

function extensions(issuer: Issuer, subjectPublicKeyInfo: Uint8Array, options: CertificateOptions): Asn1[] {
  const isCertificateAuthority = options.isCertificateAuthority ?? false
  const usages =
    options.keyUsages ??
    (['digitalSignature', 'keyEncipherment', ...(isCertificateAuthority ? ['keyCertSign' as const] : [])] as const)
  const purposes = (options.extendedKeyUsages ?? []).map((usage) => extendedKeyUsageOids[usage] ?? usage)
  const isSubjectEmpty = options.commonName === undefined && (options.organizations ?? []).length === 0
  const subjectAltName = x509.subjectAltName(options, isSubjectEmpty)
  return [
    ...(usages.length > 0 ? [x509.keyUsage(usages)] : []),
    ...(purposes.length > 0 ? [x509.extendedKeyUsage(purposes)] : []),
    x509.basicConstraints(isCertificateAuthority),
    x509.subjectKeyIdentifier(keyIdentifier(subjectPublicKeyInfo)),
    x509.authorityKeyIdentifier(issuer.keyIdentifier),
    ...(subjectAltName === undefined ? [] : [subjectAltName]),
  ]
}

function certificate(issuer: Issuer, subjectPublicKeyInfo: Uint8Array, options: CertificateOptions): IssuedCertificate {
  const isRsa = issuer.privateKey.asymmetricKeyType === 'rsa'
  const algorithm = isRsa
    ? sequence(objectIdentifier(OID.sha256WithRsaEncryption), nullValue())
    : sequence(objectIdentifier(OID.ecdsaWithSha256))
  // 127 random bits, never negative and never zero.
  const serialNumber = randomBytes(16)
  serialNumber[0] = ((serialNumber[0] ?? 0) & 0x7f) | 0x01
  const toBeSigned = sequence(
    contextConstructed(0, integer(Uint8Array.of(2))),
    integer(serialNumber),
    algorithm,
    issuer.name,
    sequence(time(options.notBeforeMs ?? Date.now() - 3_600_000), time(options.notAfterMs ?? Date.now() + DAY_MS)),
    x509.distinguishedName(options.commonName, options.organizations ?? []),
    fromDer(subjectPublicKeyInfo),
    contextConstructed(3, sequence(...extensions(issuer, subjectPublicKeyInfo, options))),
  )
  const signature = sign('sha256', toDer(toBeSigned), issuer.privateKey)
  const certificateDer = toDer(sequence(toBeSigned, algorithm, bitString(signature)))
  return { certificateDer, certificatePem: encodePem(certificateDer, 'CERTIFICATE') }
}
