/** A cluster as it was verified: where its API server is, and which certificates are its CA. */
import type { Certificate } from '../pki/certificate.ts'
import { certificateToPem, publicKeyPin } from '../pki/certificate.ts'

export interface Cluster {
  server: URL
  /** The bundle, at least one. */
  authorities: readonly Certificate[]
}

/** The bundle as PEM. */
export const caBundle = (cluster: Cluster): string => cluster.authorities.map(certificateToPem).join('')

/** Text before a PEM block is allowed (RFC 7468 §2): by it our ca.crt is known when the cluster's record is gone. */
const MARK = '# Written by node-bootstrap, which keeps it current.\n'

export const isOwnCaFile = (text: string): boolean => text.startsWith(MARK)

/** The bundle as the text of a ca.crt. */
export const caFileText = (cluster: Cluster): string => MARK + caBundle(cluster)

export const rootsOf = (cluster: Cluster): readonly string[] => cluster.authorities.map(certificateToPem)

/** `sha256:<hex>` of each CA's public key, as caCertHashes pins them. */
export const caCertHashes = (authorities: readonly Certificate[]): string[] =>
  authorities.map((authority) => `sha256:${publicKeyPin(authority)}`)
