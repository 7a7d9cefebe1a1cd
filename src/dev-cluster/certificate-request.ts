/**
 * Reads a PKCS#10 request (RFC 2986) the way kube-apiserver's Go does: first PEM block, strict DER, the signature
 * verified. It says what the request asks for, and never whether it should get that.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import {
  contextTag,
  DerCursor,
  DerError,
  type DerValue,
  readAll,
  readBitString,
  readObjectIdentifier,
  readText,
  TAG,
} from '../pki/der-read.ts'
import { OID } from '../pki/oids.ts'
import { decodePem, PemError } from '../pki/pem.ts'

/** Why a request cannot be accepted: the text that kube-apiserver puts behind `spec.request: Invalid value`. */
export class CertificateRequestError extends Error {
  override readonly name = 'CertificateRequestError'
}

export interface CertificateRequest {
  /** The last one where there are several, as in Go. */
  commonName: string
  organizations: string[]
  dnsNames: string[]
  /** IPv4 dotted; IPv6 as eight hexadecimal groups. */
  ipAddresses: string[]
  emailAddresses: string[]
  uris: string[]
  /** DER, as it stands in the request. */
  subjectPublicKeyInfo: Uint8Array
  publicKey: KeyObject
}

/** Signature algorithms that Go still verifies, by OID: the digest and the key it belongs to. */
const algorithms: Readonly<Record<string, { digest: string | null; key: string; failure: string }>> = {
  [OID.ecdsaWithSha256]: { digest: 'sha256', key: 'ec', failure: 'x509: ECDSA verification failure' },
  [OID.ecdsaWithSha384]: { digest: 'sha384', key: 'ec', failure: 'x509: ECDSA verification failure' },
  '1.2.840.10045.4.3.4': { digest: 'sha512', key: 'ec', failure: 'x509: ECDSA verification failure' },
  [OID.sha256WithRsaEncryption]: { digest: 'sha256', key: 'rsa', failure: 'crypto/rsa: verification error' },
  '1.2.840.113549.1.1.12': { digest: 'sha384', key: 'rsa', failure: 'crypto/rsa: verification error' },
  '1.2.840.113549.1.1.13': { digest: 'sha512', key: 'rsa', failure: 'crypto/rsa: verification error' },
  '1.3.101.112': { digest: null, key: 'ed25519', failure: 'x509: Ed25519 verification failure' },
}

/** Throws a CertificateRequestError for anything that a real API server would not store. */
export function parseCertificateRequest(pem: Uint8Array): CertificateRequest {
  try {
    return readCertificationRequest(firstBlock(Buffer.from(pem).toString('latin1')))
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause
    throw new CertificateRequestError(`asn1: structure error: ${cause.message}`, { cause })
  }
}

/** Go's pem.Decode: the first whole block of any type, whatever stands around it; then the type is judged. */
function firstBlock(text: string): Uint8Array {
  const wrong = 'PEM block type must be CERTIFICATE REQUEST'
  const block = /^-----BEGIN [^\n]*-----[^]*?^-----END [^\n]*-----/m.exec(text)?.[0]
  if (block === undefined) throw new CertificateRequestError(wrong)
  try {
    const [der] = decodePem(block, 'CERTIFICATE REQUEST')
    if (der !== undefined) return der
  } catch (cause) {
    if (!(cause instanceof PemError)) throw cause
  }
  throw new CertificateRequestError(wrong)
}

function readCertificationRequest(der: Uint8Array): CertificateRequest {
  const [only, ...trailing] = readAll(der)
  if (only === undefined) throw new CertificateRequestError('asn1: syntax error: data truncated')
  if (trailing.length > 0) throw new CertificateRequestError('asn1: syntax error: trailing data')
  const outer = DerCursor.into(only, TAG.sequence)
  const info = outer.take(TAG.sequence)
  const algorithm = DerCursor.into(outer.take(TAG.sequence), TAG.sequence)
  const oid = readObjectIdentifier(algorithm.take(TAG.objectIdentifier))
  const signature = readBitString(outer.take(TAG.bitString))
  outer.end()
  const request = readInfo(info)
  checkSignature(request.publicKey, oid, info.raw, signature.bytes)
  return request
}

function readInfo(info: DerValue): CertificateRequest {
  const members = DerCursor.into(info, TAG.sequence)
  members.take(TAG.integer)
  const subject = readName(members.take(TAG.sequence))
  const subjectPublicKeyInfo = members.take(TAG.sequence).raw
  const attributes = members.takeIf(contextTag(0))
  members.end()
  return {
    ...subject,
    ...readAlternativeNames(attributes === undefined ? [] : readAll(attributes.contents)),
    subjectPublicKeyInfo,
    publicKey: readPublicKey(subjectPublicKeyInfo),
  }
}

function readPublicKey(subjectPublicKeyInfo: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(subjectPublicKeyInfo), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new CertificateRequestError('x509: invalid or unsupported public key', { cause })
  }
}

function readName(name: DerValue): Pick<CertificateRequest, 'commonName' | 'organizations'> {
  const found = { commonName: '', organizations: [] as string[] }
  for (const relativeName of readAll(name.contents)) {
    for (const pair of DerCursor.into(relativeName, TAG.set).rest()) {
      const cursor = DerCursor.into(pair, TAG.sequence)
      const oid = readObjectIdentifier(cursor.take(TAG.objectIdentifier))
      const value = cursor.take()
      cursor.end()
      if (oid === OID.commonName) found.commonName = readText(value)
      if (oid === OID.organization) found.organizations.push(readText(value))
    }
  }
  return found
}

type AlternativeNames = Pick<CertificateRequest, 'dnsNames' | 'ipAddresses' | 'emailAddresses' | 'uris'>

function readAlternativeNames(attributes: DerValue[]): AlternativeNames {
  const names: AlternativeNames = { dnsNames: [], ipAddresses: [], emailAddresses: [], uris: [] }
  for (const attribute of attributes) {
    const cursor = DerCursor.into(attribute, TAG.sequence)
    if (readObjectIdentifier(cursor.take(TAG.objectIdentifier)) !== OID.extensionRequest) continue
    for (const extensions of DerCursor.into(cursor.take(TAG.set), TAG.set).rest()) {
      for (const extension of DerCursor.into(extensions, TAG.sequence).rest()) readExtension(extension, names)
    }
  }
  return names
}

function readExtension(extension: DerValue, names: AlternativeNames): void {
  const cursor = DerCursor.into(extension, TAG.sequence)
  const oid = readObjectIdentifier(cursor.take(TAG.objectIdentifier))
  cursor.takeIf(TAG.boolean)
  const value = cursor.take(TAG.octetString).contents
  cursor.end()
  if (oid !== OID.subjectAltName) return
  for (const name of DerCursor.over(value, TAG.sequence).rest()) {
    const text = Buffer.from(name.contents).toString('latin1')
    // GeneralName's implicit tags, RFC 5280 §4.2.1.6; the other kinds are skipped, as Go does.
    if (name.tag === 0x81) names.emailAddresses.push(text)
    else if (name.tag === 0x82) names.dnsNames.push(text)
    else if (name.tag === 0x86) names.uris.push(text)
    else if (name.tag === 0x87) names.ipAddresses.push(ipAddressText(name.contents))
  }
}

function ipAddressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new CertificateRequestError(`x509: cannot parse IP address of length ${bytes.length}`)
  return (Buffer.from(bytes).toString('hex').match(/..../g) ?? []).join(':')
}

function checkSignature(key: KeyObject, oid: string, signed: Uint8Array, signature: Uint8Array): void {
  const algorithm = algorithms[oid]
  if (algorithm === undefined)
    throw new CertificateRequestError('x509: cannot verify signature: algorithm unimplemented')
  if (key.asymmetricKeyType !== algorithm.key)
    throw new CertificateRequestError(
      `x509: signature algorithm specifies an ${algorithm.key} public key, but have public key of type ${String(key.asymmetricKeyType)}`,
    )
  if (!verify(algorithm.digest, signed, key, signature)) throw new CertificateRequestError(algorithm.failure)
}
