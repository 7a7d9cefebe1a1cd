import assert from 'node:assert/strict'
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

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const value = (tag: number, contents: Uint8Array): DerValue => ({ tag, contents, raw: contents })
const refusal = (reason: RegExp) => (thrown: unknown) => thrown instanceof DerError && reason.test(thrown.message)

describe('reading DER', () => {
  const refused: readonly [name: string, hex: string, reason: RegExp][] = [
    ['a tag with nothing after it', '30', /ends within a length/],
    ['a length that announces more octets than there are', '30 82 01', /ends within a length/],
    ['contents shorter than their length', '04 03 00 00', /ends within a value/],
    ['an indefinite length, as BER has it', '30 80 00 00', /indefinite/],
    ['a length of five octets', '04 85 00 00 00 00 01 00', /oversized/],
    ['the reserved length octet 0xff', '04 ff 00', /oversized/],
    ['a length of four gigabytes in a value of six bytes', '04 84 ff ff ff ff', /ends within a value/],
    ['a short length in the long form', '04 81 01 00', /not minimal/],
    ['a length of 127 in the long form', `04 81 7f ${'00'.repeat(127)}`, /not minimal/],
    ['a length with a leading zero octet', `04 82 00 80 ${'00'.repeat(128)}`, /not minimal/],
    ['a length of three octets where two would do', `04 83 00 01 00 ${'00'.repeat(256)}`, /not minimal/],
    ['a tag of several octets', '1f 01 00', /multi-byte tag/],
    ['a context-specific tag of several octets', 'bf 81 01 00', /multi-byte tag/],
    ['a good value followed by half of one', '05 00 30', /ends within a length/],
  ]
  for (const [name, hex, reason] of refused)
    it(`refuses ${name}`, () => {
      assert.throws(() => readAll(bytes(hex)), refusal(reason))
    })

  it('takes the shortest length that needs one, two and three octets more', () => {
    for (const [length, header] of [
      [127, '04 7f'],
      [128, '04 81 80'],
      [255, '04 81 ff'],
      [256, '04 82 01 00'],
      [65_536, '04 83 01 00 00'],
    ] as const) {
      const der = Buffer.concat([bytes(header), new Uint8Array(length).fill(7)])
      const [first, ...rest] = readAll(der)
      assert.equal(first?.contents.length, length)
      assert.deepEqual(first.raw, der)
      assert.deepEqual(rest, [])
    }
  })

  it('yields views of the input and copies nothing', () => {
    const der = bytes('30 03 04 01 aa')
    const [sequence] = readAll(der)
    assert.equal(sequence?.contents.buffer, der.buffer)
    assert.equal(sequence.raw.buffer, der.buffer)
  })

  it('reads ten thousand levels of nesting one level at a time, without recursion', () => {
    let der: Uint8Array = new Uint8Array()
    for (let depth = 0; depth < 10_000; depth += 1) {
      const { length } = der
      const header = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
      der = Buffer.concat([Uint8Array.from([0x30, ...header]), der])
    }
    let [current] = readAll(der)
    let levels = 0
    for (; current !== undefined; levels += 1) [current] = readAll(current.contents)
    assert.equal(levels, 10_000)
  })

  it('throws nothing but DerError, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (der) => {
        try {
          const values = readAll(der)
          assert.deepEqual(Buffer.concat(values.map(({ raw }) => raw)), Buffer.from(der))
          for (const each of values)
            for (const read of [readObjectIdentifier, readTime, readText, readBitString])
              try {
                read(each)
              } catch (thrown) {
                assert(thrown instanceof DerError)
              }
        } catch (thrown) {
          assert(thrown instanceof DerError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('walking over the members of a DER value', () => {
  it('refuses a second value after the one that is expected', () => {
    assert.throws(() => DerCursor.over(bytes('30 00 05 00'), TAG.sequence), refusal(/exactly one value/))
    assert.throws(() => DerCursor.over(new Uint8Array(), TAG.sequence), refusal(/exactly one value/))
  })

  it('refuses another tag than the expected one, outside and inside', () => {
    assert.throws(() => DerCursor.over(bytes('31 00'), TAG.sequence), refusal(/tag 49 where 48/))
    assert.throws(() => DerCursor.over(bytes('30 02 05 00'), TAG.sequence).take(TAG.integer), refusal(/tag 5 where 2/))
  })

  it('refuses to go on where there is nothing more', () => {
    assert.throws(() => DerCursor.over(bytes('30 00'), TAG.sequence).take(), refusal(/too few/))
  })

  it('skips an optional member only where it is not there', () => {
    const cursor = DerCursor.over(bytes('30 05 a0 00 02 01 05'), TAG.sequence)
    assert.equal(cursor.takeIf(contextTag(3)), undefined)
    assert.equal(cursor.takeIf(contextTag(0))?.tag, 0xa0)
    assert.deepEqual([...cursor.take(TAG.integer).contents], [5])
    assert.equal(cursor.takeIf(TAG.integer), undefined)
    cursor.end()
  })

  it('tells when members are left over', () => {
    const cursor = DerCursor.over(bytes('30 04 05 00 05 00'), TAG.sequence)
    cursor.take()
    assert.throws(
      () => {
        cursor.end()
      },
      refusal(/beyond the last/),
    )
    assert.equal(cursor.rest().length, 1)
    cursor.end()
  })
})

describe('reading an object identifier', () => {
  for (const [hex, dotted] of [
    ['55 04 03', '2.5.4.3'],
    ['2a 86 48 86 f7 0d 01 01 0b', '1.2.840.113549.1.1.11'],
    ['00', '0.0'],
    ['27', '0.39'],
    ['28', '1.0'],
    ['88 37', '2.999'],
  ] as const)
    it(`reads ${dotted}`, () => {
      assert.equal(readObjectIdentifier(value(TAG.objectIdentifier, bytes(hex))), dotted)
    })

  for (const [name, tag, hex, reason] of [
    ['an empty one', TAG.objectIdentifier, '', /no object identifier/],
    ['another type', TAG.integer, '55 04 03', /no object identifier/],
    ['one that ends within an arc', TAG.objectIdentifier, '55 84', /ends within/],
    ['an arc with leading zeros, a second spelling of the same', TAG.objectIdentifier, '55 80 04', /not minimal/],
    ['an arc beyond what a number holds', TAG.objectIdentifier, `55 ${'ff'.repeat(9)} 7f`, /oversized/],
  ] as const)
    it(`refuses ${name}`, () => {
      assert.throws(() => readObjectIdentifier(value(tag, bytes(hex))), refusal(reason))
    })
})

describe('reading a time', () => {
  for (const [text, tag, iso] of [
    ['490101000000Z', TAG.utcTime, '2049-01-01T00:00:00.000Z'],
    ['500101000000Z', TAG.utcTime, '1950-01-01T00:00:00.000Z'],
    ['991231235959Z', TAG.utcTime, '1999-12-31T23:59:59.000Z'],
    ['20500101000000Z', TAG.generalizedTime, '2050-01-01T00:00:00.000Z'],
    ['99991231235959Z', TAG.generalizedTime, '9999-12-31T23:59:59.000Z'],
    ['20240229000000Z', TAG.generalizedTime, '2024-02-29T00:00:00.000Z'],
  ] as const)
    it(`reads ${text} as ${iso}`, () => {
      assert.equal(new Date(readTime(value(tag, ascii(text)))).toISOString(), iso)
    })

  for (const [name, text, tag] of [
    ['30 February, which JavaScript takes for 2 March', '20260230000000Z', TAG.generalizedTime],
    ['29 February of a common year', '260229000000Z', TAG.utcTime],
    ['24 o’clock', '260101240000Z', TAG.utcTime],
    ['month 13', '261301000000Z', TAG.utcTime],
    ['a leap second', '161231235960Z', TAG.utcTime],
    ['a time without seconds', '2601010000Z', TAG.utcTime],
    ['a time with an offset', '260101000000+0100', TAG.utcTime],
    ['a fraction of a second', '20260101000000.5Z', TAG.generalizedTime],
    ['local time', '20260101000000', TAG.generalizedTime],
    ['a line break after it', '260101000000Z\n', TAG.utcTime],
    ['four digits of a year in UTCTime', '20260101000000Z', TAG.utcTime],
    ['the form of RFC 3339', '2026-01-01T00:00:00.000Z', TAG.generalizedTime],
    ['nothing', '', TAG.utcTime],
    ['another type', '20260101000000Z', TAG.printableString],
  ] as const)
    it(`refuses ${name}`, () => {
      assert.throws(() => readTime(value(tag, ascii(text))), refusal(/is no (time|date)/))
    })
})

describe('reading text', () => {
  it('reads the three string types of names', () => {
    assert.equal(readText(value(TAG.utf8String, Buffer.from('Müller \u{1f980}'))), 'Müller \u{1f980}')
    assert.equal(readText(value(TAG.printableString, ascii('system:nodes'))), 'system:nodes')
    assert.equal(readText(value(TAG.ia5String, ascii('a@b'))), 'a@b')
  })

  it('keeps a byte order mark and a NUL, so that no two names become one', () => {
    assert.equal(readText(value(TAG.utf8String, Buffer.from('\ufeffx'))), '\ufeffx')
    assert.equal(readText(value(TAG.utf8String, Buffer.from('x\0y'))), 'x\0y')
  })

  for (const [name, tag, hex, reason] of [
    ['broken UTF-8', TAG.utf8String, 'c3 28', /no UTF-8/],
    ['an overlong encoding', TAG.utf8String, 'c0 af', /no UTF-8/],
    ['bytes beyond ASCII in a PrintableString', TAG.printableString, '41 80', /no ASCII/],
    ['bytes beyond ASCII in an IA5String', TAG.ia5String, 'ff', /no ASCII/],
    ['a BMPString', 0x1e, '00 41', /string of type 30/],
  ] as const)
    it(`refuses ${name}`, () => {
      assert.throws(() => readText(value(tag, bytes(hex))), refusal(reason))
    })
})

describe('reading a bit string', () => {
  it('gives the bytes and how many bits of the last do not count', () => {
    const { bytes: contents, unusedBits } = readBitString(value(TAG.bitString, bytes('05 a0')))
    assert.deepEqual([...contents, unusedBits], [0xa0, 5])
    assert.deepEqual(readBitString(value(TAG.bitString, bytes('00'))).bytes.length, 0)
  })

  for (const [name, tag, hex] of [
    ['one without the count', TAG.bitString, ''],
    ['eight bits unused', TAG.bitString, '08 00'],
    ['unused bits of no byte', TAG.bitString, '01'],
    ['another type', TAG.octetString, '00 00'],
  ] as const)
    it(`refuses ${name}`, () => {
      assert.throws(() => readBitString(value(tag, bytes(hex))), refusal(/no bit string/))
    })
})
