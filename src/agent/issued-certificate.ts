/** Checks what the signer returned before it is installed: whatever fails here never replaces anything. */
import type { Cluster } from '../kube/cluster.ts'
import { BootstrapError } from '../lib/errors.ts'
import { CertificateError, chainsTo, parseCertificates, type Certificate } from '../pki/certificate.ts'
import { OID } from '../pki/oids.ts'
import { coversNames, type SubjectNames } from '../pki/subject-names.ts'

export interface ExpectedCertificate {
  /** DER of the SubjectPublicKeyInfo that was sent. */
  spki: Uint8Array
  commonName: string
  organization: string
  /** OID of the extended key usage that it is for. */
  purpose: string
  /** What a server's certificate must be good for; undefined for a client's. */
  names: SubjectNames | undefined
  cluster: Cluster
}

/** A longer chain is no cluster's. */
const MAX_CERTIFICATES = 10

export interface Mismatch {
  kind: 'key' | 'subject' | 'usage' | 'names' | 'authority'
  /** In words that follow "the certificate". */
  problem: string
}

/** What about `certificate` is not as expected; undefined where all is well. The validity period is not looked at. */
export function mismatch(
  certificate: Certificate,
  intermediates: readonly Certificate[],
  expected: ExpectedCertificate,
): Mismatch | undefined {
  const isOnly = (values: readonly string[], wanted: string): boolean => values.length === 1 && values[0] === wanted
  if (!Buffer.from(certificate.spki).equals(expected.spki)) return { kind: 'key', problem: 'is for another key' }
  if (!isOnly(certificate.commonNames, expected.commonName))
    return { kind: 'subject', problem: `is for ${certificate.subjectText}, not for ${expected.commonName}` }
  if (!isOnly(certificate.organizations, expected.organization))
    return { kind: 'subject', problem: `is not in the organization ${expected.organization} alone` }
  if (!certificate.extendedKeyUsages.includes(expected.purpose))
    return {
      kind: 'usage',
      problem: `may not be used for ${expected.purpose === OID.clientAuth ? 'client' : 'server'} authentication`,
    }
  if (expected.names !== undefined && !coversNames(certificate.subjectNames, expected.names))
    return { kind: 'names', problem: 'lacks names or addresses that were asked for' }
  if (expected.names !== undefined && !coversNames(expected.names, certificate.subjectNames))
    return { kind: 'names', problem: 'is for names or addresses that were not asked for' }
  if (!chainsTo(certificate, intermediates, expected.cluster.authorities))
    return { kind: 'authority', problem: "is not signed by the cluster's CA" }
  return undefined
}

/** The chain, leaf first, of a certificate that is exactly what was asked for; `certificate-*` otherwise. */
export function checkIssuedCertificate(pem: string, expected: ExpectedCertificate): [Certificate, ...Certificate[]] {
  const chain = parseChain(pem)
  const [leaf, ...intermediates] = chain
  const found = mismatch(leaf, intermediates, expected)
  if (found !== undefined)
    throw new BootstrapError('certificate-wrong', `the certificate that was issued ${found.problem}`)
  return chain
}

function parseChain(pem: string): [Certificate, ...Certificate[]] {
  try {
    const chain = parseCertificates(pem)
    if (chain.length <= MAX_CERTIFICATES) return chain
    throw new BootstrapError('certificate-malformed', `the signer returned ${chain.length} certificates`)
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause
    throw new BootstrapError('certificate-malformed', `what the signer returned cannot be used: ${cause.message}`, {
      cause,
    })
  }
}
