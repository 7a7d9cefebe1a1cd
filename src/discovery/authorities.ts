/** Which of the CA certificates in cluster-info may be believed: the out-of-band bundle and the pins decide. */
import { BootstrapError } from '../lib/errors.ts'
import { CertificateError, parseCertificates, publicKeyPin, type Certificate } from '../pki/certificate.ts'
import { decodeBase64, PemError } from '../pki/pem.ts'

/** The certificates of `certificate-authority-data`; `ca-malformed` for anything else. */
export function parseCertificateAuthorityData(base64: string, source: string): Certificate[] {
  try {
    return parseCertificates(Buffer.from(decodeBase64(base64)).toString('latin1'))
  } catch (cause) {
    if (!(cause instanceof CertificateError) && !(cause instanceof PemError)) throw cause
    throw new BootstrapError('ca-malformed', `the CA data from ${source} cannot be used: ${cause.message}`, { cause })
  }
}

/** Every certificate that was presented must be in the bundle that came out of band, byte for byte. */
export function requireKnownAuthorities(presented: readonly Certificate[], known: readonly Certificate[]): void {
  const fingerprints = new Set(known.map((authority) => authority.fingerprint))
  const stranger = presented.find((authority) => !fingerprints.has(authority.fingerprint))
  if (stranger !== undefined)
    throw new BootstrapError(
      'ca-not-trusted',
      `the cluster presents a CA that caFile does not hold: sha256:${publicKeyPin(stranger)}`,
    )
}

/** The certificates whose public key is pinned; without any, an error that shows what the presented ones hash to. */
export function pinnedAuthorities(
  presented: readonly Certificate[],
  pins: readonly string[],
): [Certificate, ...Certificate[]] {
  const [first, ...rest] = presented.filter((authority) => pins.includes(publicKeyPin(authority)))
  if (first !== undefined) return [first, ...rest]
  if (presented.some((authority) => pins.includes(authority.fingerprint)))
    throw new BootstrapError(
      'pin-hashes-certificate',
      'a pin in caCertHashes is the digest of the whole CA certificate',
    )
  const hashes = presented.map((authority) => `sha256:${publicKeyPin(authority)}`).join(', ')
  throw new BootstrapError('pin-mismatch', `no pin matches; the CA that was presented hashes to ${hashes}`)
}
