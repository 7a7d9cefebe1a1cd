import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import {
  contextTag,
  DerCursor,
  DerError,
  readAll,
  readBitString,
  readObjectIdentifier,
  readText,
  readTime,
  TAG,
  type DerValue,
} from '../../../src/pki/der-read.ts'
import * as der from '../../../src/pki/der-write.ts'

const hex = (value: der.Asn1): string => Buffer.from(der.toDer(value)).toString('hex')
function only(value: der.Asn1): DerValue {
  const [first, ...rest] = readAll(der.toDer(value))
  assert(first !== undefined && rest.length === 0)
  return first
}

describe('writing DER', () => {
  for (const [name, value, expected] of [
    ['NULL', der.nullValue(), '0500'],
    ['TRUE as 0xff, which DER asks for', der.boolean(true), '0101ff'],
    ['FALSE', der.boolean(false), '010100'],
    ['zero', der.integer(Uint8Array.of(0)), '020100'],
    ['zero from no bytes', der.integer(new Uint8Array()), '020100'],
    ['an integer without its leading zeros', der.integer(Uint8Array.of(0, 0, 5)), '020105'],
    ['an integer whose top bit is set with a sign octet', der.integer(Uint8Array.of(0x80)), '02020080'],
    ['a bit string with its unused bits', der.bitString(Uint8Array.of(0xa0), 5), '030205a0'],
    ['UTF8String', der.utf8String('é'), '0c02c3a9'],
    ['[0] EXPLICIT', der.contextConstructed(0, der.nullValue()), 'a0020500'],
    ['[2] IMPLICIT', der.contextPrimitive(2, Buffer.from('a')), '820161'],
    ['a SET', der.setOf(der.nullValue()), '31020500'],
    ['an OCTET STRING', der.octetString(Uint8Array.of(0xff)), '0401ff'],
    ['UTCTime in 2049', der.time(Date.UTC(2049, 11, 31, 23, 59, 59, 999)), '170d3439313233313233353935395a'],
    ['GeneralizedTime in 2050', der.time(Date.UTC(2050, 0, 1)), '180f32303530303130313030303030305a'],
  ] as const)
    it(`writes ${name}`, () => {
      assert.equal(hex(value), expected)
    })

  it('is read back by the strict reader at every length around the length octets', () => {
    for (const length of [0, 1, 127, 128, 129, 255, 256, 257, 65_535, 65_536]) {
      const contents = new Uint8Array(length).fill(0xa5)
      assert.deepEqual(Buffer.from(only(der.octetString(contents)).contents), Buffer.from(contents))
    }
  })

  it('is refused by the strict reader when cut at any byte', () => {
    const whole = der.toDer(
      der.sequence(
        der.integer(Uint8Array.of(2)),
        der.setOf(der.sequence(der.objectIdentifier('2.5.4.3'), der.utf8String('node'))),
        der.contextConstructed(3, der.octetString(new Uint8Array(200))),
      ),
    )
    for (let length = 0; length < whole.length; length += 1)
      assert.throws(() => DerCursor.over(whole.subarray(0, length), TAG.sequence), DerError)
    assert.equal(DerCursor.over(whole, TAG.sequence).rest().length, 3)
  })

  it('gives back text, bits, identifiers and times, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.uint8Array(),
        fc.array(fc.nat(2 ** 31), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(9999, 11) / 1000 }),
        (text, bytes, arcs, seconds) => {
          const oid = ['1.2', ...arcs].join('.')
          assert.equal(readText(only(der.utf8String(text))), text)
          assert.deepEqual(Buffer.from(readBitString(only(der.bitString(bytes))).bytes), Buffer.from(bytes))
          assert.equal(readObjectIdentifier(only(der.objectIdentifier(oid))), oid)
          assert.equal(readTime(only(der.time(seconds * 1000))), seconds * 1000)
        },
      ),
    )
  })

  it('nests: what is inside a constructed value is found again in order', () => {
    const cursor = DerCursor.over(
      der.toDer(der.sequence(der.contextConstructed(1, der.nullValue()), der.boolean(true))),
      TAG.sequence,
    )
    assert.equal(readAll(cursor.take(contextTag(1)).contents)[0]?.tag, TAG.null)
    cursor.take(TAG.boolean)
    cursor.end()
  })

  it('takes DER over byte for byte, as a public key’s', () => {
    for (const { publicKey } of [
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ]) {
      const spki = publicKey.export({ type: 'spki', format: 'der' })
      assert.deepEqual(Buffer.from(der.toDer(der.fromDer(spki))), spki)
    }
  })

  it('refuses to take over what is followed by other bytes', () => {
    assert.throws(() => der.fromDer(Uint8Array.of(5, 0, 0)))
  })
})
