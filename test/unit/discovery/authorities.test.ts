import assert from 'node:assert/strict'
import { createCertificateAuthority } from '../../../src/dev-cluster/certificate-authority.ts'
import {
  parseCertificateAuthorityData,
  pinnedAuthorities,
  requireKnownAuthorities,
} from '../../../src/discovery/authorities.ts'
import type { ErrorCode } from '../../../src/lib/error-codes.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'

const [one, other] = [createCertificateAuthority(), createCertificateAuthority()]
const [first] = parseCertificates(one.certificatePem)
const [second] = parseCertificates(other.certificatePem)
const pinOf = (authority: typeof one): string => authority.caCertHash.replace('sha256:', '')
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const ofCode =
  (code: ErrorCode, message = /./) =>
  (thrown: unknown) =>
    thrown instanceof BootstrapError && thrown.code === code && message.test(thrown.message)

describe('the pinned authorities', () => {
  it('are those alone whose public key is pinned', () => {
    assert.deepEqual(pinnedAuthorities([first, second], [pinOf(other)]), [second])
    assert.deepEqual(pinnedAuthorities([first, second], [pinOf(one), pinOf(other)]), [first, second])
    assert.deepEqual(pinnedAuthorities([first], ['0'.repeat(64), pinOf(one)]), [first])
  })

  it('stay pinned when the same key gets another certificate', () => {
    const renewed = one.issue({
      commonName: 'kubernetes',
      subjectPublicKeyInfo: one.subjectPublicKeyInfo,
      isCertificateAuthority: true,
    })
    const [certificate] = parseCertificates(renewed.certificatePem)
    assert.notEqual(certificate.fingerprint, first.fingerprint)
    assert.deepEqual(pinnedAuthorities([certificate], [pinOf(one)]), [certificate])
  })

  it('are none where no pin matches: what was presented is shown, to compare', () => {
    assert.throws(
      () => pinnedAuthorities([first, second], ['0'.repeat(64)]),
      ofCode('pin-mismatch', new RegExp(`${one.caCertHash}, ${other.caCertHash}$`)),
    )
    assert.throws(() => pinnedAuthorities([first], []), ofCode('pin-mismatch'))
    assert.throws(() => pinnedAuthorities([], [pinOf(one)]), ofCode('pin-mismatch'))
  })

  it('are none where the certificate was hashed in place of the key: that mistake is named', () => {
    assert.throws(() => pinnedAuthorities([first], [first.fingerprint]), ofCode('pin-hashes-certificate'))
  })
})

describe('authorities that came out of band', () => {
  it('hold every one that is presented', () => {
    requireKnownAuthorities([first], [second, first])
    requireKnownAuthorities([first, second], [second, first])
  })

  it('refuse an additional one, even of the same key', () => {
    assert.throws(
      () => {
        requireKnownAuthorities([first, second], [first])
      },
      ofCode('ca-not-trusted', new RegExp(other.caCertHash)),
    )
    const copy = one.issue({ commonName: 'kubernetes', subjectPublicKeyInfo: one.subjectPublicKeyInfo })
    assert.throws(() => {
      requireKnownAuthorities(parseCertificates(copy.certificatePem), [first])
    }, ofCode('ca-not-trusted'))
  })
})

describe('certificate-authority-data', () => {
  it('may hold several certificates', () => {
    const data = parseCertificateAuthorityData(base64(one.certificatePem + other.certificatePem), 'x')
    assert.deepEqual(
      data.map(({ fingerprint }) => fingerprint),
      [first.fingerprint, second.fingerprint],
    )
  })

  for (const [name, data] of [
    ['nothing', ''],
    ['no base64', '!'],
    ['base64url', base64(one.certificatePem).replaceAll('+', '-').replace('L', '_')],
    ['PEM that is not encoded once more', one.certificatePem],
    ['words', base64('hello')],
    ['a key', base64(one.privateKeyPem)],
    ['a certificate and a key', base64(one.certificatePem + one.privateKeyPem)],
    ['a damaged certificate', base64(one.certificatePem.replace('MII', 'AAA'))],
    ['half a certificate', base64(one.certificatePem.slice(0, 200))],
  ] as const)
    it(`is refused where it is ${name}`, () => {
      assert.throws(
        () => parseCertificateAuthorityData(data, 'here'),
        ofCode('ca-malformed', /from here cannot be used/),
      )
    })
})
