import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeBase64, decodePem, encodePem, PemError } from '../../../src/pki/pem.ts'

const label = 'CERTIFICATE'
const block = (body: string, name = label): string => `-----BEGIN ${name}-----\n${body}\n-----END ${name}-----\n`
const bodies = (text: string): string[] => decodePem(text, label).map((der) => Buffer.from(der).toString('utf8'))

describe('decodePem', () => {
  for (const [name, text, expected] of [
    ['nothing in a text without blocks', 'just words', []],
    ['several blocks in their order', block('YQ==') + block('Yg=='), ['a', 'b']],
    ['a block with explanations around it, as openssl prints them', `subject=x\n${block('YQ==')}\nnotes`, ['a']],
    ['Windows line ends', block('YQ==').replaceAll('\n', '\r\n'), ['a']],
    ['a body broken over lines at any place', block('Y\nQ=\n='), ['a']],
    ['a last line without a line break', block('YQ==').trimEnd(), ['a']],
    ['indented lines', block('YQ==').replaceAll('\n', '\n  '), ['a']],
  ] as const)
    it(`takes ${name}`, () => {
      assert.deepEqual(bodies(text), expected)
    })

  for (const [name, text, reason] of [
    ['a block of another label', block('YQ==', 'PRIVATE KEY'), /is no CERTIFICATE/],
    ['a good block beside one of another label', block('YQ==') + block('YQ==', 'X509 CRL'), /is no CERTIFICATE/],
    ['the label of a trusted certificate', block('YQ==', 'TRUSTED CERTIFICATE'), /is no CERTIFICATE/],
    ['a block that is not closed', '-----BEGIN CERTIFICATE-----\nYQ==\n', /not closed/],
    ['a good block before one that is cut off', `${block('YQ==')}-----BEGIN CERTIFICATE-----\nYQ`, /not closed/],
    ['an end without a beginning', '-----END CERTIFICATE-----\n', /never began/],
    ['an end of another label', '-----BEGIN CERTIFICATE-----\nYQ==\n-----END X-----\n', /never began/],
    ['a block inside a block', `-----BEGIN CERTIFICATE-----\n${block('YQ==')}`, /inside another/],
    ['an empty block', block(''), /no base64/],
    ['headers in the block', block('Proc-Type: 4,ENCRYPTED\n\nYQ=='), /no base64/],
    ['missing padding', block('YQ'), /no base64/],
    ['bits set beyond the end', block('YR=='), /no base64/],
    ['base64url', block('-_-_'), /no base64/],
    ['a comment in the body', block('YQ== # x'), /no base64/],
    ['two blocks that share a line', '-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE----------BEGIN', /never/],
    ['four dashes at the end of the label', '-----BEGIN CERTIFICATE----\nYQ==', /is no CERTIFICATE/],
  ] as const)
    it(`refuses ${name}`, () => {
      assert.throws(
        () => decodePem(text, label),
        (thrown) => thrown instanceof PemError && reason.test(thrown.message),
      )
    })

  it('never repeats the text in its message, for it may be a key', () => {
    assert.throws(
      () => decodePem(block('c2VjcmV0!'), label),
      (thrown) => thrown instanceof PemError && !thrown.message.includes('c2Vj'),
    )
  })

  it('gives back every list of byte strings that encodePem wrote, in lines of at most 64', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 })), (ders) => {
        const text = ders.map((der) => encodePem(der, label)).join('')
        assert.deepEqual(
          decodePem(text, label),
          ders.map((der) => Buffer.from(der)),
        )
        assert.doesNotMatch(text, /.{65}|\n\n/)
      }),
    )
  })

  it('throws nothing but PemError, whatever the text', () => {
    const pieces = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----', '\n', 'YQ==', '-----BEGIN ', '=', '\r']
    const text = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 })))
    fc.assert(
      fc.property(text, (parts) => {
        try {
          decodePem(parts.join(''), label)
        } catch (thrown) {
          assert(thrown instanceof PemError)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('decodeBase64', () => {
  it('takes canonical base64 only', () => {
    assert.deepEqual([...decodeBase64('+/+/')], [0xfb, 0xff, 0xbf])
    for (const text of ['', 'YQ', 'YR==', 'YQ==\n', ' YQ==', 'Y Q==', '-_-_', 'YQ==YQ==', '=', '*'])
      assert.throws(() => decodeBase64(text), PemError)
  })
})
