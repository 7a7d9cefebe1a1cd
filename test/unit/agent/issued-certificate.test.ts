import assert from 'node:assert/strict'
import { checkIssuedCertificate, type ExpectedCertificate } from '../../../src/agent/issued-certificate.ts'
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type CertificateOptions,
} from '../../../src/dev-cluster/certificate-authority.ts'
import { BootstrapError } from '../../../src/lib/errors.ts'
import { OID } from '../../../src/pki/oids.ts'
import { parseCertificates } from '../../../src/pki/certificate.ts'
import { generatePrivateKey, subjectPublicKeyInfo } from '../../../src/pki/private-key.ts'
import { newAuthority, NOW_MS } from './fixtures.ts'

const authority = newAuthority()
const spki = subjectPublicKeyInfo(await generatePrivateKey('ECDSA-P256'))
const wanted = {
  commonName: 'system:node:worker-1',
  organizations: ['system:nodes'],
  extendedKeyUsages: ['clientAuth'],
}

const expectedOf = (...authorities: CertificateAuthority[]): ExpectedCertificate => ({
  spki,
  commonName: 'system:node:worker-1',
  organization: 'system:nodes',
  purpose: OID.clientAuth,
  names: undefined,
  cluster: {
    server: new URL('https://10.0.0.10:6443'),
    authorities: parseCertificates(authorities.map((each) => each.certificatePem).join('')),
  },
})

const issue = (overrides: CertificateOptions = {}, by = authority, subjectPublicKeyInfo = spki): string =>
  by.issue({ ...wanted, ...overrides, subjectPublicKeyInfo }).certificatePem

function errorFor(pem: string, expected = expectedOf(authority)): BootstrapError {
  try {
    checkIssuedCertificate(pem, expected)
  } catch (thrown) {
    if (thrown instanceof BootstrapError) return thrown
    throw thrown
  }
  throw new Error('the certificate was accepted')
}

describe('checkIssuedCertificate', () => {
  it('returns the leaf of what was asked for', () => {
    const [leaf, ...rest] = checkIssuedCertificate(issue(), expectedOf(authority))
    assert.deepEqual(leaf.commonNames, ['system:node:worker-1'])
    assert.deepEqual(rest, [])
  })

  it('takes more usages than were asked for, as clusters of old issue them', () => {
    checkIssuedCertificate(issue({ extendedKeyUsages: ['serverAuth', 'clientAuth'] }), expectedOf(authority))
  })

  it('leaves the validity period to whoever knows the time', () => {
    checkIssuedCertificate(issue({ notBeforeMs: NOW_MS * 2, notAfterMs: NOW_MS * 2 + 1000 }), expectedOf(authority))
  })

  it('takes any authority of the bundle', () => {
    checkIssuedCertificate(issue(), expectedOf(newAuthority(), authority))
  })

  it('takes a chain over an intermediate that comes with it', () => {
    const intermediate = createCertificateAuthority({ commonName: 'intermediate', parent: authority })
    const chain = checkIssuedCertificate(issue({}, intermediate) + intermediate.certificatePem, expectedOf(authority))
    assert.equal(chain.length, 2)
  })

  const otherKey = async (): Promise<string> =>
    issue({}, authority, subjectPublicKeyInfo(await generatePrivateKey('ECDSA-P256')))
  const stranger = newAuthority()
  const mismatches: [string, () => string | Promise<string>, RegExp][] = [
    ['another key', otherKey, /is for another key/],
    [
      "another node's name",
      () => issue({ commonName: 'system:node:worker-2' }),
      /is for .*worker-2, not for system:node:worker-1/,
    ],
    ['a longer name', () => issue({ commonName: 'system:node:worker-10' }), /is for .*worker-10, not for/],
    [
      'an administrator',
      () => issue({ organizations: ['system:masters'] }),
      /not in the organization system:nodes alone/,
    ],
    ['a second group', () => issue({ organizations: ['system:nodes', 'system:masters'] }), /system:nodes alone/],
    ['no group', () => issue({ organizations: [] }), /system:nodes alone/],
    ['a server', () => issue({ extendedKeyUsages: ['serverAuth'] }), /may not be used for client authentication/],
    ['no purpose at all', () => issue({ extendedKeyUsages: [] }), /may not be used for client authentication/],
    ['another CA of the same name', () => issue({}, stranger), /is not signed by the cluster's CA/],
    [
      'an intermediate that does not come with it',
      () => issue({}, createCertificateAuthority({ parent: authority })),
      /not signed by/,
    ],
    [
      'a CA that brings itself along',
      () => issue({}, stranger) + stranger.certificatePem,
      /is not signed by the cluster's CA/,
    ],
    [
      'an issuer that is no CA',
      () => {
        const leaf = createCertificateAuthority({
          commonName: 'leaf',
          parent: authority,
          isCertificateAuthority: false,
        })
        return issue({}, leaf) + leaf.certificatePem
      },
      /is not signed by the cluster's CA/,
    ],
  ]
  for (const [whose, pem, message] of mismatches)
    it(`refuses a certificate for ${whose}`, async () => {
      const error = errorFor(await pem())
      assert.equal(error.code, 'certificate-wrong')
      assert.match(error.message, message)
    })

  const names = { dnsNames: ['worker-1'], ipAddresses: ['10.0.0.21'] }
  const otherNames: [string, CertificateOptions, RegExp | undefined][] = [
    ['is exactly what was asked for', names, undefined],
    ['lacks a name', { ipAddresses: names.ipAddresses }, /lacks names or addresses that were asked for/],
    ['lacks an address', { dnsNames: names.dnsNames }, /lacks names or addresses that were asked for/],
    ['has a name more', { ...names, dnsNames: ['worker-1', 'api'] }, /names or addresses that were not asked for/],
    ['has an address more', { ...names, ipAddresses: ['10.0.0.21', '10.96.0.1'] }, /that were not asked for/],
  ]
  for (const [what, overrides, message] of otherNames)
    it(`${message === undefined ? 'takes' : 'refuses'} a server's certificate that ${what}`, () => {
      const expected = { ...expectedOf(authority), names }
      if (message === undefined) checkIssuedCertificate(issue(overrides), expected)
      else assert.match(errorFor(issue(overrides), expected).message, message)
    })

  const unreadable: [string, string][] = [
    ['nothing', ''],
    ['no PEM', 'certificate: yes'],
    ['PEM of something else', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    ['PEM of no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['a truncated one', issue().replace(/\n[^\n]*\n-----END/, '\n-----END')],
    ['eleven', issue() + authority.certificatePem.repeat(10)],
  ]
  for (const [what, pem] of unreadable)
    it(`calls ${what} malformed`, () => {
      assert.equal(errorFor(pem).code, 'certificate-malformed')
    })
})
