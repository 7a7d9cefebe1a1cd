/** DER (X.690) values as named functions over node-forge's ASN.1. It builds; reading what strangers sent is der-read's. */
import asn1, { type Asn1 } from 'node-forge/lib/asn1.js'
import { timestamp } from '../lib/timestamp.ts'

export type { Asn1 }

const UNIVERSAL = asn1.Class.UNIVERSAL
const CONTEXT = asn1.Class.CONTEXT_SPECIFIC

const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('binary')
const primitive = (type: number, contents: string): Asn1 => asn1.create(UNIVERSAL, type, false, contents)

export const sequence = (...items: Asn1[]): Asn1 => asn1.create(UNIVERSAL, 0x10, true, items)
export const setOf = (...items: Asn1[]): Asn1 => asn1.create(UNIVERSAL, 0x11, true, items)
export const nullValue = (): Asn1 => primitive(0x05, '')
export const boolean = (value: boolean): Asn1 => primitive(0x01, value ? '\xff' : '\x00')
export const objectIdentifier = (oid: string): Asn1 => primitive(0x06, asn1.oidToDer(oid).getBytes())
export const utf8String = (text: string): Asn1 => primitive(0x0c, Buffer.from(text, 'utf8').toString('binary'))
export const printableString = (text: string): Asn1 => primitive(0x13, text)
export const octetString = (bytes: Uint8Array): Asn1 => primitive(0x04, binary(bytes))

/** `unusedBits` of the last byte do not count: named bit lists such as KeyUsage need it. */
export const bitString = (bytes: Uint8Array, unusedBits = 0): Asn1 =>
  primitive(0x03, String.fromCharCode(unusedBits) + binary(bytes))

/** A non-negative INTEGER from its big-endian bytes, in the minimal form that DER asks for. */
export function integer(bytes: Uint8Array): Asn1 {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1
  const minimal = binary(bytes.subarray(start))
  return primitive(0x02, minimal === '' ? '\0' : minimal.charCodeAt(0) >= 0x80 ? `\0${minimal}` : minimal)
}

/** UTCTime until 2049, GeneralizedTime from 2050, as RFC 5280 §4.1.2.5 asks. */
export function time(atMs: number): Asn1 {
  const text = timestamp(atMs).replace(/[-:T]|\.\d+/g, '')
  return text < '2050' ? primitive(0x17, text.slice(2)) : primitive(0x18, text)
}

/** `[number] EXPLICIT`, or the constructed form of an IMPLICIT one. */
export const contextConstructed = (number: number, ...items: Asn1[]): Asn1 => asn1.create(CONTEXT, number, true, items)
/** `[number] IMPLICIT` over a primitive type's contents. */
export const contextPrimitive = (number: number, contents: Uint8Array): Asn1 =>
  asn1.create(CONTEXT, number, false, binary(contents))

/** A value that is already DER, such as a SubjectPublicKeyInfo as node:crypto exports it, taken over byte for byte. */
export const fromDer = (der: Uint8Array): Asn1 =>
  asn1.fromDer(binary(der), { strict: true, parseAllBytes: true, decodeBitStrings: false })

export const toDer = (value: Asn1): Uint8Array => Buffer.from(asn1.toDer(value).getBytes(), 'binary')
