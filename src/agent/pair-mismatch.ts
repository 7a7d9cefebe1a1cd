/** Whether a pair on the disk is this node's own in its cluster, as the oddity that it is where it is not. Pure. */
import type { JoinConfiguration } from '../config/index.ts'
import { NODES_GROUP } from '../kube/certificate-signing-request.ts'
import type { Cluster } from '../kube/cluster.ts'
import type { CertificatePair } from '../store/certificate-pair.ts'
import { nodeSubject } from './desired.ts'
import { mismatch, type Mismatch } from './issued-certificate.ts'
import type { Oddity } from './oddities.ts'

const odditiesOfMismatch = {
  subject: 'not-of-this-node',
  usage: 'not-for-clients',
  authority: 'not-of-this-cluster',
  key: 'key-mismatch',
} as const satisfies Record<Mismatch['kind'], Oddity>

export function mismatchOf(
  pair: CertificatePair,
  configuration: JoinConfiguration,
  cluster: Cluster,
): Oddity | undefined {
  const { commonName } = nodeSubject(configuration)
  const { spki } = pair.certificate
  const found = mismatch(pair.certificate, pair.intermediates, {
    spki,
    commonName,
    organization: NODES_GROUP,
    cluster,
  })
  return found === undefined ? undefined : odditiesOfMismatch[found.kind]
}
