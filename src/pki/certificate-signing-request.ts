/** PKCS#10 (RFC 2986) requests, and the deterministic name that lets a restart find its own. */
import { createHash, sign, type KeyObject } from 'node:crypto'
import {
  bitString,
  contextConstructed,
  contextPrimitive,
  fromDer,
  integer,
  nullValue,
  objectIdentifier,
  octetString,
  printableString,
  sequence,
  setOf,
  toDer,
  utf8String,
  type Asn1,
} from './der-write.ts'
import { OID } from './oids.ts'
import { encodePem } from './pem.ts'
import { subjectPublicKeyInfo } from './private-key.ts'
import { addressOctets, type SubjectNames } from './subject-names.ts'

export interface Subject {
  commonName: string
  organizations: readonly string[]
}

/** What the name is a digest of, beside the key: a change of any of it is another request. */
export interface RequestIdentity {
  spki: Uint8Array
  subject: Subject
  usages: readonly string[]
  /** Of a server's certificate. */
  names?: SubjectNames | undefined
}

/** PrintableString where the text allows it, as Go's crypto/x509 encodes names, else UTF8String. */
const directoryString = (text: string): Asn1 =>
  /^[A-Za-z0-9 '()+,./:=?-]*$/.test(text) ? printableString(text) : utf8String(text)

const relativeName = (oid: string, text: string): Asn1 => setOf(sequence(objectIdentifier(oid), directoryString(text)))

/** O before CN, as Go orders a pkix.Name. */
const distinguishedName = (subject: Subject): Asn1 =>
  sequence(
    ...subject.organizations.map((organization) => relativeName(OID.organization, organization)),
    relativeName(OID.commonName, subject.commonName),
  )

function attributes(names: SubjectNames | undefined): Asn1[] {
  if (names === undefined) return []
  const generalNames = sequence(
    ...names.dnsNames.map((name) => contextPrimitive(2, Buffer.from(name, 'latin1'))),
    ...names.ipAddresses
      .flatMap((address) => addressOctets(address) ?? [])
      .map((octets) => contextPrimitive(7, octets)),
  )
  const extension = sequence(objectIdentifier(OID.subjectAltName), octetString(toDer(generalNames)))
  return [sequence(objectIdentifier(OID.extensionRequest), setOf(sequence(extension)))]
}

/** RSA's AlgorithmIdentifier has a NULL parameter, ECDSA's has none (RFC 4055 §5, RFC 5758 §3.2). */
function signatureAlgorithm(key: KeyObject): { identifier: Asn1; digest: 'sha256' | 'sha384' } {
  if (key.asymmetricKeyType === 'rsa')
    return { identifier: sequence(objectIdentifier(OID.sha256WithRsaEncryption), nullValue()), digest: 'sha256' }
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
    ? { identifier: sequence(objectIdentifier(OID.ecdsaWithSha384)), digest: 'sha384' }
    : { identifier: sequence(objectIdentifier(OID.ecdsaWithSha256)), digest: 'sha256' }
}

/** A signed request as PEM; `names` become a subjectAltName extension request. */
export function createCertificateSigningRequest(key: KeyObject, subject: Subject, names?: SubjectNames): string {
  const info = sequence(
    integer(Uint8Array.of(0)),
    distinguishedName(subject),
    fromDer(subjectPublicKeyInfo(key)),
    contextConstructed(0, ...attributes(names)),
  )
  const { identifier, digest } = signatureAlgorithm(key)
  const signature = sign(digest, toDer(info), key)
  return encodePem(toDer(sequence(info, identifier, bitString(signature))), 'CERTIFICATE REQUEST')
}

/**
 * `node-csr-` and a digest, the same as the kubelet's for the same key and request, so that either finds the other's:
 * unpadded base64url of SHA-512/256 over each field as unpadded base64url and a pipe
 * (kubernetes pkg/kubelet/certificate/bootstrap/bootstrap.go, digestedName). A server's names follow, for which the kubelet
 * has no such name.
 */
export function certificateSigningRequestName(identity: RequestIdentity): string {
  const { spki, subject, usages, names = { dnsNames: [], ipAddresses: [] } } = identity
  const digest = createHash('sha512-256')
  for (const field of [
    spki,
    subject.commonName,
    ...subject.organizations,
    ...usages,
    ...names.dnsNames,
    ...names.ipAddresses,
  ])
    digest.update(`${Buffer.from(field as Uint8Array).toString('base64url')}|`)
  return `node-csr-${digest.digest('base64url')}`
}
