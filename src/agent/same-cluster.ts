/** Keeps a node that had joined in the cluster that it knew, unless the operator says otherwise. */
import { caCertHashes, type Cluster } from '../kube/cluster.ts'
import { isOwnKubeconfig } from '../kube/kubelet-kubeconfig.ts'
import { BootstrapError } from '../lib/errors.ts'
import { readText } from '../lib/text-file.ts'
import { CertificateError, parseCertificates, type Certificate } from '../pki/certificate.ts'
import type { ActionContext } from './context.ts'
import { discoveryDigest } from './digests.ts'
import { hasPairOf } from './joined-before.ts'
import { voucherOf } from './voucher.ts'

/**
 * `other-cluster` where `found` has no CA key in common with the cluster that this node had joined. Pins or a CA file in an
 * unchanged discovery configuration vouch for the CA that took the old one's place; where neither is, whoever hands out the
 * kubeconfig, or has the token, would move the node.
 */
export async function requireSameCluster(context: ActionContext, found: Cluster): Promise<void> {
  const { ports, seen, configuration } = context
  if (configuration.recovery.rejoin === 'any' || !seen.hasJoined) return
  const record = seen.trust.kind === 'unknown' ? undefined : seen.trust.record
  const known = record?.cluster.authorities ?? (await publishedAuthorities(context))
  if (known === undefined) return
  const presented = caCertHashes(found.authorities)
  const expected = caCertHashes(known)
  if (expected.some((hash) => presented.includes(hash))) return
  const isUnchanged = record?.configurationDigest === discoveryDigest(configuration)
  if (isUnchanged && (await voucherOf(ports.files, configuration, found.authorities)) !== undefined) return
  // It was to move, and had not joined there yet: the cluster of its certificate is the one that it belongs to.
  if (await hasPairOf(ports.files, configuration, found)) return
  throw new BootstrapError(
    'other-cluster',
    `this node belongs to the cluster with the CA ${expected.join(', ')}, and discovery found one with ${presented.join(', ')}`,
  )
}

/** Where cluster.json is lost, ca.crt still says which cluster it was; but only one that the agent itself has written. */
async function publishedAuthorities({
  ports,
  configuration,
}: ActionContext): Promise<readonly Certificate[] | undefined> {
  const { ca, kubeconfig } = configuration.files
  if (!isOwnKubeconfig((await readText(ports.files, kubeconfig)) ?? '')) return undefined
  try {
    return parseCertificates((await readText(ports.files, ca)) ?? '')
  } catch (thrown) {
    if (thrown instanceof CertificateError) return undefined
    throw thrown
  }
}
