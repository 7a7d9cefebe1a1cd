import { KEY_ALGORITHMS } from '../../../src/lib/key-algorithm.ts'
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import {
  generatePrivateKey,
  keyAlgorithmOf,
  keyFingerprint,
  privateKeyFromPem,
  privateKeyToPem,
  subjectPublicKeyInfo,
} from '../../../src/pki/private-key.ts'
import { openssl, opensslText } from '../../harness/openssl.ts'

describe('private keys', () => {
  for (const [algorithm, shown] of [
    ['ECDSA-P256', /prime256v1/],
    ['ECDSA-P384', /secp384r1/],
    ['RSA-2048', /2048 bit/],
    ['RSA-3072', /3072 bit/],
  ] as const)
    it(`of ${algorithm} are what openssl sees, too, before and after a round trip`, async () => {
      const key = await generatePrivateKey(algorithm)
      const pem = privateKeyToPem(key)
      assert.match(pem, /^-----BEGIN PRIVATE KEY-----\n/)
      assert.match(await opensslText(['pkey', '-noout', '-text'], pem), shown)
      assert.equal(keyAlgorithmOf(key), algorithm)
      const again = privateKeyFromPem(pem)
      assert(again?.equals(key))
      const spki = await openssl(['pkey', '-pubout', '-outform', 'der'], pem)
      assert.deepEqual(subjectPublicKeyInfo(key), spki)
      assert.equal(keyFingerprint(spki), `SHA256:${createHash('sha256').update(spki).digest('hex')}`)
    })

  it('are made anew each time', async () => {
    const [one, other] = await Promise.all([generatePrivateKey('ECDSA-P256'), generatePrivateKey('ECDSA-P256')])
    assert(!one.equals(other))
  })

  it('are of no known algorithm where they are of another', () => {
    for (const key of [
      generateKeyPairSync('ed25519').privateKey,
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey,
      generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
      generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
    ])
      assert.equal(keyAlgorithmOf(key), undefined)
    assert.equal(KEY_ALGORITHMS.length, 5)
  })

  it('are read in the older forms, too, which a kubelet writes', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    assert(privateKeyFromPem(String(privateKey.export({ type: 'sec1', format: 'pem' })))?.equals(privateKey))
  })

  const pem = String(
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  )
  for (const [name, text] of [
    ['an empty text', ''],
    ['words', 'no key'],
    ['a key that is cut off', pem.slice(0, 100)],
    ['a key whose body is damaged', pem.replace(/\n.{8}/, '\nAAAAAAAA')],
    ['a public key', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    [
      'an encrypted key',
      String(
        generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
          type: 'pkcs8',
          format: 'pem',
          cipher: 'aes-256-cbc',
          passphrase: 'x',
        }),
      ),
    ],
  ] as const)
    it(`are absent in ${name}`, () => {
      assert.equal(privateKeyFromPem(text), undefined)
    })
})
