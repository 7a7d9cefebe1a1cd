/** Reads X.509 certificates (RFC 5280) far enough to pin, compare and schedule them; signatures are node:crypto's to check. */
import { X509Certificate } from 'node:crypto'
import {
  contextTag,
  DerCursor,
  DerError,
  readAll,
  readObjectIdentifier,
  readText,
  readTime,
  TAG,
  type DerValue,
} from './der-read.ts'
import { OID } from './oids.ts'
import { decodePem, encodePem, PemError } from './pem.ts'
import { sha256Hex } from './private-key.ts'
import { addressText, subjectNames, type SubjectNames } from './subject-names.ts'

export interface Certificate {
  der: Uint8Array
  /** The raw SubjectPublicKeyInfo, as it stands in the certificate: what a pin hashes. */
  spki: Uint8Array
  commonNames: readonly string[]
  organizations: readonly string[]
  /** A readable form, for people only. */
  subjectText: string
  notBeforeMs: number
  notAfterMs: number
  /** Lower-case hex, without leading zero bytes. */
  serialNumber: string
  /** OIDs; empty where the extension is absent. */
  extendedKeyUsages: readonly string[]
  /** DNS names and IP addresses of the subjectAltName extension; other kinds of name are passed over. */
  subjectNames: SubjectNames
  /** SHA-256 of the whole certificate, lower-case hex. */
  fingerprint: string
  x509: X509Certificate
}

export class CertificateError extends Error {
  override readonly name = 'CertificateError'
}

interface TbsFields {
  spki: Uint8Array
  commonNames: string[]
  organizations: string[]
  notBeforeMs: number
  notAfterMs: number
  extendedKeyUsages: string[]
  subjectNames: SubjectNames
}

/** TBSCertificate, RFC 5280 §4.1. */
function readTbsCertificate(der: Uint8Array): TbsFields {
  const certificate = DerCursor.over(der, TAG.sequence)
  const tbs = DerCursor.into(certificate.take(), TAG.sequence)
  tbs.takeIf(contextTag(0))
  tbs.take(TAG.integer)
  tbs.take(TAG.sequence)
  tbs.take(TAG.sequence)
  const validity = DerCursor.into(tbs.take(), TAG.sequence)
  const [notBeforeMs, notAfterMs] = [readTime(validity.take()), readTime(validity.take())]
  const subject = tbs.take(TAG.sequence)
  const spki = tbs.take(TAG.sequence).raw
  const extensions = readExtensions(tbs.rest().find((field) => field.tag === contextTag(3)))
  return {
    spki,
    commonNames: readName(subject, OID.commonName),
    organizations: readName(subject, OID.organization),
    notBeforeMs,
    notAfterMs,
    extendedKeyUsages: extensions(OID.extendedKeyUsage).map(readObjectIdentifier),
    subjectNames: readSubjectNames(extensions(OID.subjectAltName)),
  }
}

/** Every value of one attribute type in a Name, in order. */
export function readName(name: DerValue, attributeType: string): string[] {
  return readAll(name.contents)
    .flatMap((relativeName) => readAll(relativeName.contents))
    .map((attribute) => DerCursor.into(attribute, TAG.sequence))
    .flatMap((attribute) =>
      readObjectIdentifier(attribute.take()) === attributeType ? [readText(attribute.take())] : [],
    )
}

/** By OID, the members of each extension that is a sequence of them; none where it is absent. */
function readExtensions(field: DerValue | undefined): (oid: string) => DerValue[] {
  const all = field === undefined ? [] : DerCursor.over(field.contents, TAG.sequence).rest()
  return (oid) =>
    all
      .map((extension) => DerCursor.into(extension, TAG.sequence))
      .filter((extension) => readObjectIdentifier(extension.take()) === oid)
      .flatMap((extension) => {
        extension.takeIf(TAG.boolean)
        return DerCursor.over(extension.take(TAG.octetString).contents, TAG.sequence).rest()
      })
}

/** GeneralName's implicit tags, RFC 5280 §4.2.1.6. */
const DNS_NAME = 0x82
const IP_ADDRESS = 0x87

function readSubjectNames(generalNames: readonly DerValue[]): SubjectNames {
  const contentsOf = (tag: number): Uint8Array[] =>
    generalNames.filter((name) => name.tag === tag).map(({ contents }) => contents)
  return subjectNames(
    contentsOf(DNS_NAME).map((contents) => Buffer.from(contents).toString('latin1')),
    contentsOf(IP_ADDRESS).flatMap((octets) => addressText(octets) ?? []),
  )
}

/** node:crypto has no text, not even an empty one, for an empty name. */
const oneLine = (name: string | undefined): string => name?.split('\n').join(', ') ?? ''

/** Throws CertificateError for anything that is not one well-formed certificate. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    const fields = readTbsCertificate(der)
    // As PEM, because Node looks for PEM first: a certificate could carry another one's text inside and be taken for it.
    const x509 = new X509Certificate(encodePem(der, 'CERTIFICATE'))
    return {
      der,
      ...fields,
      subjectText: oneLine(x509.subject),
      serialNumber: x509.serialNumber.toLowerCase(),
      fingerprint: sha256Hex(der),
      x509,
    }
  } catch (cause) {
    const detail = cause instanceof DerError ? cause.message : 'OpenSSL cannot read it'
    throw new CertificateError(`it is no certificate: ${detail}`, { cause })
  }
}

type Chain = [Certificate, ...Certificate[]]

/** What was parsed last, for each look parses what the one before has parsed. By a digest: the text may be part of a key's file. */
const parsed = new Map<string, Chain>()
const PARSED_KEPT = 8
const MAX_KEPT_LENGTH = 64 * 1024

/** At least one certificate, all of them well formed; else CertificateError. */
export function parseCertificates(pem: string): Chain {
  const digest = sha256Hex(Buffer.from(pem))
  const chain = parsed.get(digest) ?? readCertificates(pem)
  parsed.delete(digest)
  if (pem.length <= MAX_KEPT_LENGTH) parsed.set(digest, chain)
  const [longestUnused] = parsed.keys()
  if (parsed.size > PARSED_KEPT && longestUnused !== undefined) parsed.delete(longestUnused)
  return [...chain]
}

function readCertificates(pem: string): Chain {
  try {
    const [first, ...rest] = decodePem(pem, 'CERTIFICATE')
    if (first === undefined) throw new CertificateError('there is no certificate in it')
    return [parseCertificate(first), ...rest.map(parseCertificate)]
  } catch (cause) {
    if (cause instanceof PemError) throw new CertificateError(cause.message, { cause })
    throw cause
  }
}

export const certificateToPem = (certificate: Certificate): string => encodePem(certificate.der, 'CERTIFICATE')

/** The digest that `caCertHashes` pins: SHA-256 over the raw SubjectPublicKeyInfo, lower-case hex. */
export const publicKeyPin = (certificate: Certificate): string => sha256Hex(certificate.spki)

/** As Go's crypto/x509: a bundle that is made for it must not keep the agent busy. */
const MAX_SIGNATURE_CHECKS = 100

/**
 * Whether `leaf` leads to one of `anchors` by valid signatures, over `intermediates` where needed. An anchor need not
 * be self-signed, as for Go. Validity periods are not looked at: whoever asks knows by which clock.
 */
export function chainsTo(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  anchors: readonly Certificate[],
): boolean {
  const reached = new Set([leaf])
  let checksLeft = MAX_SIGNATURE_CHECKS
  // A Set's iteration comes to what is added to it on the way, and to nothing twice.
  for (const certificate of reached) {
    const isIssuer = (candidate: Certificate): boolean =>
      candidate.x509.ca &&
      certificate.x509.checkIssued(candidate.x509) &&
      (checksLeft -= 1) >= 0 &&
      certificate.x509.verify(candidate.x509.publicKey)
    if (anchors.some(isIssuer)) return true
    for (const next of intermediates) if (!reached.has(next) && isIssuer(next)) reached.add(next)
  }
  return false
}
