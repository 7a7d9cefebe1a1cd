/** Key pairs: made, written as PKCS#8, read back, and named by the digest that people compare. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { KEY_ALGORITHMS, type KeyAlgorithm } from '../lib/key-algorithm.ts'

const generate = promisify(generateKeyPair)

export async function generatePrivateKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  switch (algorithm) {
    case 'ECDSA-P256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey
    case 'ECDSA-P384':
      return (await generate('ec', { namedCurve: 'P-384' })).privateKey
    case 'RSA-2048':
    case 'RSA-3072':
    case 'RSA-4096':
      return (await generate('rsa', { modulusLength: Number(algorithm.slice('RSA-'.length)) })).privateKey
  }
}

/** Which of the algorithms a key is of; undefined for any other kind of key. */
export function keyAlgorithmOf(key: KeyObject): KeyAlgorithm | undefined {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
  const name =
    key.asymmetricKeyType === 'ec'
      ? { prime256v1: 'ECDSA-P256', secp384r1: 'ECDSA-P384' }[namedCurve ?? '']
      : key.asymmetricKeyType === 'rsa'
        ? `RSA-${modulusLength ?? 0}`
        : undefined
  return KEY_ALGORITHMS.find((algorithm) => algorithm === name)
}

export const privateKeyToPem = (key: KeyObject): string => String(key.export({ type: 'pkcs8', format: 'pem' }))

/** The first private key in `pem`, of any of the PEM forms OpenSSL reads; undefined where there is none or a broken one. */
export function privateKeyFromPem(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

/** DER of the key's SubjectPublicKeyInfo, which is what a request carries and a certificate is compared by. */
export const subjectPublicKeyInfo = (privateKey: KeyObject): Uint8Array =>
  createPublicKey(privateKey).export({ type: 'spki', format: 'der' })

export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** `SHA256:<hex>` over the SubjectPublicKeyInfo, as `openssl pkey -pubin -outform der | sha256sum` shows it. */
export const keyFingerprint = (spki: Uint8Array): string => `SHA256:${sha256Hex(spki)}`
