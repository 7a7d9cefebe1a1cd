/**
 * The CA bundle that a cluster publishes today, read over a connection that the bundle in force verifies. It decides
 * nothing: whether the new one may take the old one's place is the agent's to say.
 */
import type { ApiClient, ApiServer, Credential } from '../kube/api-request.ts'
import { rootsOf, type Cluster } from '../kube/cluster.ts'
import type { ErrorCode } from '../lib/error-codes.ts'
import { BootstrapError } from '../lib/errors.ts'
import type { VerifiedTrust } from '../lib/ports.ts'
import type { Certificate } from '../pki/certificate.ts'
import { parseCertificateAuthorityData } from './authorities.ts'
import { fetchVerifiedKubeconfig } from './cluster-info.ts'
import { readKubeconfig } from './kubeconfig-material.ts'

/**
 * From cluster-info; undefined where it carries no CA. Asked anonymously, as RBAC allows it, and with `credential` where
 * the cluster has no anonymous access, which takes a RoleBinding of the operator's: kubeadm's own is for
 * system:anonymous alone. Throws as `fetchClusterInfo`, and `ca-malformed`.
 */
export async function publishedAuthorities(
  client: ApiClient,
  cluster: Cluster,
  credential: Credential,
  signal: AbortSignal,
): Promise<readonly Certificate[] | undefined> {
  const { server } = cluster
  const ask = (as: Credential): Promise<string> => {
    const api: ApiServer & { trust: VerifiedTrust } = { server, trust: { roots: rootsOf(cluster) }, credential: as }
    return fetchVerifiedKubeconfig(client, api, signal)
  }
  const text = await ask({ kind: 'anonymous' }).catch((thrown: unknown) => {
    if (hasCode(thrown, 'anonymous-access-off')) return ask(credential).catch(nameTheGrant)
    throw thrown
  })
  const source = { label: `in cluster-info of ${server.host}`, origin: 'remote', text } as const
  const { certificateAuthority } = readKubeconfig(source, 'cluster-info-malformed').cluster
  return certificateAuthority?.kind === 'embedded'
    ? parseCertificateAuthorityData(certificateAuthority.data, `cluster-info of ${server.host}`)
    : undefined
}

const hasCode = (thrown: unknown, code: ErrorCode): thrown is BootstrapError =>
  thrown instanceof BootstrapError && thrown.code === code

const GRANT =
  'kubectl --namespace=kube-public create rolebinding node-bootstrap:cluster-info --role=kubeadm:bootstrap-signer-clusterinfo --group=system:nodes'

/** It is in the message, for what cannot be read is told without a hint. */
function nameTheGrant(thrown: unknown): never {
  if (!hasCode(thrown, 'cluster-info-forbidden')) throw thrown
  const message = `anonymous access is off, and nodes may not read cluster-info; on the control plane: ${GRANT}`
  throw new BootstrapError('cluster-info-forbidden', message, { cause: thrown, hint: GRANT })
}
