/** The X.509 names and extensions (RFC 5280 §4.1.2.4, §4.2.1) that a Kubernetes CA writes, each as one DER value. */
import { isIP } from 'node:net'
import {
  type Asn1,
  bitString,
  boolean,
  contextPrimitive,
  objectIdentifier,
  octetString,
  printableString,
  sequence,
  setOf,
  toDer,
  utf8String,
} from '../pki/der-write.ts'
import { OID } from '../pki/oids.ts'

/** Bit numbers of KeyUsage (RFC 5280 §4.2.1.3) by the names that OpenSSL and the RFC use. */
const keyUsageBits = {
  digitalSignature: 0,
  contentCommitment: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
} as const
export type KeyUsage = keyof typeof keyUsageBits

export interface SubjectAltNames {
  dnsNames?: readonly string[]
  /** IPv4 or IPv6 in text form. */
  ipAddresses?: readonly string[]
  emailAddresses?: readonly string[]
  uris?: readonly string[]
}

const extension = (oid: string, critical: boolean, value: Asn1): Asn1 =>
  sequence(objectIdentifier(oid), ...(critical ? [boolean(true)] : []), octetString(toDer(value)))

/** As Go does it: a PrintableString where the alphabet allows, else UTF-8. */
const nameValue = (text: string): Asn1 =>
  (/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text) ? printableString : utf8String)(text)

const attribute = (oid: string, text: string): Asn1 => sequence(objectIdentifier(oid), nameValue(text))

/** Organizations share one RDN, as in Go's pkix.Name; neither of the two gives the empty name. */
export function distinguishedName(commonName: string | undefined, organizations: readonly string[]): Asn1 {
  const organizationSet = organizations.map((organization) => attribute(OID.organization, organization))
  return sequence(
    ...(organizationSet.length > 0 ? [setOf(...organizationSet)] : []),
    ...(commonName === undefined ? [] : [setOf(attribute(OID.commonName, commonName))]),
  )
}

export function keyUsage(usages: readonly KeyUsage[]): Asn1 {
  const bits = usages.map((usage) => keyUsageBits[usage])
  const highest = Math.max(...bits)
  const bytes = new Uint8Array(Math.floor(highest / 8) + 1)
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
  return extension(OID.keyUsage, true, bitString(bytes, 7 - (highest & 7)))
}

export const extendedKeyUsage = (oids: readonly string[]): Asn1 =>
  extension(OID.extendedKeyUsage, false, sequence(...oids.map(objectIdentifier)))

export const basicConstraints = (isCertificateAuthority: boolean): Asn1 =>
  extension(OID.basicConstraints, true, sequence(...(isCertificateAuthority ? [boolean(true)] : [])))

export const subjectKeyIdentifier = (identifier: Uint8Array): Asn1 =>
  extension(OID.subjectKeyIdentifier, false, octetString(identifier))

export const authorityKeyIdentifier = (identifier: Uint8Array): Asn1 =>
  extension(OID.authorityKeyIdentifier, false, sequence(contextPrimitive(0, identifier)))

/**
 * undefined where there is no name at all: a SAN extension must not be empty. It is critical where the subject is empty
 * (RFC 5280 §4.2.1.6).
 */
export function subjectAltName(names: SubjectAltNames, critical: boolean): Asn1 | undefined {
  const general = [
    ...(names.emailAddresses ?? []).map((email) => contextPrimitive(1, Buffer.from(email, 'latin1'))),
    ...(names.dnsNames ?? []).map((name) => contextPrimitive(2, Buffer.from(name, 'latin1'))),
    ...(names.uris ?? []).map((uri) => contextPrimitive(6, Buffer.from(uri, 'latin1'))),
    ...(names.ipAddresses ?? []).map((address) => contextPrimitive(7, ipAddressBytes(address))),
  ]
  return general.length === 0 ? undefined : extension(OID.subjectAltName, critical, sequence(...general))
}

/** The 4 or 16 bytes of an address in text form. */
export function ipAddressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.'), Number)
  if (isIP(address) !== 6) throw new TypeError(`${address} is no IP address`)
  // The URL parser is the one canonical IPv6 reader that Node exposes; it also folds a dotted tail into groups.
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::')
  const groups = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(':'))
  const [left, right] = [groups(head), groups(tail)]
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return Uint8Array.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]))
}
