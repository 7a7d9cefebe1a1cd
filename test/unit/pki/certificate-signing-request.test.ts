import { KEY_ALGORITHMS } from '../../../src/lib/key-algorithm.ts'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  certificateSigningRequestName,
  createCertificateSigningRequest,
} from '../../../src/pki/certificate-signing-request.ts'
import { DerCursor, TAG } from '../../../src/pki/der-read.ts'
import { decodePem } from '../../../src/pki/pem.ts'
import { generatePrivateKey, privateKeyToPem, subjectPublicKeyInfo } from '../../../src/pki/private-key.ts'
import { openssl, opensslText } from '../../harness/openssl.ts'

const subject = { commonName: 'system:node:worker-1', organizations: ['system:nodes'] }
const names = {
  dnsNames: ['worker-1', 'worker-1.example.com'],
  ipAddresses: ['10.0.0.7', 'fd00::7'],
}
/** The outer AlgorithmIdentifier's DER. */
function signatureAlgorithm(pem: string): Uint8Array {
  const request = DerCursor.over(decodePem(pem, 'CERTIFICATE REQUEST')[0] ?? new Uint8Array(), TAG.sequence)
  request.take(TAG.sequence)
  return request.take(TAG.sequence).raw
}

describe('createCertificateSigningRequest', () => {
  for (const algorithm of KEY_ALGORITHMS)
    it(`makes what openssl verifies and reads back, with a key of ${algorithm}`, async () => {
      const key = await generatePrivateKey(algorithm)
      const plain = createCertificateSigningRequest(key, subject)
      const withNames = createCertificateSigningRequest(key, subject, names)
      const expected = {
        'ECDSA-P256': ['ecdsa-with-SHA256', '300a06082a8648ce3d040302'],
        'ECDSA-P384': ['ecdsa-with-SHA384', '300a06082a8648ce3d040303'],
        'RSA-2048': ['sha256WithRSAEncryption', '300d06092a864886f70d01010b0500'],
        'RSA-3072': ['sha256WithRSAEncryption', '300d06092a864886f70d01010b0500'],
        'RSA-4096': ['sha256WithRSAEncryption', '300d06092a864886f70d01010b0500'],
      }[algorithm] as [string, string]
      for (const pem of [plain, withNames]) {
        const text = await opensslText(['req', '-verify', '-noout', '-text', '-nameopt', 'RFC2253'], pem)
        assert.match(text, /Subject: CN=system:node:worker-1,O=system:nodes\n/)
        assert.match(text, /Version: 1 \(0x0\)/)
        assert.match(text, new RegExp(`Signature Algorithm: ${expected[0]}`))
        assert.equal(Buffer.from(signatureAlgorithm(pem)).toString('hex'), expected[1])
        const publicKey = await openssl(['req', '-pubkey', '-noout'], pem)
        assert.deepEqual(publicKey, await openssl(['pkey', '-pubout'], privateKeyToPem(key)))
      }
      assert.doesNotMatch(await opensslText(['req', '-noout', '-text'], plain), /Alternative Name/)
      assert.match(
        await opensslText(['req', '-noout', '-text'], withNames),
        /DNS:worker-1, DNS:worker-1\.example\.com, IP Address:10\.0\.0\.7, IP Address:FD00:0:0:0:0:0:0:7\n/,
      )
    })

  it('writes PrintableString where the alphabet allows and UTF8String where it does not', async () => {
    const key = await generatePrivateKey('ECDSA-P256')
    const pem = createCertificateSigningRequest(key, { commonName: 'a_b@ü', organizations: ["it's (+,-./:=?) ok"] })
    const structure = await opensslText(['asn1parse'], pem)
    assert.match(structure, /PRINTABLESTRING +:it's \(\+,-\.\/:=\?\) ok/)
    assert.match(structure, /UTF8STRING +:a_b@ü/)
  })
})

describe('certificateSigningRequestName', () => {
  const usages = ['digital signature', 'client auth']

  it('is the kubelet’s digest, computed here anew', async () => {
    const spki = subjectPublicKeyInfo(await generatePrivateKey('ECDSA-P256'))
    const stream = [Buffer.from(spki), 'system:node:worker-1', 'system:nodes', 'digital signature', 'client auth']
      .map(
        (field) =>
          `${Buffer.from(field).toString('base64').replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}|`,
      )
      .join('')
    const digest = (await openssl(['dgst', '-sha512-256', '-binary'], stream)).toString('base64url')
    assert.equal(certificateSigningRequestName({ spki, subject, usages }), `node-csr-${digest}`)
  })

  it('has stayed what it was: a vector from Python’s hashlib', () => {
    const spki = createHash('sha256').update('a key').digest()
    assert.equal(
      certificateSigningRequestName({ spki, subject, usages }),
      'node-csr-ryymlX9Mj7TJH3lEqLae-0x4R7P9SCXwD0Sy8Xoaz8U',
    )
  })

  it('differs with the key, each part of the subject, the usages and their order, and where one ends', () => {
    const spki = Uint8Array.of(1)
    const identities = [
      { spki, subject, usages },
      { spki: Uint8Array.of(2), subject, usages },
      { spki, subject: { ...subject, commonName: 'system:node:worker-2' }, usages },
      { spki, subject: { ...subject, organizations: [] }, usages },
      { spki, subject: { commonName: 'a', organizations: ['bc'] }, usages },
      { spki, subject: { commonName: 'ab', organizations: ['c'] }, usages },
      { spki, subject, usages: usages.toReversed() },
      { spki, subject, usages: [...usages, 'key encipherment'] },
    ]
    assert.equal(new Set(identities.map(certificateSigningRequestName)).size, identities.length)
  })
})
