/** Whether a pair on the disk is this node's own in its cluster, as the oddity that it is where it is not. Pure. */
import type { JoinConfiguration } from '../config/index.ts'
import { NODES_GROUP } from '../kube/certificate-signing-request.ts'
import type { Cluster } from '../kube/cluster.ts'
import type { CertificatePair } from '../store/certificate-pair.ts'
import type { CertificateKind } from './certificate-kind.ts'
import { nodeSubject } from './desired.ts'
import { mismatch } from './issued-certificate.ts'
import type { Oddity } from './oddities.ts'

/** Of names it is not asked here: a certificate that lacks some is due, and serves until another is there. */
export function mismatchOf(
  pair: CertificatePair,
  configuration: JoinConfiguration,
  kind: CertificateKind,
  cluster: Cluster,
): Oddity | undefined {
  const { commonName } = nodeSubject(configuration)
  const { spki } = pair.certificate
  const found = mismatch(pair.certificate, pair.intermediates, {
    spki,
    commonName,
    organization: NODES_GROUP,
    purpose: kind.purpose.oid,
    names: undefined,
    cluster,
  })
  switch (found?.kind) {
    case 'subject':
      return 'not-of-this-node'
    case 'usage':
      return kind.wrongUsage
    case 'authority':
      return 'not-of-this-cluster'
    case 'key':
      return 'key-mismatch'
    case 'names':
    case undefined:
      return undefined
  }
}
